from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgevla.quantize.errors import GraphUnfit, WriteFailed
from edgevla.quantize.graph import open_graph
from edgevla.quantize.layers import Level, find_layers, full_plan
from edgevla.quantize.qdq import insert_qdq
from edgevla.quantize.save import save_graph
from tests.quantize.graphs import perceptron, run


@pytest.fixture
def source(tmp_path, rng):
    """A graph whose weights lie beside it."""
    (tmp_path / "in").mkdir()
    path = perceptron(tmp_path / "in" / "graph.onnx", rng, width=64, hidden=128)
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="graph.data", size_threshold=0)
    return open_graph(path)


@pytest.fixture
def x(rng):
    return rng.normal(size=(1, 64)).astype(np.float32)


def quantised(source, level):
    layers = find_layers(source)
    plan = {name: level if name == "p" else Level.FLOAT for name in full_plan(layers)}
    return insert_qdq(source, layers, plan, {"r": 0.4})


@pytest.mark.parametrize("limit_bytes", [1 << 30, 0])
@pytest.mark.parametrize("level", [Level.INT8, Level.FLOAT])
def test_a_written_graph_needs_nothing_of_its_source(source, tmp_path, x, level, limit_bytes):
    model = quantised(source, level)
    expected = run(onnx.load(source.path), x=x)[0]
    written = save_graph(model, source, tmp_path / "new.onnx", limit_bytes=limit_bytes)
    assert [path.name for path in written] == (["new.onnx"] if limit_bytes else ["new.onnx", "new.onnx.data"])
    for path in (tmp_path / "in").iterdir():
        path.unlink()
    tolerance = 1e-5 if level is Level.FLOAT else 0.1 * np.abs(expected).max()
    np.testing.assert_allclose(run(tmp_path / "new.onnx", x=x)[0], expected, atol=tolerance)


def test_weights_past_the_limit_lie_beside_the_graph_and_are_read_from_there(source, tmp_path):
    before = source.values("w1").copy()
    save_graph(quantised(source, Level.FLOAT), source, tmp_path / "new.onnx", limit_bytes=0)
    again = open_graph(tmp_path / "new.onnx")
    assert again.external_files() == ["new.onnx.data"]
    assert isinstance(again.values("w1"), np.memmap)
    np.testing.assert_array_equal(again.values("w1"), before)
    assert (tmp_path / "new.onnx").stat().st_size < before.nbytes


@pytest.mark.parametrize("limit_bytes", [1 << 30, 0])
def test_a_full_disk_leaves_what_was_there(source, tmp_path, monkeypatch, limit_bytes):
    (tmp_path / "new.onnx").write_text("before")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(WriteFailed, match=r"new\.onnx: cannot be written: No space left on device"):
        save_graph(quantised(source, Level.INT8), source, tmp_path / "new.onnx", limit_bytes=limit_bytes)
    assert (tmp_path / "new.onnx").read_text() == "before"
    assert {path.name for path in tmp_path.iterdir()} == {"in", "new.onnx"}


def test_weights_that_are_missing_are_named(source, tmp_path):
    (source.path.parent / "graph.data").unlink()
    with pytest.raises(GraphUnfit, match=r"graph\.data"):
        save_graph(quantised_later(source), source, tmp_path / "new.onnx")
    assert not (tmp_path / "new.onnx").exists()


def quantised_later(source):
    layers = find_layers(source)
    return insert_qdq(source, layers, dict.fromkeys(full_plan(layers), Level.FLOAT), {})
