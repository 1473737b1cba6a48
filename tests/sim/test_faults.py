"""A broken simulated robot is broken in exactly the way it was told, and in order again when told so."""

import json
import time
import urllib.error
import urllib.request
from dataclasses import replace

import cv2
import numpy as np
import pytest

from edgevla.motors import feetech, sts3215
from edgevla.motors.errors import PortLost, PortMissing
from edgevla.motors.port import SerialPort
from edgevla.motors.sts3215 import Fault as Alarm
from edgevla.sim.capture import Capture
from edgevla.sim.faults import Fault
from edgevla.sim.faulty_feeds import FaultyFeeds
from edgevla.sim.faulty_servos import FaultyServos
from edgevla.sim.feed import Picture
from edgevla.sim.process import spawn_simulator
from tests.motors.fakes import FakeBody

DEVICES = (1, 2, 3)
COUNTS_PER_RAD = 4096 / 6.283185307


class Bench:
    def __init__(self):
        self.body = FakeBody(len(DEVICES))
        self.servos = FaultyServos(self.body, DEVICES)

    def answer(self):
        return self.servos.handle(feetech.sync_read(DEVICES, 56, 2))

    def positions(self):
        """Counts from the middle, of those that answered."""
        parser = feetech.ReplyParser(DEVICES, 2)
        parser.feed(self.answer().data)
        found = parser.replies.items()
        return {device: sts3215.PRESENT_POSITION.unpack(reply.data, 56) - 2048 for device, reply in found}

    def move(self, position_rad):
        self.body.position_rad[:] = position_rad


@pytest.fixture
def bench():
    return Bench()


def broken(bench, part, kind, **changes):
    bench.servos.break_([Fault(part=part, kind=kind, **changes)])


# The line


def test_a_line_in_order_carries_every_answer(bench):
    bench.move(0.1)
    assert bench.positions() == dict.fromkeys(DEVICES, round(0.1 * COUNTS_PER_RAD))


def test_off_lets_no_byte_pass_either_way(bench):
    broken(bench, "bus", "off")
    bench.servos.handle(feetech.sync_write(40, dict.fromkeys(DEVICES, b"\x01")))
    assert bench.answer().data == b""
    assert not any(servo.torque_on for servo in bench.servos.servos)


def test_stuck_repeats_the_first_answer_while_the_servos_go_on_listening(bench):
    broken(bench, "bus", "stuck")
    before = bench.answer().data
    bench.move(0.5)
    bench.servos.handle(feetech.sync_write(40, dict.fromkeys(DEVICES, b"\x01")))
    assert bench.answer().data == before
    assert all(servo.torque_on for servo in bench.servos.servos)


def test_garbage_has_the_length_of_an_answer_and_no_frame_in_it(bench):
    length = len(bench.answer().data)
    broken(bench, "bus", "garbage")
    assert len(bench.answer().data) == length
    assert bench.positions() == {}


def test_wrong_is_one_bit_off(bench):
    before = bench.answer().data
    broken(bench, "bus", "wrong")
    after = bench.answer().data
    assert sum((a ^ b).bit_count() for a, b in zip(before, after, strict=True)) == 1


def test_slow_comes_later(bench):
    before_s = bench.answer().delay_s
    broken(bench, "bus", "slow", by_s=0.003)
    assert bench.answer().delay_s == pytest.approx(before_s + 0.003)


def test_delayed_answers_the_request_before(bench):
    broken(bench, "bus", "delayed")
    assert bench.answer().data == b""
    bench.move(0.5)
    assert bench.positions()[1] == 0
    assert bench.positions()[1] == round(0.5 * COUNTS_PER_RAD)


def test_intermittent_misses_one_in_so_many(bench):
    broken(bench, "bus", "intermittent", every=3)
    assert [bool(bench.answer().data) for _ in range(9)].count(False) == 3


# The servos


def test_a_servo_that_is_off_is_silent_and_keeps_its_torque(bench):
    bench.servos.handle(feetech.sync_write(40, dict.fromkeys(DEVICES, b"\x01")))
    broken(bench, "servo", "off", device=2)
    assert set(bench.positions()) == {1, 3}
    assert bench.servos.servos[1].torque_on


