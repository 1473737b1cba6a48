"""The recurrent family: a window of observations at one cost in every tick, and nothing remembered across a break."""

import dataclasses
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest

from edgevla.bundle import TensorSpec
from edgevla.config.policy_families import Gripper, Recurrent
from edgevla.engine.base import EngineFailed, GraphRefused
from edgevla.engine.ort import OrtEngine
from edgevla.engine.recurrent import RecurrentEngine
from edgevla.messages import Observation
from edgevla.policy.policy import Policy
from tests.policy.decoding import assert_close, bounds, bundle_of, decode, spread
from tests.policy.lanes import adding_graph, lstm_graph

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "robovlms" / "lstm.npz")
WINDOW, ROWS, SIZE = 3, 2, 2
SECTION = Recurrent(window=WINDOW, hidden=SIZE)


@pytest.fixture
def engine(tmp_path):
    path = tmp_path / "adding.onnx"
    adding_graph(path, window=WINDOW, rows=ROWS, size=SIZE)
    return RecurrentEngine(OrtEngine(path), SECTION, path)


def seen(engine, *values):
    return [float(engine.run({"state": np.full((1, SIZE), value, np.float32)})["answer"][0, 0, 0]) for value in values]


def test_upstreams_lstm_through_its_window_past_it_and_after_a_reset(tmp_path):
    path = tmp_path / "lstm.onnx"
    lstm_graph(path, dict(GOLDEN))
    layers, window, hidden = 2, int(GOLDEN["window"]), GOLDEN["rnn_weight_hh_l0"].shape[1]
    engine = RecurrentEngine(OrtEngine(path), Recurrent(window=window, hidden=hidden, layers=layers), path)
    answers = []
    for tick, features in enumerate(GOLDEN["features"]):
        if tick == GOLDEN["reset_before"]:
            engine.reset()
        answers.append(engine.run({"features": features[np.newaxis]})["answer"][0])
    assert len(answers) > GOLDEN["reset_before"] > 2 * window
    expected = np.concatenate([GOLDEN["arm"], GOLDEN["logits"]], -1)
    assert_close(np.stack(answers), expected, 1.0)


def test_it_has_seen_the_last_observations_of_the_window_or_all_there_are(engine):
    assert seen(engine, 1, 10, 100, 1000, 10000) == [1, 11, 111, 1110, 11100]


def test_after_a_reset_it_has_seen_nothing(engine):
    seen(engine, 1, 10)
    engine.reset()
    assert seen(engine, 5, 6) == [5, 11]


def test_the_memory_is_not_to_be_seen_from_outside(engine):
    assert [tensor.name for tensor in engine.inputs] == ["state"]
    assert [tensor.name for tensor in engine.outputs] == ["answer"]
    assert engine.provider == "CPUExecutionProvider"
    assert list(engine.run({"state": np.zeros((1, SIZE), np.float32)})) == ["answer"]


def test_a_memory_that_is_not_finite_is_forgotten_and_the_run_has_failed(engine):
    seen(engine, 1)
    with pytest.raises(EngineFailed, match="output hidden_next has NaN or infinite values"):
        seen(engine, np.inf)
    assert seen(engine, 5) == [5]


def test_a_run_that_was_refused_leaves_nothing_behind(engine):
    seen(engine, 1)
    with pytest.raises(ValueError, match="the graph takes"):
        engine.run({})
    assert seen(engine, 5) == [5]


@pytest.mark.parametrize("changed", [{"window": 4}, {"hidden": 5}, {"layers": 2}])
def test_a_graph_with_another_memory_is_refused(engine, tmp_path, changed):
    section = msgspec.structs.replace(SECTION, **changed)
    with pytest.raises(
        GraphRefused, match=r"promises the memory hidden float32\[.*the graph has .*hidden float32\[1, 3, 2\]"
    ):
        RecurrentEngine(OrtEngine(tmp_path / "adding.onnx"), section, tmp_path / "adding.onnx")


