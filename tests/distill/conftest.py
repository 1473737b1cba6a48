"""Rows few enough to train on in a test."""

import contextlib

import numpy as np
import pytest


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Networks this small lose more than they gain by a second one."""
    with contextlib.suppress(ImportError):
        import torch

        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def rows():
    """Four episodes of ten observations; the plans are a smooth function of the state."""
    from edgevla.distill.store import Rows

    rng = np.random.default_rng(0)
    count = 40
    state = rng.normal(0.0, 0.3, (count, 6)).astype(np.float32)
    return Rows(
        front=rng.integers(0, 255, (count, 96, 96, 3), dtype=np.uint8),
        wrist=rng.integers(0, 255, (count, 96, 96, 3), dtype=np.uint8),
        state_rad=state,
        task=np.repeat(rng.integers(0, 9, 4), 10),
        plan_rad=state[:, None] + 0.5 * np.sin(state)[:, None] * np.linspace(0.0, 1.0, 12, dtype=np.float32)[:, None],
        block_m=rng.uniform(-0.1, 0.1, (count, 3, 3)).astype(np.float32),
        episode=np.repeat(np.arange(4), 10),
        t=np.tile(np.arange(10, dtype=np.float32) / 10.0, 4),
    )
