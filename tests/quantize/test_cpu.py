from __future__ import annotations

import numpy as np
import pytest
from onnx import numpy_helper

from edgevla.quantize.activations import observe
from edgevla.quantize.cpu import cpu_layers, quantise_for_cpu, tensors_of
from edgevla.quantize.graph import open_graph
from edgevla.quantize.layers import Level, full_plan
from tests.quantize.graphs import node, run, save


@pytest.fixture
def graph(tmp_path, rng):
    """Conv -> ReLU -> a large Gemm and a small one."""
    constants = {
        "kernel": rng.normal(size=(16, 3, 3, 3)).astype(np.float32),
        "large": rng.normal(size=(16 * 100, 16)).astype(np.float32),
        "small": rng.normal(size=(16, 4)).astype(np.float32),
        "shape": np.array([1, -1]),
    }
    nodes = [
        node("Conv", "x kernel", "c", name="conv"),
        node("Relu", "c", "r", name="relu"),
        node("Reshape", "r shape", "f"),
        node("Gemm", "f large", "h", name="large"),
        node("Gemm", "h small", "y", name="small"),
    ]
    return open_graph(save(tmp_path / "g.onnx", nodes, {"x": (1, 3, 12, 12)}, {"y": (1, 4)}, constants))


@pytest.fixture
def pictures(rng):
    return [{"x": rng.normal(size=(1, 3, 12, 12)).astype(np.float32)} for _ in range(16)]


def quantised(graph, pictures, level=Level.INT8):
    layers = cpu_layers(graph)
    seen = observe(graph, tensors_of(graph, layers), lambda: pictures, histograms=False)
    return quantise_for_cpu(graph, layers, dict.fromkeys(full_plan(layers), level), seen)


def test_only_what_pays_is_quantised(graph):
    layers = cpu_layers(graph)
    assert [layer.name for layer in layers] == ["conv", "large"]
    assert all(layer.levels == (Level.INT8, Level.FLOAT) for layer in layers)


def test_it_computes_nearly_the_same(graph, pictures):
    model = quantised(graph, pictures)
    for each in pictures[:4]:
        expected = run(graph.model, **each)[0]
        np.testing.assert_allclose(run(model, **each)[0], expected, atol=0.05 * np.abs(expected).max())


def test_weights_have_seven_bits_so_that_no_kernel_overflows(graph, pictures):
    stored = [numpy_helper.to_array(each) for each in quantised(graph, pictures).graph.initializer]
    weights = [each for each in stored if each.dtype == np.int8 and each.ndim >= 2]
    assert len(weights) == 2
    assert all(np.abs(each.astype(int)).max() <= 64 for each in weights)


def test_everything_in_float_is_the_same_graph(graph, pictures):
    model = quantised(graph, pictures, Level.FLOAT)
    np.testing.assert_array_equal(run(model, **pictures[0])[0], run(graph.model, **pictures[0])[0])
