"""GR00T's sampling loop, as LeRobot ships it, and ours. Provenance: tests/golden/groot/PROVENANCE.md."""

from pathlib import Path

import numpy as np
import pytest

from edgevla.config.policy_families import Flow
from edgevla.policy.decode.flow import FlowUpdate

GOLDEN = np.load(Path(__file__).parents[1] / "golden/groot/groot.npz")


@pytest.mark.parametrize("steps", [4, 3])
def test_the_loop(steps):
    update = FlowUpdate(Flow(steps=steps, direction="noise_at_0", time="buckets", buckets=1000))
    np.testing.assert_array_equal(update.shown, GOLDEN[f"times_{steps}"])
    x = GOLDEN["noise"]
    for step, time in enumerate(update.shown):
        velocity = x * GOLDEN["slope"] + np.float32(time) * np.float32(0.001)
        x = update(step, x, velocity, GOLDEN["noise"][np.newaxis])
    np.testing.assert_allclose(x, GOLDEN[f"sampled_{steps}"], rtol=1e-6, atol=1e-7)
