"""From stop to stop: how far the joints of known arms can be moved, as angles of their URDF."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgevla.config.robot import Robot

# The public SO-101 model (TheRobotStudio/SO-ARM100, so101_new_calib, Apache-2.0), in degrees.
_SO101_DEG = {
    "shoulder_pan": (-110.0, 110.0),
    "shoulder_lift": (-100.0, 100.0),
    "elbow_flex": (-96.8, 96.8),
    "wrist_flex": (-95.0, 95.0),
    "wrist_roll": (-157.2, 162.8),
    "gripper": (-10.0, 100.0),
}


def stops_rad(robot: Robot) -> dict[str, tuple[float, float]]:
    """Lower and upper stop of every joint; of an arm that is not known here, its `position_hard`."""
    if set(robot.joint_names) == _SO101_DEG.keys():
        return {name: (math.radians(low), math.radians(high)) for name, (low, high) in _SO101_DEG.items()}
    return {joint.name: (float(joint.position_hard[0]), float(joint.position_hard[1])) for joint in robot.joints}
