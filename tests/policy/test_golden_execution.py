"""Chunk execution and guidance equal what the upstream code itself gave; see tests/golden/*/PROVENANCE.md."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgevla.policy.execution.guidance import Guidance, prefix_weights
from edgevla.policy.execution.merge import blend, ensemble
from edgevla.policy.execution.plan import Plan

GOLDEN = Path(__file__).parents[1] / "golden"
RATE_HZ = 50.0
KINDS = ("linear", "exponential")


def golden(name):
    with np.load(GOLDEN / name) as file:
        return dict(file)


@pytest.mark.parametrize("decay", ["published", "equal", "old"])
def test_the_ensemble_is_acts_online_update(decay):
    act = golden("act/act.npz")
    plans = [Plan(step / RATE_HZ, RATE_HZ, rows.astype(np.float64)) for step, rows in enumerate(act["chunks"])]
    for step in range(len(plans)):
        reaching = [plan for plan in plans[: step + 1] if plan.end_s >= plans[step].t_obs_s - 1e-9]
        found = ensemble(reaching, float(act[f"decay_{decay}"])).rows_rad
        np.testing.assert_allclose(found, act[f"rows_{decay}"][step], rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("name", ["weighted_average", "latest_only", "average", "conservative"])
def test_blending_is_lerobots_aggregation_of_what_is_still_to_come(name):
    upstream = golden("lerobot_async/lerobot_async.npz")
    sent = None
    for start, played, rows, expected in zip(
        upstream["starts"], upstream["played"], upstream["chunks"], upstream[f"rows_{name}"], strict=True
    ):
        plan = Plan(start / RATE_HZ, RATE_HZ, rows.astype(np.float64))
        sent = plan if sent is None else blend(plan, sent, float(upstream[f"old_weight_{name}"]))
        to_come = start + np.arange(len(rows)) > played
        np.testing.assert_array_equal(np.isnan(expected).all(axis=1), ~to_come)
        np.testing.assert_allclose(sent.rows_rad[to_come], expected[to_come], rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("upstream", ["lerobot", "kinetix"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_weights_of_the_rows_are_upstreams(upstream, kind):
    vectors = golden(f"rtc/{upstream}.npz")
    for index, (frozen, guided, horizon) in enumerate(vectors["weights_cases"].tolist()):
        found = prefix_weights(frozen, guided, horizon, exponential=kind == "exponential")
        np.testing.assert_allclose(found, vectors[f"weights_{kind}_{index}"], rtol=1e-6, atol=2e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_every_guided_velocity_is_lerobots(kind):
    vectors = golden("rtc/lerobot.npz")
    horizon, width = vectors["noise"].shape
    target = np.zeros((horizon, width), np.float32)
    rows, columns = vectors["previous"].shape
    target[:rows, :columns] = vectors["previous"]
    guidance = Guidance(target, prefix_weights(3, 7, horizon, exponential=kind == "exponential"), 10.0, noise_at_1=True)
    x = vectors["noise"].copy()
    for step in range(10):
        time = 1.0 + step * -0.1
        x_upstream, v = vectors[f"x_{kind}"][step], vectors[f"v_{kind}"][step]
        np.testing.assert_allclose(
            guidance(x_upstream, v, time), vectors[f"guided_{kind}"][step], rtol=1e-6, atol=2e-6, err_msg=str(step)
        )
        x = x + np.float32(-0.1) * guidance(x, (x @ vectors["field"] + vectors["bias"]) * np.float32(1.0 + time), time)
    np.testing.assert_allclose(x, vectors[f"end_{kind}"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_guided_loop_is_physical_intelligences_where_the_jacobian_is_the_identity(kind):
    vectors = golden("rtc/kinetix.npz")
    weights = prefix_weights(2, 6, len(vectors["noise"]), exponential=kind == "exponential")
    guidance = Guidance(vectors["previous"], weights, 5.0, noise_at_1=False)
    x, time = vectors["noise"].copy(), np.float32(0.0)
    for _ in range(5):
        x = x + np.float32(0.2) * guidance(x, vectors["field"] * np.float32(1.0 + time), float(time))
        time += np.float32(0.2)
    np.testing.assert_allclose(x, vectors[f"end_{kind}"], rtol=1e-5, atol=1e-5)
