"""Execution keeps the contract of a chunk, and knows when the past no longer counts."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from edgevla.bundle import BundleError, Normalisation
from edgevla.config.policy_families import Execution as Config
from edgevla.config.policy_families import Flow
from edgevla.messages import Observation
from edgevla.policy.decode.base import Decoded
from edgevla.policy.execution import MERGES, execution_of

HORIZON, RATE_HZ = 12, 10.0
KINDS = tuple(MERGES)
JOINING = tuple(kind for kind in KINDS if kind != "latest")
MEAN, STD = (0.5, -0.5), (0.1, 0.2)


class Clock:
    now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def flow_manifest(manifest):
    """A delta flow policy of two joints, the second absolute, with a sample of four columns."""

    def build(kind="rtc", direction="noise_at_1", **numbers):
        action = msgspec.structs.replace(
            manifest.action,
            horizon=HORIZON,
            rate_hz=RATE_HZ,
            kind="delta",
            absolute=("lift",),
            normalisation=Normalisation(kind="mean_std", mean=MEAN, std=STD),
        )
        return msgspec.structs.replace(
            manifest,
            family="flow",
            action=action,
            flow=Flow(steps=10, direction=direction, width=4),
            execution=Config(kind=kind, **numbers),
        )

    return build


@pytest.fixture
def execution(flow_manifest, clock):
    def build(kind, **changes):
        numbers = changes.pop("numbers", {})
        return execution_of(flow_manifest(kind, **numbers), clock=clock, **changes)

    return build


def observation(t_obs_s=100.0, state_rad=(0.0, 0.0), instruction="go left"):
    return Observation(t_obs_s, {}, np.array(state_rad), instruction)


def rows(value):
    return np.full((HORIZON, 2), float(value))


def step(execution, value, clock, latency_s=0.05, **changes):
    """One chunk of rows that are all `value`."""
    seen = observation(**changes)
    execution.begin(seen)
    clock.now_s = seen.t_obs_s + latency_s
    return execution.finish(Decoded(rows(value), True))


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_chunk_is_sent_as_it_is(execution, clock, kind):
    np.testing.assert_array_equal(step(execution(kind), 1.0, clock).actions_rad, rows(1.0))


@pytest.mark.parametrize("kind", KINDS)
def test_chunks_have_as_many_rows_as_before_and_stay_valid(execution, clock, kind):
    joined = execution(kind)
    for number in range(5):
        sent = step(joined, number, clock, t_obs_s=100.0 + 0.1 * number)
        assert sent.valid
        assert sent.actions_rad.shape == (HORIZON, 2)
        assert np.isfinite(sent.actions_rad).all()


def test_latest_knows_no_past(execution, clock):
    joined = execution("latest")
    step(joined, 1.0, clock)
    np.testing.assert_array_equal(step(joined, 2.0, clock, t_obs_s=100.1).actions_rad, rows(2.0))


@pytest.mark.parametrize(
    ("kind", "first", "last"), [("ensemble", 1.0 / (1.0 + np.exp(-0.01)), 1.0), ("blend", 0.7, 1.0), ("fade", 0.0, 1.0)]
)
def test_a_second_chunk_is_joined_to_the_first(execution, clock, kind, first, last):
    joined = execution(kind)
    step(joined, 0.0, clock)
    sent = step(joined, 1.0, clock, t_obs_s=100.1).actions_rad
    assert sent[0, 0] == pytest.approx(1.0 - first if kind == "ensemble" else first)
    assert sent[-1, 0] == last


BREAKS = {
    "another instruction": {"instruction": "go right"},
    "a gap": {"t_obs_s": 100.7},
    "a clock that went back": {"t_obs_s": 99.9},
    "the same observation again": {"t_obs_s": 100.0},
    "an arm that is elsewhere": {"state_rad": (0.0, 0.31)},
}


@pytest.mark.parametrize("kind", JOINING)
@pytest.mark.parametrize("change", BREAKS.values(), ids=BREAKS)
def test_the_past_ends_with(execution, clock, kind, change):
    joined = execution(kind, gap_s=0.5, astray_rad=[0.3, 0.3])
    step(joined, 0.0, clock)
    sent = step(joined, 0.5, clock, **{"t_obs_s": 100.1} | change)
    np.testing.assert_array_equal(sent.actions_rad, rows(0.5))


@pytest.mark.parametrize("kind", JOINING)
def test_the_past_ends_with_an_invalid_chunk_which_is_passed_on(execution, clock, kind):
    joined = execution(kind)
    step(joined, 0.0, clock)
    joined.begin(observation(100.1))
    broken = Decoded.invalid("NaN")
    assert joined.finish(broken) is broken
    np.testing.assert_array_equal(step(joined, 1.0, clock, t_obs_s=100.2).actions_rad, rows(1.0))


@pytest.mark.parametrize("kind", JOINING)
def test_the_past_ends_with_a_finished_task_and_a_reset(execution, clock, kind):
    joined = execution(kind)
    step(joined, 0.0, clock)
    joined.begin(observation(100.1))
    finished = Decoded.finished(np.zeros(2), HORIZON)
    assert joined.finish(finished) is finished
    np.testing.assert_array_equal(step(joined, 1.0, clock, t_obs_s=100.2).actions_rad, rows(1.0))
    joined.reset()
    np.testing.assert_array_equal(step(joined, 2.0, clock, t_obs_s=100.3).actions_rad, rows(2.0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_that_are_no_numbers_are_invalid_and_leave_no_trace(execution, clock, kind, bad):
    joined = execution(kind)
    step(joined, 0.0, clock)
    joined.begin(observation(100.1))
    broken = rows(0.0)
    broken[3, 1] = bad
    refused = joined.finish(Decoded(broken, True))
    assert (refused.valid, refused.actions_rad.size) == (False, 0)
    assert refused.reason.startswith("row 3, number 1 of the chunk")
    np.testing.assert_array_equal(step(joined, 1.0, clock, t_obs_s=100.2).actions_rad, rows(1.0))


def test_an_arm_that_is_nowhere_cannot_have_finished():
    assert Decoded.finished(np.zeros(2), HORIZON).valid
    nowhere = Decoded.finished(np.array([0.0, np.nan]), HORIZON)
    assert (nowhere.valid, nowhere.done, nowhere.actions_rad.size) == (False, False, 0)


def test_a_chunk_behind_the_end_of_the_last_one_starts_anew_whatever_gap_is_allowed(execution, clock):
    joined = execution("blend", gap_s=10.0)
    step(joined, 0.0, clock)
    np.testing.assert_array_equal(step(joined, 1.0, clock, t_obs_s=101.2).actions_rad, rows(1.0))


def test_what_takes_longer_to_arrive_is_kept_for_longer(execution, clock):
    for latency_s, kept in ((0.05, 2), (0.25, 4)):  # with 20 ms to the next tick, and the row behind the arrival
        joined = execution("fade")
        step(joined, 0.0, clock, latency_s)
        sent = step(joined, 1.0, clock, latency_s, t_obs_s=100.3).actions_rad[:, 0]
        assert (sent[:kept] == 0.0).all()
        assert (sent[kept:] > 0.0).all()


def test_a_chunk_reaches_control_only_at_its_next_tick(execution, clock):
    joined = execution("fade")
    step(joined, 0.0, clock, latency_s=0.09)  # 110 ms: between row 1 and row 2
    sent = step(joined, 1.0, clock, latency_s=0.09, t_obs_s=100.1).actions_rad[:, 0]
    assert (sent[:3] == 0.0).all()
    assert sent[3] > 0.0


def test_the_rows_may_be_let_go_exponentially(execution, clock):
    linear, exponential = (execution("fade", numbers={"weights": weights}) for weights in ("linear", "exponential"))
    for joined in (linear, exponential):
        step(joined, 0.0, clock)
    evenly, sooner = (step(joined, 1.0, clock, t_obs_s=100.1).actions_rad[:, 0] for joined in (linear, exponential))
    assert (sooner[2:10] > evenly[2:10]).all()


@pytest.mark.parametrize(("better", "kept"), [(10, 6), (48, 6), (49, 2)])
def test_the_worst_latency_of_the_last_fifty_chunks_counts(execution, clock, better, kept):
    joined = execution("fade")
    step(joined, 0.0, clock, latency_s=0.45)
    for number in range(1, better + 1):
        step(joined, 0.0, clock, t_obs_s=100.0 + 0.1 * number)
    sent = step(joined, 1.0, clock, t_obs_s=100.1 + 0.1 * better).actions_rad[:, 0]
    assert (sent[:kept] == 0.0).all()
    assert (sent[kept:] > 0.0).all()


def test_after_a_chunk_that_took_very_long_half_of_the_next_is_still_free(execution, clock):
    joined = execution("fade")
    step(joined, 0.0, clock, latency_s=30.0)
    sent = step(joined, 1.0, clock, t_obs_s=100.1).actions_rad[:, 0]
    assert (sent[:6] == 0.0).all()
    assert (sent[6:] > 0.0).all()


def test_policy_yaml_may_ask_for_more_rows_to_be_kept(execution, clock):
    joined = execution("fade", numbers={"delay_ticks": 6})
    step(joined, 0.0, clock)
    sent = step(joined, 1.0, clock, t_obs_s=100.1).actions_rad[:, 0]
    assert (sent[:6] == 0.0).all()
    assert sent[6] > 0.0


def test_there_is_nothing_to_be_drawn_to_before_the_first_chunk_and_after_a_break(execution, clock):
    joined = execution("rtc")
    assert joined.begin(observation()) is None
    clock.now_s = 100.05
    joined.finish(Decoded(rows(1.0), True))
    assert joined.begin(observation(100.1)) is not None
    assert joined.begin(observation(100.2, instruction="go right")) is None


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "rtc"])
def test_only_real_time_chunking_draws_the_loop(execution, clock, kind):
    joined = execution(kind)
    step(joined, 1.0, clock)
    assert joined.begin(observation(100.1)) is None


def test_the_plan_sent_before_is_put_anew_into_the_networks_numbers_against_the_new_state(execution, clock):
    joined = execution("rtc", numbers={"guided_rows": 5})
    step(joined, 0.2, clock, state_rad=(0.0, 0.0))
    guidance = joined.begin(observation(100.3, state_rad=(0.05, 0.1)))
    pan = (0.2 - 0.05 - MEAN[0]) / STD[0]  # a delta from where the arm is now
    lift = (0.2 - MEAN[1]) / STD[1]  # absolute
    assert guidance.target.shape == (HORIZON, 4)
    np.testing.assert_allclose(guidance.target[:9], [[pan, lift, 0.0, 0.0]] * 9, rtol=1e-6)
    np.testing.assert_array_equal(guidance.target[9:], 0.0)
    assert (guidance.weights[:2] == 1.0).all()
    assert (guidance.weights[5:] == 0.0).all()
    assert guidance.noise_at_1


def test_time_runs_the_policys_way(flow_manifest, clock):
    joined = execution_of(flow_manifest(direction="noise_at_0"), clock=clock)
    step(joined, 0.2, clock)
    assert not joined.begin(observation(100.1)).noise_at_1


def test_what_guidance_left_of_the_difference_fades_out(execution, clock):
    joined = execution("rtc")
    step(joined, 0.0, clock)
    sent = step(joined, 1.0, clock, t_obs_s=100.1).actions_rad[:, 0]
    assert (sent[:2] == 0.0).all()
    assert (np.diff(sent[1:10]) > 0.0).all()


@pytest.mark.parametrize("change", [{"family": "regression"}, {"space": "end_effector"}])
def test_real_time_chunking_without_a_loop_in_joint_space_is_refused(flow_manifest, change):
    manifest = flow_manifest()
    if "space" in change:
        change = {"action": msgspec.structs.replace(manifest.action, **change)}
    with pytest.raises(BundleError, match=r"execution\.kind rtc: .* - write execution\.kind: fade"):
        execution_of(msgspec.structs.replace(manifest, **change))
