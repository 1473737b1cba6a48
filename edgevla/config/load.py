"""Reading a robot.yaml."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from edgevla.config.convert import convert
from edgevla.config.override import apply_overrides
from edgevla.config.robot import Robot
from edgevla.config.robot_checks import check_robot
from edgevla.config.source import read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def load_robot(path: Path, overrides: Mapping[str, str] = MappingProxyType({})) -> Robot:
    """Read, convert and check a robot.yaml.

    Args:
        path: the file. `Robot.bundle` is relative to its folder.
        overrides: values that replace the file's, by dotted path, as `--set` gives them.

    Raises:
        ConfigError: the file cannot be used; a line for each mistake says where, which value and what is allowed.
    """
    root = read_yaml(path)
    apply_overrides(root, overrides)
    robot = convert(root, Robot)
    check_robot(robot, root)
    return robot
