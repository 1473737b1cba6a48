from __future__ import annotations

import numpy as np
import pytest

from edgevla.quantize.activations import Activation
from edgevla.quantize.graph import open_graph
from edgevla.quantize.layers import find_layers
from edgevla.quantize.smooth import factors_of
from tests.quantize.graphs import node, perceptron, save

CHANNELS = np.array([1.0, 4.0, 9.0, 16.0, 1.0, 1.0, 1.0, 0.0])


@pytest.mark.parametrize("strength", [0.3, 0.5, 1.0])
def test_the_factor_is_the_paper_s(tmp_path, rng, strength):
    graph = open_graph(perceptron(tmp_path / "g.onnx", rng, norm=True))
    layers = find_layers(graph)
    (factor,) = factors_of(graph, layers, {"h": Activation(channels=CHANNELS), "r": Activation()}, strength).values()
    reach = np.abs(graph.values("w1")).max(axis=0)  # (out, in): over the outputs
    alive = CHANNELS > 0
    expected = CHANNELS[alive] ** strength / reach[alive] ** (1 - strength)
    np.testing.assert_allclose(factor[alive], expected, rtol=1e-6)
    assert factor[7] == 1.0  # a dead channel stays as it is


def test_no_strength_no_factors(tmp_path, rng):
    graph = open_graph(perceptron(tmp_path / "g.onnx", rng, norm=True))
    assert factors_of(graph, find_layers(graph), {}, 0.0) == {}


def test_readers_of_one_tensor_share_its_factor(tmp_path, rng):
    constants = {
        "gain": np.ones(8, np.float32),
        "a": np.full((8, 4), 0.5, np.float32),
        "b": np.full((8, 4), 2.0, np.float32),
    }
    nodes = [
        node("Mul", "x gain", "n"),
        node("MatMul", "n a", "ya"),
        node("MatMul", "n b", "yb"),
        node("Add", "ya yb", "y"),
    ]
    graph = open_graph(save(tmp_path / "g.onnx", nodes, {"x": (1, 8)}, {"y": (1, 4)}, constants))
    factors = factors_of(graph, find_layers(graph), {"n": Activation(channels=np.full(8, 4.0))}, 0.5)
    np.testing.assert_allclose(factors["n"], np.sqrt(4.0 / 2.0))
