"""Diffusion policy's own loop with diffusers' DDIM, and ours; see tests/golden/diffusion_policy/PROVENANCE.md."""

from pathlib import Path

import numpy as np
import pytest

from edgevla.config.policy_families import Diffusion
from edgevla.policy.decode.diffusion import DdimUpdate
from edgevla.policy.decode.schedules import betas_of

GOLDEN = np.load(Path(__file__).parents[1] / "golden/diffusion_policy/diffusion_policy.npz")
CASES = pytest.mark.parametrize(
    ("name", "train_steps", "steps"),
    [("diffusion_policy", 100, 8), ("openvla_oft", 50, 50), ("openvla_oft_fewer", 50, 7)],
)


def section_of(train_steps, steps):
    return Diffusion(schedule="squaredcos_cap_v2", train_steps=train_steps, steps=steps, sampler="ddim", clip=1.0)


@CASES
def test_the_betas_and_the_leading_time_steps(name, train_steps, steps):
    section = section_of(train_steps, steps)
    np.testing.assert_allclose(betas_of(section), GOLDEN[f"{name}_betas"], rtol=1e-6)
    assert DdimUpdate(section).shown.tolist() == GOLDEN[f"{name}_times"].tolist()


def test_linear_betas():
    section = Diffusion(schedule="linear", train_steps=1000, beta_start=1e-4, beta_end=0.02)
    np.testing.assert_allclose(betas_of(section), GOLDEN["linear_betas"], rtol=1e-6)


@CASES
def test_the_loop(name, train_steps, steps):
    update = DdimUpdate(section_of(train_steps, steps))
    x = GOLDEN[f"{name}_noise"]
    for step, time in enumerate(update.shown):
        epsilon = x * GOLDEN["slope"] + np.float32(time) * np.float32(0.002) - np.float32(0.1)
        x = update(step, x, epsilon, GOLDEN[f"{name}_noise"][np.newaxis])
    np.testing.assert_allclose(x, GOLDEN[f"{name}_sampled"], rtol=1e-6, atol=1e-6)
