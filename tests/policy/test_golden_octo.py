"""Octo's own DDPM head and ours, on the same noise. Where the vectors come from: tests/golden/octo/PROVENANCE.md."""

from pathlib import Path

import numpy as np
import pytest

from edgevla.config.policy_families import Diffusion
from edgevla.policy.decode.diffusion import DdpmUpdate
from edgevla.policy.decode.schedules import betas_of

GOLDEN = np.load(Path(__file__).parents[1] / "golden/octo/octo.npz")
SECTION = Diffusion(schedule="cosine", train_steps=20, clip=5.0)


def test_the_betas():
    # Octo's float32 loses digits where it takes a ratio near 1 from 1: at most 2^-24 of it.
    np.testing.assert_allclose(betas_of(SECTION), GOLDEN["betas"], rtol=1e-6, atol=2e-7)


@pytest.mark.parametrize(("name", "dimensions"), [("full", 7), ("masked", 5)])
def test_a_chain_of_twenty_steps(name, dimensions):
    noise = GOLDEN[f"{name}_noise"][:, np.newaxis]
    update = DdpmUpdate(SECTION, dimensions)
    x, clipped = noise[0], 0
    for step, time in enumerate(update.shown):
        epsilon = GOLDEN["slope"] * x + np.float32(0.05) * np.float32(time) - np.float32(0.4)
        x = update(step, x, epsilon, noise)
        clipped += int((np.abs(x) == 5.0).sum())
    assert clipped > 0
    np.testing.assert_allclose(x[0], GOLDEN[f"{name}_actions"], rtol=1e-5, atol=1e-5)
