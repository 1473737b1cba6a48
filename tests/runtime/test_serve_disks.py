"""`edgevla serve` on disks that are really full or read-only: said before anything moves, or lost without a word to the
arm.
"""

import os
import signal
from functools import partial

import pytest

from edgevla.messages import Mode, RecorderStatus, Status
from edgevla.sim.process import spawn_simulator
from tests.disks import fill, needs_disks, seeing, seen_by
from tests.runtime.serving import SENTENCE, Serving

pytestmark = [pytest.mark.realtime, pytest.mark.usefixtures(needs_disks.__name__)]


@pytest.fixture(scope="module")
def robot():
    with spawn_simulator(seed=3) as simulator:
        yield simulator


@pytest.fixture
def disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    return folder


@pytest.fixture
def serve(robot, tmp_path, disk):
    """Starts it with a disk of its own; ends it after the test."""
    robot.start_task(SENTENCE, seed=3)
    started = []

    def start(options, *words, **environment):
        around = partial(seeing, disk, options)
        started.append(Serving(robot, tmp_path, *map(str, words), around=around, **environment))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.mark.parametrize("option", ["--report", "--record"])
def test_a_read_only_disk_is_one_line_before_anything_moves(serve, disk, option):
    code, printed = serve("ro", option, disk / "folder").ended()
    assert code == 2
    assert printed.count("\n") == 1
    assert f"{disk / 'folder'}: " in printed
    assert "Read-only file system" in printed


def test_a_read_only_place_for_the_socket_is_one_line(serve, disk):
    code, printed = serve("ro", EDGEVLA_RUNTIME_DIR=str(disk)).ended()
    assert (code, printed.count("\n")) == (2, 1)
    assert f"operator socket {disk}" in printed
    assert "Read-only file system" in printed


def test_a_disk_that_fills_up_costs_the_report_and_the_recording_and_the_arm_goes_on(serve, disk):
    served = serve("size=1m", "--report", disk / "report", "--record", disk / "log").operator().engaged()
    inside = seen_by(served.process, disk)
    fill(inside)
    before = served.last[Status]
    served.spend(2.0, holding=True)
    assert served.mode is Mode.ENGAGED
    assert served.last[Status].ticks - before.ticks > before.rate_hz, "half of them, on whatever machine"
    assert not served.last[RecorderStatus].recording
    assert "recording paused" in served.last[RecorderStatus].detail
    report = os.open(inside / "report", os.O_RDONLY)  # keeps the disk when the last process that sees it is gone
    served.process.send_signal(signal.SIGTERM)
    code, printed = served.ended()
    assert (code, "Traceback" in printed) == (0, False), printed
    with os.scandir(report) as left:
        assert list(left) == [], "nothing half-written"
    os.close(report)
