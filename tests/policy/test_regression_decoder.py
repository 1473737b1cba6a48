"""The regression family: exact joint setpoints, or invalid with a reason."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgevla.bundle import Action, Language, Manifest, Normalisation
from edgevla.plugins import PluginUnknown
from edgevla.policy.decode import decoder_of
from edgevla.policy.decode.regression import FARTHEST, RegressionDecoder

MEAN, STD = (0.1, -0.1), (0.01, 0.02)
STATE_RAD = np.array([1.0, -1.0])
UNITS = Normalisation(kind="mean_std", mean=MEAN, std=STD)
MANIFEST = Manifest(
    format="edgevla-bundle/1",
    name="tiny",
    family="regression",
    graphs={"fp32": "graph.onnx"},
    inputs=(),
    state=UNITS,
    action=Action(
        output="actions", names=("pan", "lift"), unit="rad", kind="delta", rate_hz=10, horizon=3, normalisation=UNITS
    ),
    language=Language(vocabulary="vocabulary.txt", length=4, instructions=("go",)),
    files={},
)
DECODER = decoder_of(MANIFEST)
ABSOLUTE = decoder_of(
    msgspec.structs.replace(MANIFEST, action=msgspec.structs.replace(MANIFEST.action, kind="absolute"))
)


def decode(normalised, decoder=DECODER):
    return decoder.decode({"actions": np.asarray(normalised)}, STATE_RAD)


@given(hnp.arrays(np.float32, (1, 3, 2), elements=st.floats(-FARTHEST, FARTHEST, width=32)))
def test_a_delta_is_added_to_the_measured_position(normalised):
    decoded = decode(normalised)
    assert decoded.valid
    assert decoded.reason == ""
    expected = [[STATE_RAD[j] + MEAN[j] + STD[j] * float(normalised[0, row, j]) for j in range(2)] for row in range(3)]
    np.testing.assert_allclose(decoded.actions_rad, expected, rtol=0, atol=1e-12)


def test_an_absolute_action_is_not():
    np.testing.assert_allclose(decode(np.ones((1, 3, 2), np.float32), ABSOLUTE).actions_rad, [[0.11, -0.08]] * 3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 0, 0), (0, 2, 1)])
def test_one_value_that_is_not_finite_invalidates_the_chunk(bad, place):
    normalised = np.zeros((1, 3, 2), np.float32)
    normalised[place] = bad
    decoded = decode(normalised)
    assert not decoded.valid
    assert decoded.actions_rad.size == 0
    assert "NaN or infinite" in decoded.reason


@pytest.mark.parametrize("far", [FARTHEST * 1.01, -FARTHEST * 1.01, 1e30])
def test_a_value_beyond_belief_invalidates_the_chunk_and_is_named(far):
    normalised = np.zeros((1, 3, 2), np.float32)
    normalised[0, 1, 1] = far
    decoded = decode(normalised)
    assert not decoded.valid
    assert decoded.reason.startswith("row 1, lift: ")


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
    decoded = decode(normalised)
    assert not decoded.valid
    assert "policy.yaml says float (1, 3, 2)" in decoded.reason


def test_a_missing_output_invalidates_the_chunk():
    assert DECODER.decode({}, STATE_RAD).reason == "the graph gave no output actions"


def test_the_family_is_found_by_its_name():
    assert isinstance(DECODER, RegressionDecoder)
    with pytest.raises(PluginUnknown, match='there is no "telepathy" - use one of: regression'):
        decoder_of(msgspec.structs.replace(MANIFEST, family="telepathy"))