def test_a_stuck_encoder_says_what_it_said_and_the_others_do_not(bench):
    bench.move(0.1)
    broken(bench, "servo", "stuck", device=2)
    bench.move(0.4)
    counts = bench.positions()
    assert counts[2] == round(0.1 * COUNTS_PER_RAD)
    assert counts[1] == counts[3] == round(0.4 * COUNTS_PER_RAD)


def test_a_wrong_encoder_is_off_by_so_much(bench):
    broken(bench, "servo", "wrong", device=3, by_rad=-0.5)
    assert bench.positions()[3] == round(-0.5 * COUNTS_PER_RAD)


def test_a_noisy_encoder_never_says_the_same_twice_and_stays_within_its_noise(bench):
    broken(bench, "servo", "garbage", device=1, by_rad=0.2)
    heard = [bench.positions()[1] for _ in range(20)]
    assert len(set(heard)) > 10
    assert max(map(abs, heard)) <= round(0.2 * COUNTS_PER_RAD)


def test_a_late_encoder_says_where_the_joint_was(bench, monkeypatch):
    now_s = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now_s)
    broken(bench, "servo", "delayed", device=1, by_s=0.1)
    heard = []
    for position_rad in (0.0, 0.1, 0.2, 0.3):
        bench.move(position_rad)
        heard.append(bench.positions()[1])
        now_s += 0.06
    assert heard == [0, 0, round(0.1 * COUNTS_PER_RAD), round(0.2 * COUNTS_PER_RAD)]


# Power and heat


def test_power_lost_is_silence_and_no_torque_and_stays_so_when_it_comes_back(bench):
    bench.servos.handle(feetech.sync_write(40, dict.fromkeys(DEVICES, b"\x01")))
    broken(bench, "power", "off")
    assert bench.answer().data == b""
    bench.servos.break_([])
    assert set(bench.positions()) == set(DEVICES)
    assert not any(servo.torque_on for servo in bench.servos.servos)


@pytest.mark.parametrize(("volts", "alarm"), [(5.0, Alarm.VOLTAGE), (12.0, Alarm(0)), (15.0, Alarm.VOLTAGE)])
def test_a_supply_outside_the_servos_limits_is_an_alarm(bench, volts, alarm):
    broken(bench, "power", "wrong", value=volts)
    assert {servo.status for servo in bench.servos.servos} == {int(alarm)}


def test_a_supply_that_dips_is_an_alarm_half_of_the_time(bench, monkeypatch):
    now_s = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now_s)
    broken(bench, "power", "intermittent", value=5.0, by_s=0.5)
    alarms = []
    for _ in range(4):
        bench.answer()
        alarms.append(bool(bench.servos.servos[0].status))
        now_s += 0.5
    assert alarms == [True, False, True, False]


def test_heat_is_an_alarm_of_one_servo_and_cools_when_mended(bench):
    broken(bench, "heat", "wrong", device=2, value=75.0)
    assert [bool(servo.status & Alarm.TEMPERATURE) for servo in bench.servos.servos] == [False, True, False]
    bench.servos.break_([])
    assert not any(servo.status for servo in bench.servos.servos)


# The cameras


def picture(seq):
    return Picture(10.0 + 0.1 * seq, cv2.imencode(".jpg", np.full((8, 8, 3), seq, np.uint8))[1].tobytes(), seq)


PICTURES = [picture(seq) for seq in range(1, 9)]


def shown(kind, **changes):
    feeds = FaultyFeeds()
    feeds.break_([Fault(part="camera", kind=kind, camera="front", **changes)])
    assert [feeds.show("wrist", picture) for picture in PICTURES] == PICTURES
    return [feeds.show("front", picture) for picture in PICTURES]


def test_a_camera_in_order_shows_every_picture():
    feeds = FaultyFeeds()
    assert [feeds.show("front", picture) for picture in PICTURES] == PICTURES
    assert not feeds.off("front")


def test_a_camera_that_is_off_gives_no_stream_and_the_other_one_does():
    feeds = FaultyFeeds()
    feeds.break_([Fault(part="camera", kind="off", camera="front")])
    assert feeds.off("front")
    assert not feeds.off("wrist")