def test_a_graph_without_memory_is_refused(tmp_path):
    path = tmp_path / "plain.onnx"
    adding_graph(path, window=WINDOW, rows=ROWS, size=SIZE)
    model = onnx.load(path)
    del model.graph.output[2]
    onnx.save(model, path)
    with pytest.raises(GraphRefused, match=r"promises the memory cell_next float32\[1, 3, 2\]"):
        RecurrentEngine(OrtEngine(path), SECTION, path)


def test_the_answer_is_decoded_like_a_regression_heads():
    section = Recurrent(window=1, hidden=1, tanh=True, gripper=Gripper(name="joint_1"))
    bundle = bundle_of("recurrent", bounds((-2.0, -1.0), (2.0, 1.0)), recurrent=section)
    np.testing.assert_allclose(decode(bundle, [[[50.0, 1.0]]]).actions_rad, [[2.0, 1.0]])
    assert not decode(bundle, [[[np.nan, 1.0]]]).valid


def test_its_numbers_may_be_companded():
    section = Recurrent(window=1, hidden=1, mu_law=255.0)
    bundle = bundle_of("recurrent", bounds((-1.0, -1.0), (1.0, 1.0)), recurrent=section)
    np.testing.assert_allclose(decode(bundle, [[[0.5, 0.5]]]).actions_rad, [[15.0 / 255.0, 0.5]], rtol=1e-6)


@pytest.fixture
def policy(engine, tmp_path):
    """A policy whose first number is the sum of the states that it remembers; ten observations a second."""
    bundle = bundle_of("recurrent", spread((0.0,) * SIZE, (1.0,) * SIZE), horizon=ROWS, recurrent=SECTION)
    state = TensorSpec(name="state", dtype="float32", shape=(1, SIZE), source="state")
    files = {"vocabulary.txt": "0" * 64}
    (tmp_path / "vocabulary.txt").write_text("<pad>\ngo\nstop\n")
    manifest = msgspec.structs.replace(bundle.manifest, inputs=(state,), files=files)
    return Policy(dataclasses.replace(bundle, folder=tmp_path, manifest=manifest), engine)


def remembered(policy, t_s, value, instruction="go"):
    chunk = policy.act(Observation(t_s, {}, np.full(SIZE, float(value)), instruction), seq=1)
    return round(chunk.actions_rad[0][0]) if chunk.valid else chunk.reason


def test_a_policy_remembers_an_unbroken_row_of_observations(policy):
    assert [remembered(policy, 0.1 * tick, tick) for tick in range(5)] == [0, 1, 3, 6, 9]


def test_a_camera_may_be_a_little_late(policy):
    assert [remembered(policy, t_s, 1) for t_s in (0.0, 0.1, 0.24, 0.3)] == [1, 2, 3, 3]


BREAKS = {
    "a missing frame": (0.3, "go"),
    "the same frame again": (0.1, "go"),
    "a clock that goes back": (-5.0, "go"),
    "another instruction": (0.2, "stop"),
}


@pytest.mark.parametrize(("t_s", "instruction"), BREAKS.values(), ids=BREAKS)
def test_a_break_is_forgotten_across(policy, t_s, instruction):
    assert [remembered(policy, 0.1 * tick, 1) for tick in range(2)] == [1, 2]
    assert remembered(policy, t_s, 5, instruction) == 5


def test_an_invalid_chunk_is_a_break(policy):
    remembered(policy, 0.0, 1)
    assert "the state is not finite" in remembered(policy, 0.05, np.nan)
    assert remembered(policy, 0.1, 5) == 5


def test_an_answer_that_is_not_believed_is_a_break(policy):
    remembered(policy, 0.0, 1)
    assert "standard deviations" in remembered(policy, 0.05, 500)
    assert remembered(policy, 0.1, 5) == 5


def test_to_engage_anew_is_a_break(policy):
    remembered(policy, 0.0, 1)
    policy.reset()
    assert remembered(policy, 0.1, 5) == 5
