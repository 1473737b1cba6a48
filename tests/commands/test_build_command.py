"""`edgevla build`: what a user sees, and what is refused before anything is built."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from edgevla.bundle import BundleError
from edgevla.commands.build import build
from edgevla.engine.base import GraphRefused
from edgevla.engine.cache import PLAN
from edgevla.engine.graph import file_sha256
from edgevla.engine.native import PLUGIN
from edgevla.engine.ort_build import OrtCompiler
from edgevla.engine.targets import TargetElsewhere, TargetUnknown
from edgevla.errors import EdgeVLAError
from tests.engine.fake_cuda import ORIN, FakeCuda

BUNDLE = "so101-tabletop"


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("EDGEVLA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "engines"


def edgevla_build(*arguments):
    app = typer.Typer()
    app.command()(build)
    return CliRunner().invoke(app, list(arguments))


def refused(*arguments):
    error = edgevla_build(*arguments).exception
    assert isinstance(error, EdgeVLAError)
    assert error.exit_code == 2
    assert "\n" not in str(error)
    return error


def test_on_a_cpu_it_says_what_it_has_done(cache, tmp_path):
    arguments = (BUNDLE, "--target", "cpu", "--variant", "fp32", "--json", str(tmp_path / "build.json"))
    first, again = edgevla_build(*arguments), edgevla_build(*arguments)
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert "built now" in first.output
    assert "the cache" in again.output
    assert "nothing but this record is kept" in first.output
    results = json.loads((tmp_path / "build.json").read_text())["results"]
    assert [engine["new"] for engine in results["engines"]] == [False]
    assert len([path for path in cache.iterdir() if path.is_dir()]) == 1


def test_an_unknown_target_and_an_unknown_variant_list_the_known_ones():
    assert isinstance(refused(BUNDLE, "--target", "tx2", "--variant", "fp32"), TargetUnknown)
    assert isinstance(refused(BUNDLE, "--target", "cpu", "--variant", "int3"), BundleError)


def test_a_build_for_a_jetson_on_something_else_says_where_to_run_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.delitem(sys.modules, "edgevla.engine.tensorrt_engine", raising=False)
    error = refused(BUNDLE, "--target", "orin-agx-64", "--variant", "fp32")
    assert isinstance(error, TargetElsewhere)
    assert str(error).startswith('an engine for "orin-agx-64" must be built on it; here tensorrt cannot be imported')


def test_on_a_gpu_it_hands_on_how_the_bundle_is_decoded_there_and_says_so(monkeypatch, tmp_path):
    handed = []

    class Compiler(OrtCompiler):
        def __init__(self, cuda, cache, *, decoding, workspace_mb):
            super().__init__()
            handed.append(decoding)

        def compile(self, graph, wanted, folder):
            (folder / PLAN).write_bytes(b"plan")
            record = super().compile(graph, wanted, folder)
            return msgspec.structs.replace(record, plan=file_sha256(folder / PLAN))

    members = {
        "tensorrt_engine": SimpleNamespace(TensorRTCompiler=Compiler),
        "cuda_pycuda": SimpleNamespace(PyCuda=FakeCuda, describe=lambda: ORIN),
    }
    monkeypatch.setattr("edgevla.engine.optional.member", members.__getitem__)
    monkeypatch.setenv("EDGEVLA_KERNELS", str(tmp_path))
    (tmp_path / PLUGIN).write_bytes(b"library")
    report = tmp_path / "build.json"
    result = edgevla_build(BUNDLE, "--target", "gpu", "--variant", "fp32", "--json", str(report))
    assert result.exit_code == 0
    (decoding,) = handed
    assert (decoding.library, decoding.node.output) == (tmp_path / PLUGIN, "deltas")
    assert "in the engine" in result.output
    assert json.loads(report.read_text())["results"]["engines"][0]["decodes"] == "in the engine"


def test_types_that_the_target_lacks_are_said_at_once_even_on_another_machine(monkeypatch):
    monkeypatch.setattr("edgevla.engine.capabilities.NEEDS", {"FLOAT": (8, 9)})
    error = refused(BUNDLE, "--target", "orin-nx-16", "--variant", "fp32")
    assert isinstance(error, GraphRefused)
    assert "the tensor cores of orin-nx-16 (sm_87) lack it" in str(error)
