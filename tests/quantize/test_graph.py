from __future__ import annotations

import numpy as np
import onnx
import pytest

from edgevla.quantize.errors import GraphUnfit
from edgevla.quantize.graph import open_graph
from tests.quantize.graphs import node, perceptron, save

IN, OUT = {"x": (1, 8)}, {"y": (1, 8)}


def refusal(path):
    with pytest.raises(GraphUnfit) as caught:
        open_graph(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not a graph", b"\x08\x08\x12\x00" * 3])
def test_what_is_no_graph(tmp_path, content):
    path = tmp_path / "g.onnx"
    path.write_bytes(content)
    assert f"{path}: not an ONNX graph" in refusal(path)


def test_half_a_graph(tmp_path, rng):
    path = perceptron(tmp_path / "g.onnx", rng)
    path.write_bytes(path.read_bytes()[:-100])
    assert "not an ONNX graph" in refusal(path)


def test_no_graph_at_all(tmp_path):
    assert "there is no such file" in refusal(tmp_path / "g.onnx")


def test_an_old_opset(tmp_path):
    path = save(tmp_path / "g.onnx", [node("Relu", "x", "y")], IN, OUT, {}, opset=12)
    assert "opset 12; Q/DQ per channel needs at least 13 - export with opset 17" in refusal(path)


def test_free_dimensions(tmp_path):
    path = save(tmp_path / "g.onnx", [node("Relu", "x", "y")], {"x": ("batch", 8)}, {"y": ("batch", 8)}, {})
    assert "the input x has the shape [batch, 8]" in refusal(path)


def test_a_graph_that_is_quantised_already(tmp_path):
    constants = {"s": np.float32(1), "z": np.int8(0)}
    nodes = [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "y")]
    assert "is quantised already" in refusal(save(tmp_path / "g.onnx", nodes, IN, OUT, constants))


def test_weights_outside_the_folder_are_not_read(tmp_path, rng):
    path = perceptron(tmp_path / "g.onnx", rng)
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="g.data", size_threshold=0)
    text = path.read_bytes().replace(b"g.data", b"../g.d")
    path.write_bytes(text)
    with pytest.raises(GraphUnfit, match="lies outside its folder"):
        open_graph(path).values("w1")


def test_reading_a_graph_does_not_read_its_weights(tmp_path, rng):
    path = perceptron(tmp_path / "g.onnx", rng)
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="g.data", size_threshold=0)
    expected = onnx.numpy_helper.to_array(onnx.load(path).graph.initializer[0])
    graph = open_graph(path)
    assert not any(tensor.raw_data for tensor in graph.initializers.values())
    np.testing.assert_array_equal(graph.values("w1"), expected)
