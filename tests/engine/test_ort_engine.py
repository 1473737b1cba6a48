"""onnxruntime as an engine: a real session on a real graph."""

import numpy as np
import onnxruntime as ort
import pytest
from onnxruntime.capi import onnxruntime_pybind11_state as state

from edgevla.engine.base import EngineFailed, EngineMissing, GraphRefused, Tensor, warm_up
from edgevla.engine.ort import OrtEngine

STATE = np.array([[[0.5, -1.0]]], np.float32)


def words(first=0):
    return np.array([[first, 0, 0, 0]])


def test_it_describes_what_goes_in_and_out(graph):
    engine = OrtEngine(graph())
    assert engine.inputs == (Tensor("state", "float32", (1, 1, 2)), Tensor("words", "int64", (1, 4)))
    assert engine.outputs == (Tensor("actions", "float32", (1, 3, 2)),)
    assert engine.provider == "CPUExecutionProvider"


def test_it_computes_what_the_graph_says(graph):
    actions = OrtEngine(graph()).run({"words": words(1), "state": STATE})["actions"]
    np.testing.assert_allclose(actions, [[[10.5, 9.0], [11.0, 8.0], [11.5, 7.0]]])


def test_warming_up_runs_the_graph(graph):
    warm_up(OrtEngine(graph()))


@pytest.mark.parametrize(
    "inputs",
    [
        {"state": STATE},
        {"state": STATE, "words": words(), "image": STATE},
        {"state": STATE.astype(np.float64), "words": words()},
        {"state": STATE[0], "words": words()},
    ],
    ids=["missing", "unknown", "dtype", "shape"],
)
def test_inputs_other_than_the_graphs_are_a_programming_error_that_quotes_both_sides(graph, inputs):
    with pytest.raises(ValueError, match=r"takes state float32\[1, 1, 2\], words int64\[1, 4\]; given"):
        OrtEngine(graph()).run(inputs)


def test_a_run_that_fails_inside_the_graph_is_typed(graph):
    engine = OrtEngine(graph())
    with pytest.raises(EngineFailed, match="CPUExecutionProvider failed"):
        engine.run({"state": STATE, "words": words(99)})
    assert np.isfinite(engine.run({"state": STATE, "words": words(2)})["actions"]).all()


@pytest.mark.parametrize("batch", ["batch", None])
def test_a_free_dimension_is_refused(graph, batch):
    with pytest.raises(GraphRefused, match=r"state has the shape .* export the graph with fixed shapes"):
        OrtEngine(graph(batch=batch))


@pytest.mark.parametrize("content", [b"", b"not a graph"])
def test_what_is_no_graph_is_refused(tmp_path, content):
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(GraphRefused, match=r"broken\.onnx: onnxruntime cannot load it"):
        OrtEngine(path)


def test_a_provider_that_is_not_there_is_an_error_and_never_another_one(graph):
    with pytest.raises(EngineMissing, match=r"has no RocketExecutionProvider; it has .*CPUExecutionProvider"):
        OrtEngine(graph(), "RocketExecutionProvider")


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_is_silently_replaced_is_an_error(graph, monkeypatch):
    """Where a driver is missing, onnxruntime warns and runs on the CPU instead."""
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["RocketExecutionProvider"])
    with pytest.raises(EngineMissing, match="asked for RocketExecutionProvider, onnxruntime runs CPUExecutionProvider"):
        OrtEngine(graph(), "RocketExecutionProvider")


def test_a_provider_that_fails_in_a_run_is_not_replaced_either(graph, monkeypatch):
    """onnxruntime's own way is to print a line, and to go on with the CPU."""
    engine = OrtEngine(graph())

    class Broken:
        def run(self, *arguments):
            raise state.EPFail("the device is lost")

    monkeypatch.setattr(engine._session, "_sess", Broken())
    with pytest.raises(EngineFailed, match="CPUExecutionProvider failed: the device is lost"):
        engine.run({"state": STATE, "words": words()})
