"""The kernels under ASan, UBSan and TSan, and without each barrier. `make kernels-sanitize` is the long version."""

from __future__ import annotations

import re

import pytest

from tests.kernels import building
from tests.kernels.sanitizing import available, sweep

CALLS = 20  # two of each function
BARRIERS = (0, 1, 2)
SOURCES = sorted(building.KERNELS.glob("*.cuh"))


def needs(flag):
    return pytest.mark.skipif(not available(flag), reason=f"this compiler or system has no {flag}")


@needs("-fsanitize=address,undefined")
def test_native_memory_and_arithmetic_are_clean(calls=10 * CALLS):
    found = sweep("native, memory", 2, calls)
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout == sweep("native", 2, calls).stdout


@needs("-fsanitize=thread")
def test_the_cuda_kernels_have_no_race_and_give_the_native_bits():
    found = sweep("emulated, threads", 1, CALLS)
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout == sweep("native", 1, CALLS).stdout
    assert len(found.stdout.splitlines()) == CALLS
    assert "status 1" not in found.stdout


@needs("-fsanitize=thread")
@pytest.mark.parametrize("barrier", BARRIERS)
def test_every_barrier_is_needed(barrier):
    found = sweep("emulated, threads", 1, CALLS, EDGEVLA_WITHOUT_BARRIER=str(barrier))
    assert found.returncode == 66
    assert "data race" in found.stderr


def test_no_barrier_escapes_these_tests():
    text = "".join(source.read_text() for source in SOURCES)
    numbers = re.findall(r"(?:EDGEVLA_BARRIER\(|together<)(\d+)", text)
    assert tuple(sorted(map(int, numbers))) == BARRIERS
    plain = [line for line in text.splitlines() if "__sync" in line]
    assert len(plain) == 2, "only the macro, in its two forms, synchronises"
