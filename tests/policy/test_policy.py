"""Observation to chunk, with a real graph in between."""

import dataclasses
import itertools

import msgspec
import numpy as np
import pytest

from edgevla.bundle import BundleError
from edgevla.engine.load import load
from edgevla.messages import Chunk
from edgevla.policy.decode.base import Decoded
from edgevla.policy.iterate import DenoisingEngine
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


BAD_STATES = {
    "NaN": ((np.nan, 0.0), "the state is not finite: [nan, 0.0]"),
    "infinite": ((0.0, -np.inf), "the state is not finite: [0.0, -inf]"),
    "too long": ((0.0, 0.0, 0.0), "the state has shape (3,), the policy takes (2,)"),
    "too short": ((0.0,), "the state has shape (1,), the policy takes (2,)"),
    "none": ((), "the state has shape (0,), the policy takes (2,)"),
}


class Still:
    """An engine that asks for no state, and answers zeros."""

    provider = "still"

    def run(self, inputs):
        return {"actions": np.zeros((1, 3, 2), np.float32)}


@pytest.mark.parametrize(("state_rad", "reason"), BAD_STATES.values(), ids=BAD_STATES)
def test_a_state_that_the_network_never_sees_must_be_numbers_too(bundle, manifest, observation, state_rad, reason):
    blind = tuple(spec for spec in manifest.inputs if spec.source != "state")
    policy = Policy(bundle(msgspec.structs.replace(manifest, inputs=blind)), Still())
    chunk = policy.act(observation(state_rad=state_rad), seq=3)
    assert (chunk.valid, chunk.actions_rad, chunk.reason) == (False, (), reason)
    assert policy.act(observation(), seq=4).valid


def test_rows_that_are_no_numbers_are_never_sent_whoever_calls_them_valid(bundle, observation):
    def lost(decoded, state_rad):
        decoded.actions_rad[1, 0] = np.nan
        return decoded

    policy = Policy(bundle(), Still(), end_effector=lost)
    chunk = policy.act(observation(), seq=1)
    assert (chunk.valid, chunk.actions_rad) == (False, ())
    assert chunk.reason == "row 1, number 0 of the chunk: nan is no setpoint"


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


def test_what_moves_an_end_effector_is_refused_without_a_robots_kinematics(bundle):
    made = bundle()
    action = msgspec.structs.replace(made.manifest.action, space="end_effector")
    changed = dataclasses.replace(made, manifest=msgspec.structs.replace(made.manifest, action=action))
    with pytest.raises(BundleError, match=r"its actions move an end effector, .* robot\.yaml with workspace\.model"):
        Policy(changed, load(made.manifest, made.graph("fp32")))


class Half:
    """An execution that plays half of what was decoded, and takes down what it is told."""

    def __init__(self):
        self.told = []

    def begin(self, observation):
        self.told.append(("begin", observation.t_obs_s))

    def finish(self, decoded):
        self.told.append(("finish", decoded.valid))
        return Decoded(0.5 * decoded.actions_rad, True) if decoded.valid else decoded

    def reset(self):
        self.told.append("reset")


def test_an_execution_has_the_last_word_on_a_valid_chunk_and_hears_of_every_other(bundle, observation):
    made, execution = bundle(), Half()
    engine = load(made.manifest, made.graph("fp32"))
    whole = Policy(made, engine).act(observation(), seq=1).actions_rad
    policy = Policy(made, engine, execution=execution)
    np.testing.assert_allclose(policy.act(observation(t_obs_s=1.0), seq=1).actions_rad, 0.5 * np.array(whole))
    assert not policy.act(observation(t_obs_s=2.0, grey=0), seq=2).valid
    assert not policy.act(observation(t_obs_s=3.0, instruction=""), seq=3).valid
    policy.reset()
    assert execution.told == [
        ("begin", 1.0),
        ("finish", True),
        ("begin", 2.0),
        ("finish", False),
        ("finish", False),
        "reset",
    ]


def test_rows_of_an_end_effector_become_joints_before_they_are_sent(bundle, observation):
    def twice(decoded, state_rad):
        return Decoded(2.0 * decoded.actions_rad + state_rad, True) if decoded.valid else decoded

    made = bundle()
    engine = load(made.manifest, made.graph("fp32"))
    rows = np.array(Policy(made, engine).act(observation(), seq=1).actions_rad)
    found = Policy(made, engine, end_effector=twice).act(observation(), seq=1).actions_rad
    np.testing.assert_allclose(found, 2.0 * rows + [1.0, 2.0])


class Looping(DenoisingEngine):
    """A denoising engine without graphs, which keeps what it was drawn to."""

    def __init__(self):
        self.guide = None
        self.seen = []

    def run(self, inputs):
        self.seen.append(self.guide)
        return {"actions": np.zeros((1, 3, 2), np.float32)}


def test_a_denoising_loop_is_drawn_to_what_the_execution_says_each_time_anew(bundle, observation):
    engine, guidance = Looping(), iter([None, "the plan before", None])
    execution = Half()
    execution.begin = lambda observation: next(guidance)
    policy = Policy(bundle(), engine, execution=execution)
    for seq in range(3):
        assert policy.act(observation(), seq).valid
    assert engine.seen == [None, "the plan before", None]
