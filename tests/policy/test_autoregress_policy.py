"""A token policy of two graphs, from its folder to chunks, on onnxruntime."""

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgevla.bundle import BundleError, Normalisation, write_manifest
from edgevla.config.policy_families import Tokens
from edgevla.policy.loading import load_policy
from tests.policy.conftest import HORIZON, LENGTH, SIDE

replace = msgspec.structs.replace
V, BINS = 24, 9  # action ids 15 to 23; OpenVLA's highest id is the lowest action
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
tensor = helper.make_tensor_value_info


def save(path, nodes, inputs, outputs, **constants):
    initial = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, initial)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def save_graphs(folder, first, following):
    """The prefix chooses `first`; the step graph the token that `following` has in the place of the last one."""
    nodes = [
        helper.make_node("ReduceMax", ["front"], ["a"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Cast", ["words"], ["b"], to=FLOAT),
        helper.make_node("ReduceMax", ["b"], ["c"], keepdims=0),
        helper.make_node("ReduceMax", ["state"], ["d"], keepdims=0),
        helper.make_node("Sum", ["a", "c", "d"], ["seen"]),
        helper.make_node("Mul", ["seen", "zero"], ["nothing"]),
        helper.make_node("Add", ["row", "nothing"], ["logits"]),
        helper.make_node("Identity", ["none"], ["count"]),
    ]
    inputs = [
        tensor("front", FLOAT, [1, 3, SIDE, SIDE]),
        tensor("state", FLOAT, [1, 2]),
        tensor("words", INT64, [1, LENGTH]),
    ]
    outputs = [tensor("logits", FLOAT, [1, V]), tensor("count", INT64, [1])]
    eye = np.eye(V, dtype=np.float32)
    save(
        folder / "graph.onnx", nodes, inputs, outputs, row=eye[[first]], zero=np.float32(0), none=np.zeros(1, np.int64)
    )
    nodes = [
        helper.make_node("Gather", ["table", "token"], ["rows"]),
        helper.make_node("Squeeze", ["rows", "axis"], ["row"]),
        # A memory that is not what it must be would leave no logits to choose from.
        helper.make_node("Equal", ["count", "step"], ["right"]),
        helper.make_node("Cast", ["right"], ["factor"], to=FLOAT),
        helper.make_node("Div", ["row", "factor"], ["logits"]),
        helper.make_node("Add", ["count", "one"], ["count_next"]),
    ]
    inputs = [tensor("token", INT64, [1, 1]), tensor("step", INT64, [1]), tensor("count", INT64, [1])]
    outputs = [tensor("logits", FLOAT, [1, V]), tensor("count_next", INT64, [1])]
    constants = {"table": eye[following], "axis": np.array([1]), "one": np.array([1])}
    save(folder / "step.onnx", nodes, inputs, outputs, **constants)


@pytest.fixture
def policy_of(tmp_path, manifest):
    def load(first, following):
        save_graphs(tmp_path, first, following)
        (tmp_path / "vocabulary.txt").write_text("<pad>\ngo\nleft\nright\n")
        units = Normalisation(kind="quantiles", q01=(-1.0, -2.0), q99=(1.0, 2.0))
        changed = replace(
            manifest,
            family="tokens",
            steps={"fp32": "step.onnx"},
            action=replace(manifest.action, kind="absolute", normalisation=units),
            tokens=Tokens(style="openvla", vocabulary_size=V, bins=BINS),
        )
        return load_policy(write_manifest(tmp_path, changed).folder)

    return load


def test_a_chunk_is_what_the_tokens_say(policy_of, observation):
    following = np.zeros(V, np.int64)
    following[[15, 17, 19, 21, 23]] = [17, 19, 21, 23, 15]
    chunk = policy_of(15, following).act(observation(), seq=0)
    assert chunk.valid, chunk.reason
    # 9 edges from -1 to 1 have 8 centres; 15 and 16 are both the highest, 23 is the lowest.
    centres = {15: 0.875, 17: 0.625, 19: 0.125, 21: -0.375, 23: -0.875}
    numbers = np.array([centres[number] for number in (15, 17, 19, 21, 23, 15)]).reshape(HORIZON, 2)
    np.testing.assert_allclose(chunk.actions_rad, numbers * [1.0, 2.0], atol=1e-6)


def test_a_policy_that_says_what_is_no_action_does_not_get_through_its_rehearsal(policy_of):
    following = np.full(V, 16)
    following[16] = 3
    with pytest.raises(BundleError, match=r'rehearsing "go left": .*\b3\b'):
        policy_of(15, following)
