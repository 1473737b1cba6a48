"""`edgevla console --simulate`: a robot of its own, which ends with it and is nobody else's."""

import time

import pytest

pytest.importorskip("mujoco", reason="mujoco is not installed: make test installs it")

from edgevla.config.load import load_robot
from edgevla.console.simulate import SHIPPED, simulated
from edgevla.messages import Hello, Mode, Status
from edgevla.runtime.demo import patience
from edgevla.runtime.sockets import NotServed, connect, operator_socket

LIMIT_S = 60.0


def test_its_robot_is_served_in_a_place_of_its_own_and_gone_afterwards(monkeypatch, tmp_path):
    monkeypatch.setenv("EDGEVLA_RUNTIME_DIR", str(tmp_path))
    with simulated(SHIPPED, seed=7) as (settings, runtime):
        robot = load_robot(SHIPPED, settings)
        path = operator_socket(robot.name, {"EDGEVLA_RUNTIME_DIR": str(runtime)})
        assert path.parent != tmp_path, "where a robot of the same name may be served"
        heard, ends_s, link = {}, time.monotonic() + LIMIT_S, None
        while not {Hello, Status} <= heard.keys():
            assert time.monotonic() < ends_s, "the robot did not start; its own words are on stderr"
            time.sleep(0.05)
            try:
                link = link or connect(path)
            except NotServed:
                continue
            heard |= {type(message): message for message in link.drain()}
        assert heard[Status].mode is Mode.DISARMED
        link.close()
    assert not runtime.exists()


def test_simulated_servos_get_time_and_a_limit_of_robot_yaml_is_never_made_tighter():
    shipped = load_robot(SHIPPED)
    assert patience(shipped) == {"motors.reply_timeout": "15 ms"}, "of the 20 ms of a tick"
    for rate, given, expected in (("100 Hz", "5 ms", "7.5 ms"), ("50 Hz", "18 ms", "18 ms")):
        settings = {"control.rate": rate, "motors.reply_timeout": given}
        assert patience(load_robot(SHIPPED, settings)) == {"motors.reply_timeout": expected}
        load_robot(SHIPPED, {**settings, "motors.reply_timeout": expected})
