"""Samples small enough to train on in a test."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def samples():
    from edgevla.distill.demonstrations import Samples

    rng = np.random.default_rng(0)
    count = 40
    state = rng.normal(0.0, 0.3, (count, 6)).astype(np.float32)
    return Samples(
        front=rng.integers(0, 255, (count, 96, 96, 3), dtype=np.uint8),
        state_rad=state,
        task=rng.integers(0, 9, count),
        plan_rad=state[:, None] + 0.5 * np.sin(state)[:, None] * np.linspace(0.0, 1.0, 12, dtype=np.float32)[:, None],
        block_m=rng.uniform(-0.1, 0.1, (count, 2)).astype(np.float32),
    )
