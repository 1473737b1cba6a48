"""What the kernel grants to the control process."""

from __future__ import annotations

import sys

import msgspec
import pytest

from edgevla.doctor.finding import Level
from edgevla.doctor.machine import Answer, Machine
from edgevla.doctor.realtime import USUAL, check_kernel, check_realtime, check_share
from edgevla.messages import Granted
from tests.doctor.trees import LIMITS, ORIN, plant

ALL = Granted(scheduler="fifo 50", mlock=True, affinity=(0, 1), refused="")
NOTHING = Granted(
    scheduler="other",
    mlock=False,
    affinity=(0, 1),
    refused="not permitted: SCHED_FIFO (ticks will be late under load); locked memory (a page fault can delay a tick); "
    "set rtprio and memlock in /etc/security/limits.conf",
)
UNIT = "etc/systemd/system/edgevla@.service"


def answering(granted):
    return lambda words: Answer(0, msgspec.json.encode(granted).decode(), "")


def test_what_is_granted_is_said_with_the_limits(tmp_path):
    finding = check_realtime(plant(tmp_path, ORIN, ask=answering(ALL)), USUAL)
    assert finding.level is Level.OK
    for fact in ("fifo 50", "memory locked", "ann", "rtprio 60", "memlock unlimited"):
        assert fact in finding.found


def test_what_is_refused_comes_with_the_limits_to_write(tmp_path):
    poor = {**ORIN, "proc/self/limits": LIMITS.format(memlock=8388608, rtprio=0)}
    finding = check_realtime(plant(tmp_path, poor, ask=answering(NOTHING)), USUAL)
    assert finding.level is Level.WARN
    for fact in ("SCHED_FIFO", "locked memory", "rtprio 0", "memlock 8 MiB"):
        assert fact in finding.found
    assert finding.fix == (
        "printf 'ann - rtprio 60\\nann - memlock unlimited\\n' | sudo tee /etc/security/limits.d/90-edgevla.conf, "
        "and log in again"
    )


def test_a_higher_priority_in_robot_yaml_is_the_one_to_write(tmp_path):
    wanted = msgspec.structs.replace(USUAL, priority=80)
    assert "rtprio 80" in check_realtime(plant(tmp_path, ORIN, ask=answering(NOTHING)), wanted).fix


@pytest.mark.parametrize(("limit", "level"), [(60, Level.OK), (50, Level.OK), (40, Level.WARN)])
def test_the_service_may_have_what_the_user_has_not(tmp_path, limit, level):
    machine = plant(tmp_path, {**ORIN, UNIT: f"[Service]\nLimitRTPRIO={limit}\n"}, ask=answering(NOTHING))
    assert check_realtime(machine, USUAL).level is level


def test_a_core_that_is_not_there_is_a_mistake_in_robot_yaml(tmp_path):
    wanted = msgspec.structs.replace(USUAL, cpu=99)
    refused = Granted(scheduler="fifo 50", mlock=True, affinity=(0,), refused="not permitted: core 99; set rtprio and")
    finding = check_realtime(plant(tmp_path, ORIN, ask=answering(refused)), wanted)
    assert (finding.level, finding.fix) == (Level.FAIL, "set control.realtime.cpu to null")


def test_a_robot_that_asks_for_nothing_is_not_refused(tmp_path):
    wanted = msgspec.structs.replace(USUAL, scheduler="other", lock_memory=False)
    assert check_realtime(plant(tmp_path, ORIN), wanted).level is Level.SKIP


def test_a_try_that_gives_no_answer_is_unknown(tmp_path):
    assert check_realtime(plant(tmp_path, ORIN), USUAL).level is Level.SKIP


def test_the_try_is_the_request_that_the_runtime_makes():
    """On this very machine, whatever it grants; this process keeps its scheduler."""
    wanted = msgspec.structs.replace(USUAL, scheduler="other", lock_memory=True)
    finding = check_realtime(Machine(), wanted)
    assert finding.level in {Level.OK, Level.WARN}
    assert "locked" in finding.found


@pytest.mark.parametrize(
    ("files", "rate_hz", "level"),
    [
        ({}, 50.0, Level.OK),
        ({}, 500.0, Level.WARN),
        ({"sys/kernel/realtime": "1\n"}, 500.0, Level.OK),
        ({"proc/version": "Linux version 6.8.12-rt-tegra (b@h) #1 SMP PREEMPT_RT x\n"}, 500.0, Level.OK),
    ],
)
def test_a_fast_loop_wants_a_real_time_kernel(tmp_path, files, rate_hz, level):
    assert check_kernel(plant(tmp_path, {**ORIN, **files}), rate_hz).level is level


@pytest.mark.parametrize(
    ("share_us", "level"),
    [("950000", Level.OK), ("-1", Level.OK), ("100000", Level.WARN), ("0", Level.FAIL), (None, Level.SKIP)],
)
def test_how_much_of_a_second_real_time_threads_may_have(tmp_path, share_us, level):
    machine = plant(tmp_path, {**ORIN, "proc/sys/kernel/sched_rt_runtime_us": share_us})
    assert check_share(machine).level is level


def test_python_is_asked_in_a_process_of_its_own(tmp_path):
    asked = []
    machine = plant(tmp_path, ORIN, ask=lambda words: asked.append(words) or Answer(-1, "", ""))
    check_realtime(machine, USUAL)
    assert asked[0][0] == sys.executable
    assert msgspec.json.decode(asked[0][-1]) == msgspec.to_builtins(USUAL)
