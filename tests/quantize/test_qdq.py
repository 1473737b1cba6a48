"""The written graph: where Q/DQ stand, and that it computes what quantised arithmetic says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import numpy_helper

from edgevla.quantize.activations import inputs_of, observe
from edgevla.quantize.graph import open_graph
from edgevla.quantize.layers import Level, find_layers, full_plan
from edgevla.quantize.lint.run import lint
from edgevla.quantize.qdq import insert_qdq, quantise_weights
from edgevla.quantize.smooth import factors_of
from tests.examples import examples
from tests.quantize.graphs import attention, perceptron, run

STEP = {"x": 0.02, "r": 0.05}


def fake(values, scale):
    """Quantise and back, as ONNX defines it: round half to even, saturate."""
    return np.clip(np.rint(values / np.float32(scale)), -128, 127).astype(np.float32) * np.float32(scale)


def weights_of(graph, name, axis):
    """The weights as INT8 with a scale a channel can hold them, straight from the definition."""
    weights = graph.values(name)
    scale = np.abs(weights).max(axis=1 - axis, keepdims=True) / np.float32(127)
    return np.rint(weights / scale) * scale


@pytest.fixture
def graph(tmp_path, rng):
    return open_graph(perceptron(tmp_path / "graph.onnx", rng))


def test_int8_layers_compute_with_rounded_activations_and_weights(graph, rng):
    layers = find_layers(graph)
    model = insert_qdq(graph, layers, full_plan(layers), STEP)
    x = rng.normal(size=(1, 8)).astype(np.float32)
    hidden = np.maximum(fake(x, STEP["x"]) @ weights_of(graph, "w1", 0).T + graph.values("b1"), 0.0)
    expected = fake(hidden, STEP["r"]) @ weights_of(graph, "w2", 1) + graph.values("b2")
    np.testing.assert_allclose(run(model, x=x)[0], expected, atol=1e-4)


def test_weights_alone_leave_the_activations_as_they_are(graph, rng):
    layers = find_layers(graph)
    model = insert_qdq(graph, layers, {"a": Level.FLOAT, "p": Level.WEIGHTS}, {})
    x = rng.normal(size=(1, 8)).astype(np.float32)
    hidden = np.maximum(x @ graph.values("w1").T + graph.values("b1"), 0.0)
    np.testing.assert_allclose(run(model, x=x)[0], hidden @ weights_of(graph, "w2", 1) + graph.values("b2"), atol=1e-5)
    assert [node.op_type for node in model.graph.node].count("QuantizeLinear") == 0


def test_everything_float_is_the_same_graph(graph, rng):
    layers = find_layers(graph)
    model = insert_qdq(graph, layers, dict.fromkeys(full_plan(layers), Level.FLOAT), {})
    x = rng.normal(size=(1, 8)).astype(np.float32)
    np.testing.assert_array_equal(run(model, x=x)[0], run(graph.model, x=x)[0])


def test_weights_are_stored_as_int8_and_the_float_ones_are_gone(graph):
    layers = find_layers(graph)
    stored = {
        each.name: numpy_helper.to_array(each)
        for each in insert_qdq(graph, layers, full_plan(layers), STEP).graph.initializer
    }
    assert not {"w1", "w2"} & set(stored)
    assert {"b1", "b2"} <= set(stored)
    assert {each.shape for each in stored.values() if each.dtype == np.int8 and each.ndim == 2} == {(16, 8), (16, 6)}
    assert not any(each.any() for each in stored.values() if each.dtype == np.int8 and each.ndim < 2)  # zero-points


def test_one_tensor_is_quantised_once_for_all_its_readers(tmp_path, rng):
    graph = open_graph(attention(tmp_path / "a.onnx", rng))
    layers = find_layers(graph)
    model = insert_qdq(graph, layers, full_plan(layers), {"x": 0.03})
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("QuantizeLinear") == 1
    assert kinds.count("DequantizeLinear") == 6  # three readers, three weights


def test_the_original_is_left_as_it_was(graph):
    before = graph.model.SerializeToString()
    layers = find_layers(graph)
    insert_qdq(graph, layers, full_plan(layers), STEP)
    assert graph.model.SerializeToString() == before


def test_what_is_written_passes_the_lint(tmp_path, rng):
    import onnx

    graph = open_graph(attention(tmp_path / "a.onnx", rng))
    layers = find_layers(graph, attention=True)
    seen = observe(graph, inputs_of(layers), lambda: [{"x": rng.normal(size=(1, 4, 8)).astype(np.float32)}])
    scales = {name: each.reach / 100 for name, each in seen.items()}
    onnx.save(insert_qdq(graph, layers, full_plan(layers), scales), tmp_path / "q.onnx")
    assert lint(tmp_path / "q.onnx") == ()


def test_smoothing_changes_nothing_but_the_rounding(tmp_path, rng):
    graph = open_graph(perceptron(tmp_path / "graph.onnx", rng, norm=True))
    layers = find_layers(graph)
    rows = rng.normal(size=(64, 8)).astype(np.float32)
    rows[:, 2] *= 50.0

    def feeds():
        return ({"x": row[np.newaxis]} for row in rows)

    factors = factors_of(graph, layers, observe(graph, inputs_of(layers), feeds, histograms=False), 0.5)
    assert set(factors) == {"h"}  # not r, which comes out of no normalisation
    fine = {name: each.reach / 127 for name, each in observe(graph, inputs_of(layers), feeds, factors=factors).items()}
    smoothed = insert_qdq(graph, layers, full_plan(layers), fine, factors)
    for row in rows[:5]:
        expected = run(graph.model, x=row[np.newaxis])[0]
        np.testing.assert_allclose(run(smoothed, x=row[np.newaxis])[0], expected, atol=0.05 * np.abs(expected).max())
    assert [node.op_type for node in smoothed.graph.node].count("Mul") == 0  # it went into the gains


@pytest.mark.parametrize("other", ["output", "residual"])
def test_smoothing_stands_as_a_product_where_somebody_else_reads_the_tensor_too(tmp_path, rng, other):
    import onnx

    path = perceptron(tmp_path / "graph.onnx", rng, norm=True)
    model = onnx.load(path)
    if other == "residual":
        model.graph.node.append(onnx.helper.make_node("Add", ["h", "x"], ["sum"], name="residual"))
    name = "h" if other == "output" else "sum"
    model.graph.output.append(onnx.helper.make_tensor_value_info(name, 1, (1, 8)))
    onnx.save(model, path)
    graph = open_graph(path)
    layers = find_layers(graph)
    factor = rng.uniform(0.5, 2.0, 8).astype(np.float32)
    smoothed = insert_qdq(graph, layers, full_plan(layers), {"h": 1e-3, "r": 1e-3}, {"h": factor})
    x = rng.normal(size=(1, 8)).astype(np.float32)
    np.testing.assert_array_equal(run(smoothed, x=x)[1], run(graph.model, x=x)[1])
    assert [node.op_type for node in smoothed.graph.node].count("Mul") == 1


@settings(max_examples=examples(100), deadline=None)
@given(
    hnp.arrays(
        np.float32, hnp.array_shapes(min_dims=2, max_dims=4, max_side=5), elements=st.floats(-1e3, 1e3, width=32)
    ),
    st.integers(0, 1),
)
def test_weights_come_back_within_half_a_step(weights, axis):
    values, scale = quantise_weights(weights, axis)
    shape = [1] * weights.ndim
    shape[axis] = -1
    assert values.dtype == np.int8
    assert np.abs(values.astype(int)).max(initial=0) <= 127
    error = np.abs(values * scale.reshape(shape) - weights)
    assert (error <= 0.5001 * scale.reshape(shape) + 1e-30).all()
    assert (scale > 0).all()
