"""What a graph says about itself, and its one hash over everything that makes it."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, external_data_helper, helper, numpy_helper

from edgevla.engine.base import GraphRefused
from edgevla.engine.graph import read_graph


def beside(path):
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    return path


def test_weights_beside_the_graph_are_part_of_the_hash(graph):
    path = beside(graph())
    facts = read_graph(path)
    assert facts.external == ("weights.bin",)
    before = facts.sha256()
    weights = path.with_name("weights.bin")
    data = bytearray(weights.read_bytes())
    data[0] ^= 1
    weights.write_bytes(data)
    assert read_graph(path).sha256() != before


def test_the_same_graph_has_the_same_hash(graph):
    assert read_graph(graph()).sha256() == read_graph(graph()).sha256()


def test_missing_weights_are_one_line(graph):
    path = beside(graph())
    path.with_name("weights.bin").unlink()
    with pytest.raises(GraphRefused, match=r"weights\.bin: cannot be read: No such file"):
        read_graph(path).sha256()


def test_the_types_of_inputs_weights_and_casts_are_found(graph):
    assert read_graph(graph()).dtypes == {"FLOAT", "INT64"}


def test_types_and_weights_inside_a_branch_are_found(tmp_path):
    half = numpy_helper.from_array(np.zeros(2, np.float16), "half")
    branch = helper.make_graph(
        [helper.make_node("Cast", ["half"], ["out"], to=TensorProto.FLOAT8E4M3FN)],
        "branch",
        [],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT8E4M3FN, [2])],
        [half],
    )
    node = helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch)
    body = helper.make_graph(
        [node],
        "outer",
        [helper.make_tensor_value_info("yes", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT8E4M3FN, [2])],
    )
    path = tmp_path / "branches.onnx"
    onnx.save(helper.make_model(body), path)
    assert {"FLOAT16", "FLOAT8E4M3FN", "BOOL"} <= read_graph(path).dtypes


def test_products_without_quantised_activations_are_told_from_those_with(tmp_path):
    rows = np.eye(4, dtype=np.float32)
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["dq"]),
        helper.make_node("MatMul", ["dq", "rows"], ["first"], name="first layer"),
        helper.make_node("MatMul", ["first", "rows"], ["y"]),
    ]
    constants = {"rows": rows, "scale": np.float32(0.1), "zero": np.int8(0)}
    body = helper.make_graph(
        nodes,
        "two",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    path = tmp_path / "two.onnx"
    onnx.save(helper.make_model(body), path)
    assert read_graph(path).float_layers == ("y",)


@pytest.mark.parametrize("content", [b"", b"not a protobuf at all", None])
def test_what_is_no_graph_is_refused(tmp_path, graph, content):
    path = tmp_path / "broken.onnx"
    path.write_bytes(graph().read_bytes()[:100] if content is None else content)
    with pytest.raises(GraphRefused, match=r"broken\.onnx: not an ONNX graph"):
        read_graph(path)


def test_weights_of_a_constant_node_beside_the_graph_are_found_too(tmp_path):
    tensor = numpy_helper.from_array(np.zeros(2, np.float32), "c")
    external_data_helper.set_external_data(tensor, "elsewhere.bin")
    node = helper.make_node("Constant", [], ["y"], value=tensor)
    graph = helper.make_graph([node], "g", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])])
    path = tmp_path / "g.onnx"
    path.write_bytes(helper.make_model(graph).SerializeToString())
    assert read_graph(path).external == ("elsewhere.bin",)


@pytest.mark.parametrize("make", ["mkdir", None])
def test_what_is_no_file_is_one_line(tmp_path, make):
    path = tmp_path / "g.onnx"
    if make:
        path.mkdir()
    with pytest.raises(GraphRefused, match=r"g\.onnx: cannot be read"):
        read_graph(path)
