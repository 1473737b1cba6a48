"""The arguments a parent process gives to the control and policy processes. Not for people: see `edgevla run`."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgevla.config.load import load_robot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgevla.config.robot import Robot


@dataclass(frozen=True, slots=True)
class PolicyChoice:
    """Which graph of the bundle runs, on what, and whether somebody must have verified it there."""

    variant: str
    engine: str
    verified: bool


# What needs no signature, because the others are compared with it.
REFERENCE = PolicyChoice("fp32", "cpu", verified=False)


@dataclass(frozen=True, slots=True)
class ProcessArguments:
    """`peer_fd` leads to the other of the two processes, `operator_fd` to the parent, `recorder_fd` to the recorder."""

    robot_path: Path
    overrides: Mapping[str, str]
    peer_fd: int
    operator_fd: int
    report: Path | None
    policy: PolicyChoice
    recorder_fd: int | None = None

    def robot(self) -> Robot:
        """Load robot.yaml again: every process checks what it runs on."""
        return load_robot(self.robot_path, self.overrides)


def parse_process_arguments(argv: Sequence[str]) -> ProcessArguments:
    """Read what `process_arguments` wrote."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--robot", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--peer-fd", type=int, required=True)
    parser.add_argument("--operator-fd", type=int, required=True)
    parser.add_argument("--recorder-fd", type=int)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--variant", required=True)
    parser.add_argument("--engine", required=True)
    parser.add_argument("--verified", action="store_true")
    given = parser.parse_args(argv)
    overrides = dict(pair.split("=", 1) for pair in given.set)
    policy = PolicyChoice(given.variant, given.engine, given.verified)
    return ProcessArguments(
        given.robot, overrides, given.peer_fd, given.operator_fd, given.report, policy, given.recorder_fd
    )


def process_arguments(arguments: ProcessArguments) -> list[str]:
    """The command line for a child process."""
    words = ["--robot", str(arguments.robot_path)]
    words += ["--variant", arguments.policy.variant, "--engine", arguments.policy.engine]
    words += ["--verified"] if arguments.policy.verified else []
    words += ["--peer-fd", str(arguments.peer_fd), "--operator-fd", str(arguments.operator_fd)]
    if arguments.recorder_fd is not None:
        words += ["--recorder-fd", str(arguments.recorder_fd)]
    for key, value in arguments.overrides.items():
        words += ["--set", f"{key}={value}"]
    if arguments.report is not None:
        words += ["--report", str(arguments.report)]
    return words
