"""The tests of the bounds are tested: each hand-made mutant of a constant, a table or a property is killed by them."""

import os
import subprocess
import sys

import pytest

from tests.mutants.by_hand import MUTANTS, ROOT, applied


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_mutant_still_fits_the_code(mutant):
    compile(applied(mutant), str(mutant.path), "exec")


@pytest.mark.timeout(900)
def test_every_mutant_made_by_hand_is_killed():
    run = subprocess.run(
        [sys.executable, "-m", "tests.mutants.by_hand"],
        cwd=ROOT,
        env={**os.environ, "EDGEVLA_EXAMPLES": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout) == (0, ""), run.stderr
