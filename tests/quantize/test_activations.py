from __future__ import annotations

import numpy as np
import pytest

from edgevla.quantize.activations import BINS, inputs_of, observe
from edgevla.quantize.errors import GraphUnfit, SetUnfit
from edgevla.quantize.graph import open_graph
from edgevla.quantize.layers import find_layers
from tests.quantize.graphs import node, perceptron, save


@pytest.fixture
def graph(tmp_path, rng):
    return open_graph(perceptron(tmp_path / "graph.onnx", rng))


def watch(graph, rows, **kwargs):
    return observe(graph, inputs_of(find_layers(graph)), lambda: ({"x": row[np.newaxis]} for row in rows), **kwargs)


def test_the_inputs_of_layers_are_watched_whether_given_or_computed(graph, rng):
    rows = rng.normal(size=(5, 8)).astype(np.float32)
    found = watch(graph, rows)
    assert set(found) == {"x", "r"}
    assert found["x"].reach == np.abs(rows).max()
    np.testing.assert_array_equal(found["x"].channels, np.abs(rows).max(axis=0))
    assert (found["x"].lowest, found["x"].highest) == (rows.min(), rows.max())
    assert found["r"].lowest == 0.0 < found["r"].highest


def test_counts_are_of_magnitudes_that_are_not_zero(graph):
    rows = np.zeros((2, 8), np.float32)
    rows[0, 0], rows[1, 1], rows[1, 2] = 1.0, -0.5, 0.25
    counts = watch(graph, rows)["x"].counts
    assert counts.sum() == 3
    assert counts[BINS - 1] == counts[BINS // 2] == counts[BINS // 4] == 1


def test_the_order_of_the_set_does_not_matter(graph, rng):
    rows = rng.normal(size=(9, 8)).astype(np.float32)
    one, other = watch(graph, rows), watch(graph, rows[::-1])
    for name, each in one.items():
        np.testing.assert_array_equal(each.counts, other[name].counts)
        assert each.reach == other[name].reach


def test_no_more_than_one_run_is_in_memory(graph, rng):
    alive = {"now": 0, "most": 0}

    class Row(np.ndarray):
        def __del__(self):
            alive["now"] -= 1

    def feeds():
        for _ in range(6):
            row = rng.normal(size=(1, 8)).astype(np.float32).view(Row)
            alive["now"] += 1
            alive["most"] = max(alive["most"], alive["now"])
            yield {"x": row}
            del row

    observe(graph, {"r": -1}, feeds)
    assert alive["most"] <= 2  # the one being made, and the one before it that is about to go


def test_a_factor_divides_the_channels_before_anything_is_counted(graph, rng):
    rows = rng.normal(size=(5, 8)).astype(np.float32)
    factor = rng.uniform(0.5, 2.0, 8).astype(np.float32)
    found = watch(graph, rows, factors={"x": factor})["x"]
    np.testing.assert_allclose(found.channels, np.abs(rows).max(axis=0) / factor, rtol=1e-6)


def test_the_channels_of_a_picture_are_its_colours(tmp_path, rng):
    weights = rng.normal(size=(4, 3, 3, 3)).astype(np.float32)
    path = save(
        tmp_path / "g.onnx", [node("Conv", "x w", "y")], {"x": (1, 3, 6, 6)}, {"y": (1, 4, 4, 4)}, {"w": weights}
    )
    graph = open_graph(path)
    picture = rng.normal(size=(1, 3, 6, 6)).astype(np.float32)
    found = observe(graph, inputs_of(find_layers(graph)), lambda: [{"x": picture}])
    np.testing.assert_array_equal(found["x"].channels, np.abs(picture).max(axis=(0, 2, 3)))


def test_an_empty_set_is_refused(graph):
    with pytest.raises(SetUnfit, match="empty"):
        watch(graph, [])


def test_an_operator_that_nobody_knows_is_one_line(tmp_path, rng):
    constants = {"w": rng.normal(size=(8, 4)).astype(np.float32)}
    nodes = [node("Mystery", "x", "unknown"), node("MatMul", "unknown w", "y")]
    graph = open_graph(save(tmp_path / "g.onnx", nodes, {"x": (1, 8)}, {"y": (1, 4)}, constants))
    with pytest.raises(GraphUnfit, match=r"^[^\n]*onnxruntime cannot load it:[^\n]*Mystery[^\n]*$"):
        watch(graph, np.zeros((1, 8), np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_set_that_drives_a_tensor_out_of_the_numbers_is_refused(graph, value):
    rows = np.zeros((1, 8), np.float32)
    rows[0, 3] = value
    with pytest.raises(SetUnfit, match="the tensor x becomes NaN or infinite"):
        watch(graph, rows)
