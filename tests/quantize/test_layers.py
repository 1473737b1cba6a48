from __future__ import annotations

import numpy as np
import pytest

from edgevla.quantize.graph import open_graph
from edgevla.quantize.layers import Level, find_layers, full_plan, levels_of, partners
from tests.quantize.graphs import INT64, attention, node, perceptron, save

IN = {"x": (1, 8)}


def layers(path, **kwargs):
    return {layer.name: layer for layer in find_layers(open_graph(path), **kwargs)}


def test_gemm_and_matmul_with_constant_weights(tmp_path, rng):
    found = layers(perceptron(tmp_path / "g.onnx", rng))
    assert list(found) == ["a", "p"]
    assert (found["a"].weight, found["a"].axis, found["a"].activations) == ("w1", 0, (0,))  # transB: (out, in)
    assert (found["p"].weight, found["p"].axis, found["p"].activations) == ("w2", 1, (0,))


def test_weights_on_the_left(tmp_path, rng):
    constants = {"w": rng.normal(size=(4, 1)).astype(np.float32)}
    (layer,) = layers(save(tmp_path / "g.onnx", [node("MatMul", "w x", "y")], IN, {"y": (4, 8)}, constants)).values()
    assert (layer.weight_at, layer.axis, layer.activations) == (0, 0, (1,))


def test_weights_in_a_constant_node(tmp_path, rng):
    import onnx

    tensor = onnx.numpy_helper.from_array(rng.normal(size=(8, 4)).astype(np.float32))
    nodes = [node("Constant", "", "w", value=tensor), node("MatMul", "x w", "y")]
    assert layers(save(tmp_path / "g.onnx", nodes, IN, {"y": (1, 4)}, {}))["y"].weight == "w"


def test_products_of_activations_are_left_alone_unless_asked(tmp_path, rng):
    path = attention(tmp_path / "g.onnx", rng)
    assert set(layers(path)) == {"q", "k", "v"}
    found = layers(path, attention=True)
    assert set(found) == {"q", "k", "v", "scores", "y"}
    assert found["scores"].pair == found["y"].pair == "p"
    assert found["y"].levels == (Level.INT8, Level.FLOAT)
    everything = tuple(found.values())
    assert {each.name for each in partners(everything, found["y"])} == {"scores", "y"}
    assert partners(everything, found["q"]) == (found["q"],)


@pytest.mark.parametrize(("rows", "found"), [(8192, {"y"}), (64, set())])
def test_a_table_is_worth_it_when_it_is_large(tmp_path, rng, rows, found):
    constants = {"table": rng.normal(size=(rows, 8)).astype(np.float32)}
    path = save(
        tmp_path / "g.onnx", [node("Gather", "table ids", "y")], {"ids": ((1, 3), INT64)}, {"y": (1, 3, 8)}, constants
    )
    assert set(layers(path)) == found
    assert all(layer.levels == (Level.WEIGHTS, Level.FLOAT) for layer in layers(path).values())


def test_other_numbers_than_float32_are_left_alone(tmp_path):
    path = save(
        tmp_path / "g.onnx",
        [node("MatMul", "x w", "y")],
        {"x": ((1, 8), 11)},
        {"y": ((1, 4), 11)},
        {"w": np.ones((8, 4))},
    )
    assert layers(path) == {}


def test_a_full_plan_has_everything_at_its_lowest(tmp_path, rng):
    found = find_layers(open_graph(perceptron(tmp_path / "g.onnx", rng)), prefix="step/")
    assert full_plan(found) == {"step/a": Level.INT8, "step/p": Level.INT8}
    assert levels_of(full_plan(found)) == {"int8": 2, "weights": 0, "float": 0}
