"""From a bundle's folder to a policy that fits the robot and has produced valid chunks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from edgevla.bundle import BundleError, check_fits, load_manifest
from edgevla.engine.load import load
from edgevla.messages import Observation
from edgevla.policy.policy import Policy
from edgevla.policy.preprocess import CAMERA

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgevla.config.robot import Robot


def load_policy(
    folder: Path,
    variant: str = "fp32",
    robot: Robot | None = None,
    *,
    target: str = "cpu",
    clock: Callable[[], float] = time.monotonic,
) -> Policy:
    """Load a bundle, compare its parts with each other and with the robot, and rehearse it.

    Opens no port and no camera: what does not fit is refused before anything can move.

    Args:
        variant: which graph of the bundle: fp32, int8, int8-cpu.
        robot: what the policy shall drive; None for tools that only look at the policy.
        target: what runs the graph, a name known to edgevla.engine.load.
        clock: CLOCK_MONOTONIC seconds, or simulated time, for the stage times.

    Raises:
        BundleError: the bundle is malformed or damaged, lacks the variant, does not fit the robot, or fails its
            rehearsal.
        EngineError: the target cannot run the graph, or the graph does not match policy.yaml.
        PluginUnknown: no such family or target.
    """
    bundle = load_manifest(folder)
    if robot is not None:
        check_fits(bundle, robot)
    policy = Policy(bundle, load(bundle.manifest, bundle.graph(variant), target), clock=clock)
    rehearse(policy, folder)
    return policy


def rehearse(policy: Policy, folder: Path) -> None:
    """Let the policy act on grey pictures and the mean state, once for each sentence it was trained on.

    Every stage has then run before the first tick counts on it, and a graph that answers NaN is found here.

    Raises:
        BundleError: a chunk is invalid.
    """
    manifest = policy.manifest
    pictures = {
        spec.source.removeprefix(CAMERA): np.full((*spec.shape[2:], 3), 128, np.uint8)
        for spec in manifest.inputs
        if spec.source.startswith(CAMERA)
    }
    for instruction in manifest.language.instructions:
        chunk = policy.act(Observation(0.0, pictures, np.array(manifest.state.mean), instruction), seq=0)
        if not chunk.valid:
            raise BundleError(f'{folder}: rehearsing "{instruction}": {chunk.reason}', fix="export the bundle again")
