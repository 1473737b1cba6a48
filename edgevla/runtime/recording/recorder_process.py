"""The recorder process: writes down what control and policy hand over. It may crash, hang or be killed; nothing waits.

    python -m edgevla.runtime.recording.recorder_process --robot robot.yaml --folder /var/lib/edgevla/log \
        --quota 2000000000 --variant fp32 --engine cpu --control-fd 5 --policy-fd 6 --operator-fd 7
"""

from __future__ import annotations

import argparse
import select
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import msgspec

from edgevla.config.load import load_robot
from edgevla.config.policy_checks import MANIFEST
from edgevla.errors import EdgeVLAError
from edgevla.messages import Failure, RecorderStatus, Shutdown, TickRecord
from edgevla.runtime.link import inherited
from edgevla.runtime.recording.clock import offset_ns
from edgevla.runtime.recording.limits import Limits
from edgevla.runtime.recording.needs import check_installed
from edgevla.runtime.recording.wire import Fed
from edgevla.runtime.report import envelope, now
from edgevla.runtime.wiring import arm_model, bundle_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType

    from edgevla.config.robot import Robot
    from edgevla.runtime.link import Link
    from edgevla.runtime.recording.recorder import Recorder

_WAIT_S = 0.25
_STATUS_S = 1.0


class RecorderBroken(EdgeVLAError):
    """The recorder itself has failed. A new process can go on."""

    exit_code = 3


class RecorderProcess:
    """The loop around one `Recorder`.

    Args:
        recorder: running.
        control: ticks in.
        policy: observations and chunks in.
        operator: status out; its end, or a word from it, ends the recording.
    """

    def __init__(
        self, recorder: Recorder, control: Link[TickRecord], policy: Link[Fed], operator: Link[Shutdown]
    ) -> None:
        self._recorder = recorder
        self._control = control
        self._policy = policy
        self._operator = operator
        self._leaving = False
        self._told: RecorderStatus | None = None
        self._told_s = float("-inf")

    def leave(self) -> None:
        """Finish the file, then end the loop."""
        self._leaving = True

    def run(self) -> None:
        """Record until told to finish.

        Raises:
            RecorderBroken: nothing can be written any more, for a reason that no disk has.
        """
        while not (self._leaving or self._operator.closed):
            heard = [link for link in (self._control, self._policy, self._operator) if not link.closed]
            select.select(heard, [], [], _WAIT_S)
            self._hear()
            if self._recorder.broken is not None:
                error = self._recorder.broken
                raise RecorderBroken(f"the recorder has failed: {type(error).__name__}: {error}")
            self._leaving = self._leaving or bool(self._operator.drain())
            self._tell()
        self._hear()
        self._recorder.close()
        self._told_s = float("-inf")
        self._tell()

    def _hear(self) -> None:
        for tick in self._control.drain():
            self._recorder.tick(tick)
        for message in self._policy.drain():
            self._recorder.fed(message)

    def _tell(self) -> None:
        """Once a second, and at once when something else is to be said."""
        status, now_s = self._recorder.status, time.monotonic()
        changed = self._told is None or (status.recording, status.detail) != (self._told.recording, self._told.detail)
        if changed or now_s - self._told_s >= _STATUS_S:
            self._told, self._told_s = status, now_s
            self._operator.send(status)


def facts(given: argparse.Namespace, overrides: Mapping[str, str], robot: Robot, offset: int) -> dict[str, str]:
    """What a recording says was running: all that a replay needs to be told.

    Raises:
        OSError: robot.yaml or policy.yaml cannot be read.
    """
    report = envelope("record", now(), {})
    bundle, model = bundle_folder(given.robot, robot), arm_model(given.robot, robot)
    return {
        "robot": robot.name,
        "joints": ",".join(robot.joint_names),
        "robot.yaml": given.robot.read_text(encoding="utf-8"),
        "overrides": msgspec.json.encode(overrides).decode(),
        "model": "" if model is None else str(model.resolve()),
        "bundle": str(bundle),
        "policy.yaml": (bundle / MANIFEST).read_text(encoding="utf-8"),
        "variant": given.variant,
        "engine": given.engine,
        "version": report["version"],
        "git": report["git"],
        "device": msgspec.json.encode(report["device"]).decode(),
        "started": report["started"],
        "monotonic_to_unix_ns": str(offset),
    }


def main(argv: Sequence[str]) -> None:
    """Record until the parent says that it is over, or is gone."""
    given = _parse(argv)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops the arm first, then tells us
    operator = inherited(given.operator_fd, Shutdown)
    overrides = dict(pair.split("=", 1) for pair in given.set)
    try:
        check_installed()
        robot = load_robot(given.robot, overrides)
        offset = offset_ns()
        told = facts(given, overrides, robot, offset)
    except (EdgeVLAError, OSError) as error:
        _fail(operator, str(error), EdgeVLAError.exit_code)
    from edgevla.runtime.recording.recorder import Recorder

    process = RecorderProcess(
        Recorder(given.folder, robot.name, robot.joint_names, Limits(given.quota), offset, told, time.monotonic),
        inherited(given.control_fd, TickRecord),
        inherited(given.policy_fd, Fed),
        operator,
    )

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        process.leave()

    signal.signal(signal.SIGTERM, on_signal)
    try:
        process.run()
    except RecorderBroken as error:
        _fail(operator, str(error), error.exit_code)


def _fail(operator: Link[Shutdown], message: str, code: int) -> NoReturn:
    operator.send(Failure(message=message, exit_code=code))
    sys.exit(code)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--robot", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--quota", type=int, required=True, help="bytes")
    parser.add_argument("--variant", required=True)
    parser.add_argument("--engine", required=True)
    for end in ("control", "policy", "operator"):
        parser.add_argument(f"--{end}-fd", type=int, required=True)
    return parser.parse_args(argv)


if __name__ == "__main__":
    main(sys.argv[1:])
