"""The calibration file that LeRobot users have: one JSON object, joint name -> what its servo was set to.

`homing_offset`, `range_min` and `range_max` are the values of the servo's registers: the position that a servo reports
is the position of its magnet minus `homing_offset`, modulo one turn, and the range is in reported positions. LeRobot
leaves `drive_mode` 0 on an SO-101; 1 means that counts fall when the angle grows. A joint that can turn all the way
round is not swept: its range is 0 .. 4095, and the pose in which it was homed is its middle. (lerobot/motors/
motors_bus.py, motors/feetech/feetech.py, robots/so_follower/so_follower.py.)
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec

from edgevla.calibrate.errors import CalibrationError
from edgevla.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgevla.config.robot import Joint

MAX_OFFSET = 2047  # eleven bits and a sign

Offset = Annotated[int, msgspec.Meta(ge=-MAX_OFFSET, le=MAX_OFFSET)]
Position = Annotated[int, msgspec.Meta(ge=0, le=4095)]


class ServoCalibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one servo was set to."""

    id: Annotated[int, msgspec.Meta(ge=0, le=253)]
    drive_mode: Annotated[int, msgspec.Meta(ge=0, le=1)]
    homing_offset: Offset
    range_min: Position
    range_max: Position


def default_path(robot_id: str) -> Path:
    """Where LeRobot keeps the calibration of the SO-101 follower arm called `robot_id`.

    Newer versions call the robot `so_follower`, older ones `so101_follower`: the one that is there, else the older.
    """
    hub = Path(os.environ.get("HF_HOME", "~/.cache/huggingface"))
    home = Path(os.environ.get("HF_LEROBOT_HOME", hub / "lerobot"))
    robots = Path(os.environ.get("HF_LEROBOT_CALIBRATION", home / "calibration")).expanduser() / "robots"
    places = [robots / kind / f"{robot_id}.json" for kind in ("so101_follower", "so_follower")]
    return next((place for place in places if place.exists()), places[0])


def read(path: Path, joints: tuple[Joint, ...]) -> dict[str, ServoCalibration]:
    """Read a file for these joints.

    Raises:
        CalibrationError: it cannot be read, or it is of other joints or servo ids.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, ServoCalibration])
    except OSError as error:
        raise CalibrationError(f"{path}: cannot be read: {error.strerror}", fix="check the path") from None
    except msgspec.DecodeError as error:
        raise CalibrationError(f"{path}: is not a LeRobot calibration: {error}") from None
    names = [joint.name for joint in joints]
    if set(found) != set(names):
        raise CalibrationError(f"{path}: its joints are {', '.join(found)}; robot.yaml has {', '.join(names)}")
    for joint in joints:
        servo = found[joint.name]
        if servo.id != joint.id:
            raise CalibrationError(f"{path}: {joint.name} is servo {servo.id}; robot.yaml says {joint.id}")
        if servo.range_min >= servo.range_max:
            bad = f"{servo.range_min} .. {servo.range_max}"
            raise CalibrationError(f"{path}: {joint.name} has the range {bad}", fix="calibrate it again")
    return {name: found[name] for name in names}


def write(path: Path, servos: Mapping[str, ServoCalibration]) -> None:
    """Write a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, msgspec.json.format(msgspec.json.encode(dict(servos)), indent=4) + b"\n")
