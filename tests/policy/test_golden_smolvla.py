"""LeRobot's own flow loop, which SmolVLA samples with, and ours. Provenance: tests/golden/smolvla/PROVENANCE.md."""

from pathlib import Path

import numpy as np
import pytest

from edgevla.config.policy_families import Flow
from edgevla.policy.decode.flow import FlowUpdate

GOLDEN = np.load(Path(__file__).parents[1] / "golden/smolvla/smolvla.npz")


@pytest.mark.parametrize("steps", [10, 4])
def test_the_loop(steps):
    update = FlowUpdate(Flow(steps=steps, direction="noise_at_1"))
    np.testing.assert_array_equal(update.shown, GOLDEN[f"times_{steps}"])
    x = GOLDEN["noise"]
    for step, time in enumerate(update.shown):
        x = update(step, x, x * GOLDEN["slope"] + time * np.float32(0.3), GOLDEN["noise"][np.newaxis])
    np.testing.assert_allclose(x, GOLDEN[f"sampled_{steps}"], rtol=1e-6, atol=1e-7)
