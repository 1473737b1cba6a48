"""Every kernel compiles for the targets that ship, spills nothing, and takes what kernels/budget.md says."""

from __future__ import annotations

import functools

import pytest

from kernels import budget
from tests.kernels import building

LOG = """\
ptxas info    : Compiling entry function '_ZN7edgevla12noise_kernelE18edgevla_noise_args' for 'sm_87'
ptxas info    : Function properties for _ZN7edgevla12noise_kernelE18edgevla_noise_args
    16 bytes stack frame, 4 bytes spill stores, 8 bytes spill loads
ptxas info    : Used 23 registers, used 0 barriers, 64 bytes smem, 384 bytes cmem[0]
"""


@functools.cache
def measured(target):
    try:
        return budget.measure(target)
    except budget.CompilerMissing as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("target", budget.TARGETS)
def test_every_kernel_keeps_within_the_budget(target):
    found = measured(target)
    assert len(found) >= 20
    assert [one for one in found if not one.is_kept] == []


def test_the_table_is_what_the_compiler_says():
    written = (building.KERNELS / "budget.md").read_text(encoding="utf-8")
    budgets = {target: measured(target) for target in budget.TARGETS}
    if f"nvcc {budget.version()}," not in written:
        pytest.skip(f"kernels/budget.md is not by this nvcc, {budget.version()}")
    assert budget.table(budgets) == written, "python kernels/budget.py > kernels/budget.md"


def test_a_kernel_that_spills_is_over_the_budget():
    try:
        [found] = budget.read(LOG)
    except budget.CompilerMissing as missing:
        pytest.skip(str(missing))
    assert found == ("noise_kernel", 23, 64, 16, 12)
    assert not found.is_kept
    assert found._replace(stack_bytes=0, spilled_bytes=0).is_kept
    assert not found._replace(stack_bytes=0, spilled_bytes=0, registers=65).is_kept
