"""From a bundle's folder to a policy that fits the robot and has produced valid chunks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from edgevla.bundle import BundleError, check_fits, load_manifest
from edgevla.engine.verified import require_verified
from edgevla.messages import Observation
from edgevla.policy.decode.fused import decoding_of
from edgevla.policy.end_effector import EndEffector
from edgevla.policy.engines import load_engine
from edgevla.policy.execution import execution_of
from edgevla.policy.kinematics import Arm
from edgevla.policy.normalise import middle
from edgevla.policy.policy import Policy
from edgevla.policy.preprocess import CAMERA

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgevla.bundle import Bundle, Manifest
    from edgevla.config.robot import Robot
    from edgevla.policy.execution.execution import Execution


def load_policy(
    folder: Path,
    variant: str = "fp32",
    robot: Robot | None = None,
    *,
    target: str = "cpu",
    verified: bool = False,
    model: Path | None = None,
    joined: bool = True,
    clock: Callable[[], float] = time.monotonic,
) -> Policy:
    """Load a bundle, compare its parts with each other and with the robot, and rehearse it.

    Opens no port and no camera: what does not fit is refused before anything can move.

    Args:
        variant: which graph of the bundle: fp32, int8, int8-cpu.
        robot: what the policy shall drive; None for tools that only look at a policy that needs no kinematics.
        target: what runs the graph, a name known to edgevla.engine.load.
        verified: refuse what `edgevla verify` has not signed off on this machine.
        model: the robot's MJCF file, for a policy whose actions move an end effector.
        joined: False for tools that compare chunks, and see each as it is decoded, not as `execution` joins it to
            those before; without a robot it always is.
        clock: CLOCK_MONOTONIC seconds, or simulated time, for the stage times.

    Raises:
        BundleError: the bundle is malformed or damaged, lacks the variant, does not fit the robot, or fails its
            rehearsal.
        EngineError: the target cannot run the graph, or the graph does not match policy.yaml, or (EngineUnverified) it
            was not signed off.
        KinematicsError: the model lacks what the policy moves.
        PluginUnknown: no such family or target.
    """
    bundle = load_manifest(folder)
    manifest = bundle.manifest
    execution = end_effector = None
    if robot is not None:
        check_fits(bundle, robot)
        execution = _execution(manifest, robot, clock) if joined else None
        end_effector = end_effector_of(bundle, robot, model)
    if verified:
        require_verified(bundle, variant, target, decoding=decoding_of(manifest))
    engine = load_engine(bundle, variant, target)
    try:
        policy = Policy(bundle, engine, execution=execution, end_effector=end_effector, clock=clock)
        rehearse(policy, folder)
    except BaseException:
        engine.close()
        raise
    return policy


def end_effector_of(bundle: Bundle, robot: Robot, model: Path | None) -> EndEffector | None:
    """Return what turns the rows of a policy into a robot's joints; None for a policy whose actions are joints.

    Args:
        model: the robot's MJCF file.

    Raises:
        BundleError: the robot has none.
        KinematicsError: the model lacks what the policy moves.
    """
    section = bundle.manifest.end_effector
    if section is None:
        return None
    if model is None:
        raise BundleError(
            f"{bundle.folder}: its actions move an end effector; there is no model of robot {robot.name} to turn them "
            "into joints",
            fix="name workspace.model in robot.yaml, the MJCF file of the arm",
        )
    return EndEffector(bundle.manifest, Arm(model, section.site, robot.joints))


def _execution(manifest: Manifest, robot: Robot, clock: Callable[[], float]) -> Execution | None:
    if manifest.execution.kind == "latest":
        return None
    astray_rad = [float(joint.tracking) for joint in robot.joints]
    return execution_of(manifest, gap_s=float(robot.control.plan_hold_after), astray_rad=astray_rad, clock=clock)


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
        chunk = policy.act(Observation(0.0, pictures, middle(manifest.state), instruction), seq=0)
        if not chunk.valid:
            raise BundleError(f'{folder}: rehearsing "{instruction}": {chunk.reason}', fix="export the bundle again")
    policy.reset()
