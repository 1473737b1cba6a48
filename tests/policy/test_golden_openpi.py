"""openpi's own sampling loop and transforms, and ours. Provenance: tests/golden/openpi/PROVENANCE.md."""

from pathlib import Path

import numpy as np
import pytest

from edgevla.bundle import Normalisation
from edgevla.config.policy_families import Flow
from edgevla.policy.decode.flow import FlowUpdate, euler, finish
from edgevla.policy.normalise import Normalise, Unnormalise

GOLDEN = np.load(Path(__file__).parents[1] / "golden/openpi/openpi.npz")
STATISTICS = {
    "mean_std": Normalisation(kind="mean_std", mean=tuple(GOLDEN["mean"]), std=tuple(GOLDEN["std"]), eps=1e-6),
    "quantiles": Normalisation(kind="quantiles", q01=tuple(GOLDEN["q01"]), q99=tuple(GOLDEN["q99"]), eps=1e-6),
}
KINDS = pytest.mark.parametrize("kind", ["mean_std", "quantiles"])


def velocity(x, time):
    return x * GOLDEN["slope"] + time * np.float32(0.3)


def loop(steps, field=velocity, noise=GOLDEN["noise"]):
    update = FlowUpdate(Flow(steps=steps, direction="noise_at_1", accumulate=True))
    x = noise
    for step, shown in enumerate(update.shown):
        x = update(step, x, field(x, shown), GOLDEN["noise"][np.newaxis])
    return x


@pytest.mark.parametrize("steps", [10, 3])
def test_the_sampling_loop(steps):
    np.testing.assert_allclose(loop(steps), GOLDEN[f"sampled_{steps}"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("steps", [10, 3])
def test_the_times_the_network_is_shown_to_the_last_bit(steps):
    summed = loop(steps, lambda x, time: np.full_like(x, time), np.zeros((1, 1, 1), np.float32))
    assert summed.item() == GOLDEN[f"sum_of_times_{steps}"]


@KINDS
def test_un_normalising(kind):
    found = Unnormalise(STATISTICS[kind])(GOLDEN["sampled_10"][0][:, :7])
    np.testing.assert_allclose(found, GOLDEN[f"{kind}_units"][:, :7], rtol=1e-6, atol=1e-6)


@KINDS
def test_normalising_the_state(kind):
    np.testing.assert_allclose(Normalise(STATISTICS[kind])(GOLDEN["state"]), GOLDEN[f"{kind}_state"], rtol=1e-12)


@KINDS
def test_from_noise_to_the_robots_units(kind):
    x = GOLDEN["noise"]
    update = FlowUpdate(Flow(steps=10, direction="noise_at_1", accumulate=True))
    dt = np.float32(-0.1)
    for shown in update.shown[:-1]:
        x = euler(x, velocity(x, shown), dt)
    found = finish(x, velocity(x, update.shown[-1]), dt, Unnormalise(STATISTICS[kind]))[0].astype(np.float64)
    found[:, :6] += GOLDEN["state"][:6]
    np.testing.assert_allclose(found, GOLDEN[f"{kind}_absolute"], rtol=1e-6, atol=2e-6)
