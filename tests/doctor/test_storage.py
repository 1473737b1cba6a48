"""The folders that are written to."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgevla.doctor.finding import Level
from edgevla.doctor.storage import Folder, check_folder, read_folder
from tests.doctor.trees import ORIN, plant

LOG = Path("/var/lib/edgevla/arm/recordings")
ROOMY = Folder(LOG, LOG, writable=True, free_bytes=20_000_000_000, total_bytes=64_000_000_000, used_bytes=0)


@pytest.fixture
def machine(tmp_path):
    return plant(tmp_path, ORIN)


def test_a_roomy_folder_is_right(machine):
    assert check_folder(machine, "recordings", ROOMY, 2e9).level is Level.OK


def test_a_folder_of_somebody_else_names_the_command_that_makes_it_ones_own(machine):
    finding = check_folder(machine, "recordings", ROOMY._replace(writable=False))
    assert finding.level is Level.FAIL
    assert finding.fix.startswith(f"sudo install -d -o ann {LOG}")


@pytest.mark.parametrize(("free", "level"), [(900_000_000, Level.WARN), (200_000_000, Level.FAIL), (0, Level.FAIL)])
def test_a_disk_that_fills_up(machine, free, level):
    assert check_folder(machine, "engines", ROOMY._replace(free_bytes=free)).level is level


def test_a_quota_that_the_disk_cannot_hold_names_one_that_it_can(machine):
    finding = check_folder(machine, "recordings", ROOMY._replace(free_bytes=1_500_000_000), 2e9)
    assert finding.level is Level.WARN
    assert 'quota: "1244 MB"' in finding.fix  # all but the 256 MB that the recorder leaves


def test_what_the_recordings_take_already_is_theirs(machine):
    folder = ROOMY._replace(free_bytes=1_500_000_000, used_bytes=1_000_000_000)
    assert check_folder(machine, "recordings", folder, 2e9).level is Level.OK


def test_a_folder_that_is_not_there_is_looked_at_where_it_would_be_made(machine, tmp_path):
    found = read_folder(machine, LOG)
    assert (found.folder, found.existing) == (LOG, Path("/var/lib"))
    assert found.writable
    assert 0 < found.free_bytes <= found.total_bytes
    (tmp_path / "var/lib/edgevla/arm/recordings").mkdir(parents=True)
    (tmp_path / "var/lib/edgevla/arm/recordings/a.mcap").write_bytes(b"x" * 1000)
    assert read_folder(machine, LOG)[1] == LOG
    assert read_folder(machine, LOG).used_bytes == 1000
