from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgevla.config.load import load_robot
from edgevla.config.problems import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

# Tests name its lines by number: elbow is joints[1], lines 22 to 32.
ROBOT = """\
format: edgevla-robot/1
name: two joints
bundle: .
motors:
  bus: feetech
  port: /dev/ttyACM0
  baud: 1000000
  reply_timeout: 5 ms
  on_exit: hold
joints:
  - name: shoulder
    id: 1
    zero_counts: 2048
    sign: 1
    position_hard: [-110 deg, 110 deg]
    position_soft: [-100 deg, 100 deg]
    velocity: 120 deg/s
    acceleration: 900 deg/s^2
    jerk: 18000 deg/s^3
    tracking: 25 deg
    home: 0 deg
  - name: elbow
    id: 2
    zero_counts: 1024
    sign: -1
    position_hard: [-90 deg, 90 deg]
    position_soft: [-1.5 rad, 80 deg]
    velocity: 2 rad/s
    acceleration: 900 deg/s^2
    jerk: 18000 deg/s^3
    tracking: 25 deg
    home: 50 deg
cameras:
  - name: front
    kind: opencv
    source: /dev/video0
    width: 288
    height: 240
    rate: 30 Hz
    max_age: 200 ms
control:
  rate: 50 Hz
  replan: 10 Hz
  plan_hold_after: 300 ms
  plan_stop_after: 600 ms
  lease: 1 s
  supervision: supervised
  realtime:
    scheduler: fifo
    priority: 50
    cpu: null
    lock_memory: true
"""


@pytest.fixture
def robot_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A robot.yaml without mistakes, in the working directory, so that messages begin with `robot.yaml:`."""
    monkeypatch.chdir(tmp_path)
    path = Path("robot.yaml")
    path.write_text(ROBOT, encoding="utf-8")
    return path


@pytest.fixture
def mistake(robot_yaml: Path) -> Callable[..., list[str]]:
    """Replace lines of robot.yaml (None removes one) and return the lines of the refusal."""

    def refusal(lines: dict[int, str | None], overrides: dict[str, str] | None = None) -> list[str]:
        text = [lines.get(number, line) for number, line in enumerate(ROBOT.splitlines(), start=1)]
        robot_yaml.write_text("".join(f"{line}\n" for line in text if line is not None), encoding="utf-8")
        with pytest.raises(ConfigError) as caught:
            load_robot(robot_yaml, overrides or {})
        assert caught.value.exit_code == 2
        return str(caught.value).splitlines()

    return refusal
