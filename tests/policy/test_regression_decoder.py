"""The regression family: exact joint setpoints, or invalid with a reason."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgevla.bundle import Bundle
from edgevla.config.policy_families import EndEffector, Gripper, Regression
from edgevla.plugins import PluginUnknown
from edgevla.policy.decode import decoder_of
from edgevla.policy.decode.base import FARTHEST
from edgevla.policy.decode.mu_law import expand
from edgevla.policy.decode.regression import RegressionDecoder
from tests.policy.decoding import bounds, bundle_of, decode, spread

MEAN, STD = (0.1, -0.1), (0.01, 0.02)
STATE_RAD = np.array([1.0, -1.0])
DELTA = bundle_of("regression", spread(MEAN, STD), horizon=3, action={"kind": "delta"})
ABSOLUTE = bundle_of("regression", spread(MEAN, STD), horizon=3)


@given(hnp.arrays(np.float32, (1, 3, 2), elements=st.floats(-20, 20, width=32)))
def test_a_delta_is_added_to_the_measured_position(normalised):
    decoded = decode(DELTA, normalised, STATE_RAD)
    assert decoded.valid
    assert (decoded.reason, decoded.done) == ("", False)
    expected = [[STATE_RAD[j] + MEAN[j] + STD[j] * float(normalised[0, row, j]) for j in range(2)] for row in range(3)]
    np.testing.assert_allclose(decoded.actions_rad, expected, rtol=0, atol=1e-7)


def test_an_absolute_action_is_not():
    found = decode(ABSOLUTE, np.ones((1, 3, 2), np.float32), STATE_RAD).actions_rad
    np.testing.assert_allclose(found, [[0.11, -0.08]] * 3, rtol=1e-6)


def test_a_dimension_may_stay_absolute_in_a_delta_policy():
    action = {"kind": "delta", "absolute": ("joint_1",)}
    found = decode(
        bundle_of("regression", spread(MEAN, STD), action=action), np.zeros((1, 1, 2), np.float32), STATE_RAD
    )
    np.testing.assert_allclose(found.actions_rad, [[1.1, -0.1]], rtol=1e-6)


def test_rows_of_an_end_effector_are_left_for_kinematics():
    hand = EndEffector(joints=("a", "b"), site="tip", rotation="rpy")
    bundle = bundle_of(
        "regression",
        bounds((-1.0,) * 6, (1.0,) * 6),
        action={"kind": "delta", "space": "end_effector"},
        end_effector=hand,
    )
    found = decode(bundle, np.full((1, 1, 6), 0.5, np.float32), STATE_RAD)
    np.testing.assert_array_equal(found.actions_rad, np.full((1, 6), 0.5))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 0, 0), (0, 2, 1)])
def test_one_value_that_is_not_finite_invalidates_the_chunk(bad, place):
    normalised = np.zeros((1, 3, 2), np.float32)
    normalised[place] = bad
    decoded = decode(DELTA, normalised)
    assert not decoded.valid
    assert decoded.actions_rad.size == 0
    assert "NaN or infinite" in decoded.reason


STATISTICS = {
    "mean_std": spread((0.0, 0.0), (1.0, 1.0)),
    "quantiles": bounds((-1.0, -1.0), (1.0, 1.0)),
    "min_max": bounds((-1.0, -1.0), (1.0, 1.0), kind="min_max"),
}


@pytest.mark.parametrize("kind", STATISTICS)
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_value_beyond_belief_invalidates_the_chunk_and_is_named(kind, sign):
    bundle = bundle_of("regression", STATISTICS[kind], horizon=3)
    normalised = np.zeros((1, 3, 2), np.float32)
    normalised[0, 1, 1] = sign * FARTHEST[kind]
    assert decode(bundle, normalised).valid
    normalised[0, 1, 1] *= 1.01
    decoded = decode(bundle, normalised)
    assert not decoded.valid
    assert decoded.reason.startswith("row 1, joint_1: ")
    assert decoded.reason.endswith(f"at most {FARTHEST[kind]:g} are believed")


def test_an_action_beyond_float32_invalidates_the_chunk():
    decoded = decode(bundle_of("regression", spread((0.0,), (3e38,))), [[[2.0]]])
    assert decoded.reason == "an un-normalised action is too large for float32"


@pytest.mark.parametrize(
    "normalised",
    [
        np.zeros((3, 2), np.float32),
        np.zeros((1, 2, 2), np.float32),
        np.zeros((1, 3, 3), np.float32),
        np.zeros((2, 3, 2), np.float32),
        np.zeros((1, 3, 2), np.int64),
        np.zeros((1, 3, 2), bool),
        np.zeros((1, 3, 2), complex),
    ],
)
def test_another_shape_or_dtype_invalidates_the_chunk(normalised):
    decoded = decode(DELTA, normalised)
    assert not decoded.valid
    assert "policy.yaml says float (1, 3, 2)" in decoded.reason


def test_a_missing_output_invalidates_the_chunk():
    assert decoder_of(DELTA).decode({}, STATE_RAD).reason == "the graph gave no output answer"


def test_half_precision_is_taken_as_it_is():
    found = decode(ABSOLUTE, np.ones((1, 3, 2), np.float16)).actions_rad
    np.testing.assert_allclose(found, [[0.11, -0.08]] * 3, rtol=1e-6)


GRIPPER = Gripper(name="joint_1", threshold=0.7, low=-0.5, high=0.25)


@pytest.mark.parametrize(
    ("logit", "expected"),
    [(0.84, -0.5), (0.85, 0.25), (-1e30, -0.5), (1e30, 0.25)],  # sigmoid(0.8473) = 0.7
)
def test_a_gripper_logit_becomes_one_of_two_numbers(logit, expected):
    bundle = bundle_of("regression", STATISTICS["quantiles"], regression=Regression(gripper=GRIPPER))
    answer = np.array([[[0.1, logit]]], np.float32)
    np.testing.assert_allclose(decode(bundle, answer).actions_rad, [[0.1, expected]], rtol=1e-6)
    assert answer[0, 0, 1] == np.float32(logit), "the outputs belong to the engine"


def test_tanh_bends_the_arm_and_never_the_gripper():
    section = Regression(tanh=True, gripper=GRIPPER)
    found = decode(bundle_of("regression", STATISTICS["quantiles"], regression=section), [[[50.0, 0.86]]])
    np.testing.assert_allclose(found.actions_rad, [[1.0, 0.25]])


@given(hnp.arrays(np.float32, (4, 3), elements=st.floats(-1, 1, width=32)), st.sampled_from([1.0, 255.0]))
def test_mu_law_is_undone_in_every_row_but_not_in_the_last_column(values, mu):
    companded = np.sign(values) * np.log1p(mu * np.abs(values.astype(np.float64))) / np.log1p(mu)
    expanded = expand(companded.astype(np.float32), mu)
    assert expanded.dtype == np.float32
    np.testing.assert_allclose(expanded[:, :2], values[:, :2], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(expanded[:, 2], companded[:, 2].astype(np.float32))


@pytest.mark.parametrize(("chained", "last"), [(False, 1.1), (True, 1.3)])
def test_rows_of_a_delta_policy_start_where_the_arm_is_or_at_the_row_before(chained, last):
    action = {"kind": "delta", "absolute": ("joint_1",), "chained": chained}
    bundle = bundle_of("regression", bounds((-1.0, -1.0), (1.0, 1.0)), horizon=3, action=action)
    rows = decode(bundle, [[[0.1, 0.5]] * 3], state_rad=[1.0, 9.0]).actions_rad
    np.testing.assert_allclose(rows[[0, -1]], [[1.1, 0.5], [last, 0.5]], atol=1e-6)


def test_mu_law_comes_before_unnormalising():
    bundle = bundle_of("regression", bounds((0.0, 0.0), (2.0, 2.0)), regression=Regression(mu_law=255.0))
    np.testing.assert_allclose(decode(bundle, [[[0.5, 0.5]]]).actions_rad, [[1 + 15 / 255, 1.5]], rtol=1e-6)


def test_the_family_is_found_by_its_name():
    assert isinstance(decoder_of(DELTA), RegressionDecoder)
    unknown = Bundle(Path(), msgspec.structs.replace(DELTA.manifest, family="telepathy"))
    with pytest.raises(PluginUnknown, match='there is no "telepathy" - use one of: diffusion, fast, flow, recurrent'):
        decoder_of(unknown)