def test_a_stuck_camera_shows_its_first_picture_with_new_times():
    assert shown("stuck") == [replace(picture, jpeg=PICTURES[0].jpeg) for picture in PICTURES]


def test_garbage_is_no_picture():
    assert all(cv2.imdecode(np.frombuffer(each.jpeg, np.uint8), cv2.IMREAD_COLOR) is None for each in shown("garbage"))


def test_wrong_is_a_picture_of_another_size():
    sizes = {cv2.imdecode(np.frombuffer(each.jpeg, np.uint8), cv2.IMREAD_COLOR).shape for each in shown("wrong")}
    assert sizes == {(48, 64, 3)}


def test_a_slow_camera_leaves_pictures_out():
    assert [each.seq for each in shown("slow", by_s=0.29) if each] == [1, 4, 7]


def test_a_delayed_camera_shows_old_pictures_with_their_old_times():
    late = shown("delayed", by_s=0.25)
    assert [None if each is None else each.seq for each in late] == [None, None, None, 1, 2, 3, 4, 5]
    assert late[-1].t_s == PICTURES[4].t_s


def test_an_intermittent_camera_misses_one_in_so_many():
    assert [each.seq for each in shown("intermittent", every=3) if each] == [1, 2, 4, 5, 7, 8]


# Through the simulator's doors


@pytest.fixture(scope="module")
def robot(tmp_path_factory):
    capture = tmp_path_factory.mktemp("capture") / "bus.jsonl"
    with spawn_simulator(seed=3, image_size=48, capture=capture) as robot:
        robot.capture = capture
        yield robot


@pytest.mark.realtime
def test_an_unplugged_adapter_comes_back_as_another_port(robot):
    port = SerialPort(robot.port, 1_000_000, lambda frame: None)
    path = robot.port
    robot.break_([Fault(part="port", kind="off")])
    with pytest.raises(PortLost):
        port.send(feetech.ping(1))
    port.close()
    with pytest.raises(PortMissing):
        SerialPort(path, 1_000_000, lambda frame: None)
    robot.break_([])
    port = SerialPort(robot.port, 1_000_000, lambda frame: None)
    port.send(feetech.ping(1))
    assert port.receive(6, time.monotonic() + 1.0)
    port.close()


@pytest.mark.realtime
def test_a_camera_is_broken_through_its_own_door_and_mended(robot):
    robot.break_([Fault(part="camera", kind="off")])
    with pytest.raises(urllib.error.HTTPError, match="503"):
        urllib.request.urlopen(robot.cameras["front"], timeout=5.0)
    robot.break_([])
    with urllib.request.urlopen(robot.cameras["front"], timeout=5.0) as stream:
        assert stream.status == 200


@pytest.mark.realtime
def test_everything_on_the_bus_is_captured_both_ways(robot):
    before = robot.capture.stat().st_size
    port = SerialPort(robot.port, 1_000_000, lambda frame: None)
    sent_s = time.monotonic()
    port.send(feetech.ping(2))
    reply = port.receive(6, sent_s + 1.0)
    port.close()
    deadline_s = time.monotonic() + 2.0
    while time.monotonic() < deadline_s and robot.capture.read_bytes()[before:].count(b"\n") < 2:
        time.sleep(0.01)
    host, servos = (json.loads(line) for line in robot.capture.read_bytes()[before:].splitlines())
    assert (host["from"], host["hex"]) == ("host", feetech.ping(2).hex())
    assert (servos["from"], servos["hex"]) == ("servos", reply.hex())
    assert sent_s <= host["t_s"] + 1e-6 <= servos["t_s"] + 1e-6


def test_a_capture_appends_to_what_is_there(tmp_path):
    for speaker in ("host", "servos"):
        capture = Capture(tmp_path / "bus.jsonl")
        capture.add(1.5, speaker, b"\xff\x01")
        capture.close()
    lines = (tmp_path / "bus.jsonl").read_text().splitlines()
    assert lines[0] == '{"t_s": 1.5, "from": "host", "hex": "ff01"}'
    assert len(lines) == 2
