"""Memory and swap."""

from __future__ import annotations

import pytest

from edgevla.doctor.finding import Level
from edgevla.doctor.memory import check_memory, check_swap
from tests.doctor.trees import ORIN, plant


@pytest.mark.parametrize(
    ("available_kb", "level"), [(5_200_000, Level.OK), (1_200_000, Level.WARN), (300_000, Level.FAIL)]
)
def test_available_memory(tmp_path, available_kb, level):
    meminfo = f"MemTotal: 7802000 kB\nMemFree: 100 kB\nMemAvailable: {available_kb} kB\nHugePages_Total: 0\n"
    finding = check_memory(plant(tmp_path, {**ORIN, "proc/meminfo": meminfo}))
    assert finding.level is level
    assert f"{available_kb * 1024 / 1e9:.1f} of 8.0 GB" in finding.found


def test_memory_that_nobody_tells_of_is_unknown(tmp_path):
    assert check_memory(plant(tmp_path, {**ORIN, "proc/meminfo": None})).level is Level.SKIP


@pytest.mark.parametrize(
    ("rows", "level"),
    [
        ("", Level.OK),
        ("/dev/zram0 partition 1000000 100000 5\n/dev/zram1 partition 1000000 0 5\n", Level.OK),
        ("/dev/zram0 partition 1000000 900000 5\n", Level.WARN),
        ("/swapfile file 4000000 3000000 -2\n", Level.WARN),
    ],
)
def test_swap_is_no_trouble_until_it_is_used(tmp_path, rows, level):
    tree = {**ORIN, "proc/swaps": f"Filename\tType\tSize\tUsed\tPriority\n{rows}"}
    assert check_swap(plant(tmp_path, tree)).level is level
