"""A policy bundle whose network moves the arm round and round, and goes wrong on command.

The command is a second word in the sentence: "swing" is in order, "swing nan" answers NaN. So a fault begins between
two pictures, in the ordinary policy process, through the ordinary loading, engine and decoder. The sentence is
rehearsed without the second word, as a trained policy's sentences are.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edgevla.bundle import Action, Language, Manifest, Normalisation, TensorSpec, write_manifest
from edgevla.errors import EdgeVLAError
from edgevla.evaluate.faults.graph import HORIZON, MOTION, PICTURE_PX, RATE_HZ, TOKENS, WORDS, write_graph

if TYPE_CHECKING:
    from pathlib import Path

    from edgevla.bundle import Bundle
    from edgevla.config.robot import Joint, Robot

_AMPLITUDE_RAD = math.radians(15.0)
_GRAPH = "trouble.onnx"
_VOCABULARY = "vocabulary.txt"


class UnfitRobot(EdgeVLAError):
    """The robot has too few joints, or too little room, for the motion that the faults are tried on."""


def write_trouble_bundle(robot: Robot, folder: Path) -> Bundle:
    """Write the bundle for this robot, which must have at least four joints and one camera.

    Raises:
        UnfitRobot: it has not.
    """
    if len(robot.joints) < 4 or not robot.cameras:
        raise UnfitRobot(
            f"robot {robot.name} has {len(robot.joints)} joints and {len(robot.cameras)} cameras",
            fix="faults are tried on a robot with at least 4 joints and 1 camera",
        )
    statistics = Normalisation(
        kind="mean_std",
        mean=tuple(_centre_rad(joint) for joint in robot.joints),
        std=(_AMPLITUDE_RAD,) * len(robot.joints),
    )
    camera = robot.cameras[0].name
    manifest = Manifest(
        format="edgevla-bundle/1",
        name="trouble",
        family="regression",
        graphs={"fp32": _GRAPH},
        inputs=(
            TensorSpec(
                name="picture", dtype="float32", shape=(1, 3, PICTURE_PX, PICTURE_PX), source=f"camera:{camera}"
            ),
            TensorSpec(name="state", dtype="float32", shape=(1, len(robot.joints)), source="state"),
            TensorSpec(name="tokens", dtype="int64", shape=(1, TOKENS), source="instruction"),
        ),
        state=statistics,
        action=Action(
            output="plan",
            names=robot.joint_names,
            unit="rad",
            kind="absolute",
            rate_hz=RATE_HZ,
            horizon=HORIZON,
            normalisation=statistics,
        ),
        language=Language(vocabulary=_VOCABULARY, length=TOKENS, instructions=(MOTION,)),
        files={},
    )
    (folder / _VOCABULARY).write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    write_graph(len(robot.joints), folder / _GRAPH)
    return write_manifest(folder, manifest)


def _centre_rad(joint: Joint) -> float:
    """The rest pose, or as near to it as leaves room for the swing."""
    low_rad, high_rad = joint.position_soft
    room_rad = 1.25 * _AMPLITUDE_RAD
    if high_rad - low_rad < 2.0 * room_rad:
        raise UnfitRobot(
            f"joint {joint.name}: position_soft [{math.degrees(low_rad):g}, {math.degrees(high_rad):g}] deg leaves no "
            f"room to swing by {math.degrees(_AMPLITUDE_RAD):g} deg",
            fix="widen it for the trial, if the arm has the room",
        )
    return min(max(float(joint.home), low_rad + room_rad), high_rad - room_rad)
