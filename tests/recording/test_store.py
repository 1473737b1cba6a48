"""The folder of recordings: a quota that is kept, files that are never anybody else's, and a disk that may fail."""

import os

import pytest

from edgevla.runtime.recording.limits import Limits
from edgevla.runtime.recording.lines import Line
from edgevla.runtime.recording.log import find_logs
from edgevla.runtime.recording.segment import Segment
from edgevla.runtime.recording.store import Store

OFFSET_NS = 1_700_000_000_000_000_000
PLENTY = 10**12


class Disk:
    """A store in a folder, its clock, and how much is free."""

    def __init__(self, folder, **limits):
        self.folder, self.free, self.now_s = folder, PLENTY, 0.0
        self.store = self.another("arm", **limits)

    def another(self, robot, **limits):
        wanted = Limits(**{"quota_bytes": PLENTY, **limits})
        facts = {"robot": robot}
        return Store(self.folder, robot, wanted, OFFSET_NS, facts, lambda: [line(-1.0)], lambda _: self.free)

    def record(self, seconds, store=None, size=1000):
        """A line of incompressible bytes every 100 ms; how many were taken."""
        store, taken = store or self.store, 0
        for _ in range(round(seconds * 10)):
            self.now_s += 0.1
            taken += store.write(line(self.now_s, size), self.now_s)
            store.tend(self.now_s)
        return taken

    def names(self):
        return sorted(path.name for path in self.folder.iterdir())


def line(t_s, size=1000):
    return Line("/instruction", round(t_s * 1e9) + OFFSET_NS, 0, os.urandom(size))


@pytest.fixture
def disk(tmp_path):
    return lambda **limits: Disk(tmp_path / "log", **limits)


def test_a_file_is_named_by_robot_and_time_of_day_and_is_finished_when_closed(disk):
    one = disk()
    assert one.record(1) == 10
    one.store.close(one.now_s)
    assert one.names() == ["arm-20231114-221320.mcap"]
    assert find_logs([one.folder])[0].facts == {"robot": "arm"}


def test_the_name_of_a_robot_cannot_lead_anywhere_else(tmp_path):
    one = Disk(tmp_path / "log")
    store = one.another("../../etc/arm 1")
    one.record(1, store)
    store.close(one.now_s)
    assert one.names() == [".._.._etc_arm_1-20231114-221320.mcap"]


def test_a_new_file_begins_after_some_time_with_what_still_holds(disk):
    one = disk(file_s=10.0)
    one.record(25)
    one.store.close(one.now_s)
    logs = find_logs([one.folder])
    assert len(logs) == 3
    assert [log.begins_ns for log in logs] == [OFFSET_NS - 1_000_000_000] * 3, "each begins with the head"


def test_a_new_file_begins_when_one_is_large(disk):
    one = disk(file_bytes=100_000)
    one.record(10, size=10_000)
    one.store.close(one.now_s)
    sizes = [path.stat().st_size for path in one.folder.iterdir()]
    assert len(sizes) > 5
    assert max(sizes) < 100_000 + 2 * 11 * 10_000


def test_the_oldest_recordings_make_room_and_the_quota_is_kept(disk):
    one = disk(quota_bytes=400_000)
    one.record(60, size=10_000)
    total = sum(path.stat().st_size for path in one.folder.iterdir())
    assert total <= 400_000 + 110_000, "never more than a second's writing above it"
    begins = [log.begins_ns for log in find_logs([one.folder])]
    assert one.names()[-1] == one.store.file.name or len(begins) > 1
    assert "arm-20231114-221320.mcap" not in one.names()


def test_what_is_not_ours_is_never_removed(disk):
    one = disk(quota_bytes=200_000)
    one.folder.mkdir()
    others = ["holiday.mcap", "other-20200101-000000.mcap", "arm-20200101-000000.mcap.txt", "arm-notes.mcap"]
    for name in others:
        (one.folder / name).write_bytes(bytes(300_000))
        os.utime(one.folder / name, (1, 1))
    (one.folder / "arm-20200101-000000.mcap").symlink_to(one.folder / "holiday.mcap")
    (one.folder / "arm-20200101-000001.mcap").write_bytes(bytes(300_000))
    one.record(30, size=10_000)
    assert set(others) | {"arm-20200101-000000.mcap"} <= set(one.names())
    assert "arm-20200101-000001.mcap" not in one.names(), "a file of ours makes room"


def test_the_file_being_written_is_not_removed(disk):
    one = disk(quota_bytes=1000)
    one.record(2, size=100)
    assert one.store.file.exists()


def test_two_files_in_one_second_have_two_names(disk):
    one = disk()
    for _ in range(3):
        one.record(0.1)
        one.store.close(one.now_s)
    assert len(one.names()) == 3


def test_a_full_disk_pauses_the_recording_with_the_reason_and_it_goes_on_when_there_is_room(disk, monkeypatch):
    one = disk()
    one.record(5)
    flush = Segment.flush

    def full(self, *, to_disk):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Segment, "flush", full)
    one.record(3)
    assert one.store.paused == f"recording paused: {one.folder}: No space left on device"
    assert one.record(2) == 0
    monkeypatch.setattr(Segment, "flush", flush)
    one.record(6)
    assert not one.store.paused
    one.store.close(one.now_s)
    first, _ = find_logs([one.folder])
    assert first.path.stat().st_size > 4000, "what was flushed before stays"


def test_the_reserve_of_the_disk_is_left_to_others(disk):
    one = disk(reserve_bytes=1_000_000)
    one.record(2)
    one.free = 999_999
    one.record(2)
    assert one.store.paused.endswith("the disk has 1 MB free, and 1 MB are left to everybody else")
    one.free = PLENTY
    one.record(6)
    assert not one.store.paused


def test_old_recordings_go_before_the_reserve_is_touched(disk):
    one = disk(reserve_bytes=1_000_000)
    one.record(1)
    one.store.close(one.now_s)
    old = one.names()
    one.record(1)
    sizes = {path: path.stat().st_size for path in one.folder.iterdir()}
    one.store._free_bytes = lambda folder: 999_000 + 2000 * (len(sizes) - len(one.names()))
    one.record(2)
    assert not set(old) & set(one.names())
    assert not one.store.paused


def test_a_folder_that_vanishes_pauses_until_it_can_be_made_again(disk):
    one = disk()
    one.record(2)
    for path in one.folder.iterdir():
        path.unlink()
    one.folder.rmdir()
    one.folder.write_text("somebody's file now")
    one.record(2)
    assert one.store.paused.startswith(f"recording paused: {one.folder}: has been deleted")
    one.folder.unlink()
    one.record(6)
    assert not one.store.paused
    assert len(one.names()) == 1


def test_a_folder_that_cannot_be_made_pauses(tmp_path):
    (tmp_path / "file").write_text("")
    one = Disk(tmp_path / "file" / "log")
    assert one.record(1) == 0
    assert one.store.paused == f"recording paused: {tmp_path}/file/log: Not a directory"


def test_it_is_tried_again_now_and_then_not_all_the_time(disk, monkeypatch):
    one = disk(retry_s=5.0)
    tried = []

    def refuse(self, path, facts):
        tried.append(one.now_s)
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Segment, "__init__", refuse)
    one.record(12)
    assert tried == pytest.approx([0.1, 5.1, 10.1], abs=0.25)
    assert one.store.paused.endswith("Read-only file system")
