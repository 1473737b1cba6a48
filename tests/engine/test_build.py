"""From a graph to an engine: what is checked before, when it is built, and what an engine on the CPU is."""

from __future__ import annotations

import onnx
import pytest

from edgevla.engine.base import EngineFailed, GraphRefused
from edgevla.engine.build import build
from edgevla.engine.cache import EngineCache
from edgevla.engine.ort_build import OrtCompiler


@pytest.fixture
def cache(tmp_path):
    return EngineCache(tmp_path / "engines")


def test_an_engine_is_built_once(graph, cache):
    first, new = build(graph(), OrtCompiler(), cache)
    again, newer = build(graph(), OrtCompiler(), cache)
    assert (new, newer) == (True, False)
    assert again == first


def test_it_is_built_again_when_that_is_wanted(graph, cache):
    build(graph(), OrtCompiler(), cache)
    assert build(graph(), OrtCompiler(), cache, force=True)[1]


def test_it_is_built_again_when_the_graph_changed(graph, cache):
    before = build(graph(), OrtCompiler(), cache)[0]
    after, new = build(graph(horizon=4), OrtCompiler(), cache)
    assert new
    assert after.folder != before.folder
    assert "graph " in after.record.fingerprint.differences(before.record.fingerprint)


def test_a_damaged_engine_is_built_again(graph, cache):
    built = build(graph(), OrtCompiler(), cache)[0]
    (built.folder / "engine.json").write_bytes(b"{")
    assert build(graph(), OrtCompiler(), cache)[1]
    assert not build(graph(), OrtCompiler(), cache)[1]


def test_an_engine_on_the_cpu_is_a_record_and_says_so(graph, cache):
    record = build(graph(), OrtCompiler(), cache)[0].record
    assert record.plan == ""
    assert record.notes == ("onnxruntime compiles while loading: nothing but this record is kept",)
    assert record.fingerprint.runtime.startswith("onnxruntime ")
    assert record.fingerprint.device


def test_a_graph_that_cannot_run_is_not_recorded(graph, cache):
    with pytest.raises(EngineFailed):
        build(graph(rows=0), OrtCompiler(), cache)
    assert not [path for path in cache.root.iterdir() if path.is_dir()]


def corrupt(path):
    path.write_bytes(path.read_bytes()[:200])


def unsupported(path):
    model = onnx.load(path)
    model.graph.node[0].op_type = "Mull"
    onnx.save(model, path)


@pytest.mark.parametrize("damage", [corrupt, unsupported])
def test_a_graph_that_is_broken_is_one_line_and_nothing_is_written(graph, cache, damage):
    path = graph()
    damage(path)
    with pytest.raises(GraphRefused) as refused:
        build(path, OrtCompiler(), cache)
    assert "\n" not in str(refused.value)
    assert not cache.root.exists() or not [each for each in cache.root.iterdir() if each.is_dir()]
