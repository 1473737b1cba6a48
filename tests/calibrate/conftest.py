from __future__ import annotations

import numpy as np
import pytest

from edgevla.bundle import load_manifest
from edgevla.calibration_set import Resolution
from edgevla.messages import Observation
from edgevla.shipped import shipped

SIDE = 48


@pytest.fixture(scope="session")
def bundle():
    """One that looks through the front camera only."""
    return load_manifest(shipped("so101-tabletop").parent / "families" / "regression")


@pytest.fixture
def cameras():
    return {"front": Resolution(height=SIDE, width=SIDE)}


def picture(seed, side=SIDE):
    """A smooth scene with a bright disc: different for every seed."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    centre, colour, slope = rng.uniform(0.2, 0.8, 2), rng.uniform(80, 220, 3), rng.uniform(-60, 60, 2)
    scene = 110 + slope[0] * x + slope[1] * y
    disc = np.hypot(x - centre[0], y - centre[1]) < 0.15
    scene = np.where(disc[..., None], colour, scene[..., None])
    return (scene + rng.normal(0.0, 1.5, scene.shape)).clip(0, 255).astype(np.uint8)


def observation(seed, t_s=None, **changes):
    rng = np.random.default_rng(10_000 + seed)
    values = {
        "t_obs_s": float(seed) if t_s is None else t_s,
        "images": {"front": picture(seed)},
        "state_rad": rng.uniform(-1.0, 1.0, 6),
        "instruction": "touch the red block",
    }
    return Observation(**{**values, **changes})
