"""A bundle with two graphs, from its folder to chunks, on onnxruntime."""

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgevla.bundle import BundleError, load_manifest, write_manifest
from edgevla.config.policy_families import Diffusion, Flow
from edgevla.engine.base import GraphRefused
from edgevla.engine.ort import OrtEngine
from edgevla.policy.decode.noise import noise_key, normals
from edgevla.policy.engines import load_engine
from edgevla.policy.loading import load_policy
from tests.policy.conftest import ACTIONS, HORIZON, LENGTH, SIDE

replace = msgspec.structs.replace
WIDTH = 4
tensor = helper.make_tensor_value_info


def save(path, nodes, inputs, outputs, **constants):
    initial = [numpy_helper.from_array(np.array(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, initial)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def save_prefix(path):
    """context[0, 0, :] = brightness + the number of words"""
    nodes = [
        helper.make_node("ReduceMean", ["front"], ["brightness"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Sign", ["words"], ["present"]),
        helper.make_node("Cast", ["present"], ["ones"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["ones"], ["count"], keepdims=0),
        helper.make_node("Add", ["brightness", "count"], ["sum"]),
        helper.make_node("Expand", ["sum", "shape"], ["context"]),
    ]
    inputs = [
        tensor("front", TensorProto.FLOAT, [1, 3, SIDE, SIDE]),
        tensor("words", TensorProto.INT64, [1, LENGTH]),
    ]
    save(path, nodes, inputs, [tensor("context", TensorProto.FLOAT, [1, 1, WIDTH])], shape=[1, 1, WIDTH])


def save_step(path, *, pull=1.0, answer="velocity"):
    """answer = pull * (sample - context - state[0]) / time: with 1, straight to context + state; with 0, nowhere."""
    nodes = [
        helper.make_node("Gather", ["state", "first"], ["pan"], axis=1),
        helper.make_node("Sub", ["sample", "context"], ["a"]),
        helper.make_node("Sub", ["a", "pan"], ["b"]),
        helper.make_node("Div", ["b", "time"], ["c"]),
        helper.make_node("Mul", ["c", "pull"], [answer]),
    ]
    inputs = [
        tensor("sample", TensorProto.FLOAT, [1, HORIZON, WIDTH]),
        tensor("time", TensorProto.FLOAT, [1]),
        tensor("context", TensorProto.FLOAT, [1, 1, WIDTH]),
        tensor("state", TensorProto.FLOAT, [1, WIDTH]),
    ]
    outputs = [tensor(answer, TensorProto.FLOAT, [1, HORIZON, WIDTH])]
    save(path, nodes, inputs, outputs, first=np.array([[0]]), pull=np.float32(pull))


@pytest.fixture
def flowing(tmp_path, manifest):
    """Write a flow bundle of two joints whose model is four columns wide."""
    inputs = tuple(replace(spec, shape=(1, WIDTH)) if spec.source == "state" else spec for spec in manifest.inputs)
    changed = replace(
        manifest,
        family="flow",
        steps={"fp32": "step.onnx"},
        inputs=inputs,
        flow=Flow(steps=10, direction="noise_at_1", width=WIDTH, seed=5),
    )

    def write(changed=changed, **step):
        save_prefix(tmp_path / "graph.onnx")
        save_step(tmp_path / "step.onnx", **step)
        (tmp_path / "vocabulary.txt").write_text("<pad>\ngo\nleft\nright\n")
        return write_manifest(tmp_path, changed).folder

    write.manifest = changed
    return write


def test_a_chunk_is_what_the_field_points_at_in_radians_from_the_measured_position(flowing, observation, robot):
    policy = load_policy(flowing(), robot=robot("pan", "lift"))
    chunk = policy.act(observation(state_rad=(1.25, 2.0), instruction="go left"), seq=0)
    normalised = 51 / 255 + 2 + (1.25 - 1.0) / 0.5  # brightness, words, state
    expected = np.array(ACTIONS.mean) + normalised * np.array(ACTIONS.std) + [1.25, 2.0]
    assert chunk.valid, chunk.reason
    np.testing.assert_allclose(chunk.actions_rad, np.tile(expected, (HORIZON, 1)), atol=1e-6)
    assert policy.engine.provider == "CPUExecutionProvider"


def test_the_noise_of_a_chunk_is_that_of_its_number_and_the_policys_seed(flowing, observation):
    policy = load_policy(flowing(pull=0.0))
    for seq in (0, 1, 2**32 + 1):
        noise = normals((1, HORIZON, WIDTH), noise_key(5, seq), 0)[0, :, :2]
        expected = np.array(ACTIONS.mean) + noise * np.array(ACTIONS.std) + [1.0, 2.0]
        np.testing.assert_allclose(policy.act(observation(), seq=seq).actions_rad, expected, atol=1e-6)


def test_both_graphs_have_run_before_anybody_waits_for_them(flowing, monkeypatch):
    runs, run = [], OrtEngine.run
    monkeypatch.setattr(OrtEngine, "run", lambda engine, inputs: runs.append(len(inputs)) or run(engine, inputs))
    load_engine(load_manifest(flowing()), "fp32")
    assert (runs.count(2), runs.count(4)) == (2, 20)  # inputs of the prefix and of the step graph


def test_a_step_graph_that_answers_nan_does_not_get_through_its_rehearsal(flowing):
    with pytest.raises(BundleError, match=r'rehearsing "go left": .*NaN or infinite'):
        load_policy(flowing(pull=np.nan))


def test_a_step_graph_of_another_family_is_refused(flowing):
    section = Diffusion(schedule="cosine", train_steps=5, width=WIDTH)
    changed = replace(flowing.manifest, family="diffusion", flow=None, diffusion=section)
    changed = replace(
        changed, inputs=tuple(replace(s, shape=(1, 2)) if s.source == "state" else s for s in changed.inputs)
    )
    with pytest.raises(GraphRefused, match=r"step\.onnx: the step graph must .* answer noise float32\[1, 3, 4\]"):
        load_policy(flowing(changed))


def test_a_broken_step_graph_is_refused(flowing):
    folder = flowing()
    (folder / "step.onnx").write_bytes(b"nothing")
    write_manifest(folder, flowing.manifest)
    with pytest.raises(GraphRefused, match=r"step\.onnx: not an ONNX graph"):
        load_policy(folder)
