"""Observation to chunk, with a real graph in between."""

import itertools

import msgspec
import numpy as np
import pytest

from edgevla.engine.load import load
from edgevla.messages import Chunk
from edgevla.policy.language import InstructionError
from edgevla.policy.policy import Policy


@pytest.fixture
def policy(bundle):
    """The tiny policy, whose clock goes on by 10 ms at each look."""
    made = bundle()
    ticks = itertools.count(100.5, 0.01)
    return Policy(made, load(made.manifest, made.graph("fp32")), clock=lambda: next(ticks))


def test_a_chunk_is_what_the_graph_says_in_radians_from_the_measured_position(policy, observation):
    chunk = policy.act(observation(state_rad=(1.5, 1.5), instruction="go right"), seq=7)
    normalised = np.array([[1.0, -2.0]]) + 0.2 + 2.0 + np.arange(3)[:, np.newaxis]
    expected = np.array([1.5, 1.5]) + np.array([0.1, -0.1]) + normalised * np.array([0.01, 0.02])
    assert chunk.valid
    np.testing.assert_allclose(chunk.actions_rad, expected, atol=1e-7)


def test_a_chunk_carries_the_time_of_its_observation_and_its_sentence(policy, observation):
    chunk = policy.act(observation(t_obs_s=99.25), seq=7)
    assert (chunk.seq, chunk.t_obs_s, chunk.rate_hz, chunk.instruction) == (7, 99.25, 10.0, "go left")


def test_a_chunk_travels(policy, observation):
    chunk = policy.act(observation(), seq=1)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(chunk), type=Chunk) == chunk


def test_each_stage_is_timed(policy, observation):
    stages = policy.act(observation(t_obs_s=100.0), seq=1).stages
    assert [stages.capture_ms, stages.preprocess_ms, stages.engine_ms, stages.decode_ms] == pytest.approx(
        [500, 10, 10, 10]
    )


def test_every_input_counts(policy, observation):
    plain = policy.act(observation(), 1).actions_rad
    assert policy.act(observation(), 2).actions_rad == plain
    for other in (observation(grey=100), observation(state_rad=(1.1, 2.0)), observation(instruction="go right")):
        assert policy.act(other, 3).actions_rad != plain


BAD = {
    "black image": ({"grey": 0}, "NaN or infinite"),
    "no image": ({"images": {}}, "no image of camera front; there are: none"),
    "float image": ({"images": {"front": np.zeros((8, 8, 3))}}, "must be uint8"),
    "other cameras only": ({"images": {"wrist": np.zeros((8, 8, 3), np.uint8)}}, "there are: wrist"),
    "state NaN": ({"state_rad": (np.nan, 0.0)}, "the state is not finite"),
    "state too long": ({"state_rad": (0.0, 0.0, 0.0)}, r"the state has shape (3,), the policy takes (2,)"),
    "state far off": ({"state_rad": (500.0, 2.0)}, "row 2, pan"),
    "unknown word": ({"instruction": "go up"}, '"up" is not a word'),
    "empty sentence": ({"instruction": ""}, "is empty"),
    "engine error": ({"instruction": "broken"}, "CPUExecutionProvider failed"),
}


@pytest.mark.parametrize(("shown", "reason"), BAD.values(), ids=BAD)
def test_bad_data_makes_an_invalid_chunk_with_its_reason_and_no_rows(policy, observation, shown, reason):
    chunk = policy.act(observation(**shown), seq=3)
    assert not chunk.valid
    assert chunk.actions_rad == ()
    assert reason in chunk.reason
    assert (chunk.seq, chunk.t_obs_s) == (3, 100.0)
    assert policy.act(observation(), seq=4).valid


def test_a_stage_that_was_not_reached_took_no_time(policy, observation):
    stages = policy.act(observation(instruction=""), seq=1).stages
    assert (stages.preprocess_ms, stages.engine_ms, stages.decode_ms) == (pytest.approx(10), 0.0, 0.0)


def test_a_programming_error_is_not_dressed_up_as_bad_data(policy):
    with pytest.raises(AttributeError):
        policy.act(None, seq=1)


def test_a_sentence_can_be_refused_before_anything_is_planned(policy):
    policy.check_instruction("Go left!")
    with pytest.raises(InstructionError, match='"up"'):
        policy.check_instruction("go up")


def test_it_says_which_cameras_it_looks_through(policy):
    assert policy.cameras == ("front",)
