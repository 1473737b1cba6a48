"""Recordings on disks that are really full or really read-only: said in one line, and it goes on when there is room."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from edgevla.messages import Shutdown
from tests.disks import needs_disks, seeing
from tests.recording.test_recorder import Running

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures(needs_disks.__name__)


def test_a_disk_that_fills_up_pauses_it_and_room_lets_it_go_on(tmp_path):
    module = [sys.executable, "-m", "tests.recording.on_a_small_disk", tmp_path]
    done = subprocess.run(
        seeing(tmp_path, "size=1m", module), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    before, full, after, _ = said["details"]
    assert before.startswith(f"recording to {tmp_path}")
    assert full == f"recording paused: {tmp_path}: No space left on device"
    assert after.startswith(f"recording to {tmp_path}")
    assert said["broken"] == "None"
    assert said["logs"] == 2, "the one from before is readable, and another was begun"
    ticks = said["ticks"]
    assert ticks == sorted(set(ticks))
    assert (ticks[0], ticks[-1]) == (1, said["given"])
    assert 0 < said["dropped"] < said["given"]


@pytest.mark.parametrize(
    ("disk", "why"),
    [("ro", "Read-only file system"), ("size=1m", "the disk has 1 MB free, and 256 MB are left to everybody else")],
)
def test_a_disk_that_takes_nothing_is_said_and_the_recorder_lives(tmp_path, disk, why):
    folder = tmp_path / "disk"
    folder.mkdir()
    one = Running(folder, around=partial(seeing, folder, disk)).ready()
    try:
        one.give([1])
        one.until(lambda: not one.status.recording)
        assert one.status.detail == f"recording paused: {folder}: {why}"
        assert one.process.poll() is None
        one.operator.send(Shutdown(why="enough"))
        assert one.process.wait(10) == 0
    finally:
        one.close()
