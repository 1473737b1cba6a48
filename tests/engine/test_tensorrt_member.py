"""The tensorrt member over a recorder in TensorRT's place: what it asks, in which order, and what a refusal becomes."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import onnx
import pytest

from edgevla.engine.base import EngineFailed, EngineMissing, GraphRefused, Tensor
from edgevla.engine.build import build
from edgevla.engine.cache import CacheUnusable, EngineCache, EngineDamaged
from edgevla.engine.decode_node import DecodeNode
from edgevla.engine.decoding import Decoding
from edgevla.engine.graph import read_graph
from edgevla.engine.native import CUDA, PLUGIN, Statistics
from edgevla.engine.native_abi import SCALE
from tests.engine.fake_cuda import ORIN, STREAM, FakeCuda
from tests.engine.fake_tensorrt import fake_tensorrt

MODULES = ("tensorrt_log", "tensorrt_build", "tensorrt_session", "tensorrt_engine")
TENSORS = (
    ("state", "INPUT", "FLOAT", (1, 1, 2)),
    ("words", "INPUT", "INT64", (1, 4)),
    ("actions", "OUTPUT", "FLOAT", (1, 3, 2)),
)


@pytest.fixture
def trt(monkeypatch):
    """The recorder, and our modules imported over it and forgotten afterwards."""
    module = fake_tensorrt()
    module.told.tensors = TENSORS
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    for name in MODULES:
        monkeypatch.delitem(sys.modules, f"edgevla.engine.{name}", raising=False)
    yield module
    for name in MODULES:
        sys.modules.pop(f"edgevla.engine.{name}", None)


@pytest.fixture
def member(trt):
    assert sys.modules["tensorrt"] is trt
    return import_module("edgevla.engine.tensorrt_engine")


@pytest.fixture
def cache(tmp_path):
    return EngineCache(tmp_path / "engines")


def names(trt):
    return [call[0] for call in trt.calls]


def built(member, graph, cache, cuda=None, **options):
    return build(graph(), member.TensorRTCompiler(cuda or FakeCuda(), cache, **options), cache)[0]


def test_a_build_is_strongly_typed_and_keeps_its_timings(member, trt, graph, cache):
    engine = built(member, graph, cache, workspace_mb=64)
    assert engine.plan.read_bytes() == b"plan"
    assert ("create_network", 1 << 1) in trt.calls
    assert ("set_memory_pool_limit", "WORKSPACE", 64 << 20) in trt.calls
    assert ("build_serialized_network", "network", "DETAILED") in trt.calls
    assert ("set_timing_cache", False) in trt.calls
    assert ("create_timing_cache", b"") in trt.calls
    build(graph(), member.TensorRTCompiler(FakeCuda(), cache), cache, force=True)
    assert ("create_timing_cache", b"+timed") in trt.calls


def test_a_build_is_known_by_all_that_it_depends_on(member, graph, cache):
    found = built(member, graph, cache).record.fingerprint
    assert (found.runtime, found.device, found.compute_capability, found.cuda) == (
        "tensorrt 10.3.0",
        "Orin",
        "8.7",
        "12.6",
    )
    assert "strongly typed" in found.flags


def test_what_tensorrt_warns_of_is_kept(member, trt, graph, cache):
    trt.told.says = (("WARNING", "words has Int64 binding"),)
    assert built(member, graph, cache).record.notes == ("words has Int64 binding",)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (
            {"parse_error": "no importer\n registered"},
            r"node block 3 \(Attention\): no importer registered - edgevla lint",
        ),
        ({"parse_error": ""}, r"cannot parse it: TensorRT gives no reason"),
    ],
)
def test_a_graph_that_cannot_be_parsed_names_the_node(member, trt, graph, cache, told, message):
    vars(trt.told).update(told)
    with pytest.raises(GraphRefused, match=message):
        built(member, graph, cache)
    assert not [path for path in cache.root.iterdir() if path.is_dir()]


@pytest.mark.parametrize(
    ("says", "message"),
    [
        ((("ERROR", "No implementation for node 7"),), "cannot build it: No implementation for node 7 - edgevla lint"),
        (
            (
                ("WARNING", "Tactic Device request: 900MB Available: 100MB. Device memory is insufficient"),
                ("ERROR", "x"),
            ),
            "cannot build it: x - close other programs, or give a smaller --workspace-mb",
        ),
    ],
)
def test_a_build_that_gives_up_leaves_the_engine_before_it(member, trt, graph, cache, says, message):
    before = built(member, graph, cache)
    trt.told.plan, trt.told.says = None, says
    with pytest.raises(member.build_plan.__globals__["BuildFailed"], match=message):
        build(graph(), member.TensorRTCompiler(FakeCuda(), cache), cache, force=True)
    assert cache.find(before.record.fingerprint).plan.read_bytes() == b"plan"


def test_a_full_disk_leaves_nothing(member, graph, cache, monkeypatch):
    def full(_path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edgevla.files.sync", full)
    with pytest.raises(CacheUnusable, match="No space left on device - free some"):
        built(member, graph, cache)
    assert not [path for path in cache.root.iterdir() if path.is_dir()]


def test_a_version_outside_the_table_is_refused(member, trt, graph, cache):
    trt.__version__ = "8.6.1"
    with pytest.raises(EngineMissing, match=r"TensorRT 8\.6\.1 is not supported"):
        built(member, graph, cache)


def test_a_graph_with_types_that_the_gpu_lacks_is_refused_before_the_build(member, trt, graph, cache, monkeypatch):
    monkeypatch.setattr("edgevla.engine.capabilities.NEEDS", {"FLOAT": (8, 9)})
    with pytest.raises(
        GraphRefused, match=r"uses FLOAT; the tensor cores of Orin \(sm_87\) lack it, sm_89 is the first"
    ):
        built(member, graph, cache)
    assert trt.calls == []


def test_an_engine_that_was_built_here_is_loaded_and_bound_to_aligned_memory(member, trt, graph, cache):
    built(member, graph, cache)
    trt.calls.clear()
    cuda = FakeCuda()
    engine = member.open_engine(graph(), cuda, cache)
    assert engine.inputs == (Tensor("state", "float32", (1, 1, 2)), Tensor("words", "int64", (1, 4)))
    assert engine.outputs == (Tensor("actions", "float32", (1, 3, 2)),)
    assert engine.provider == "TensorRT 10.3.0, decodes on the processor"
    assert ("deserialize_cuda_engine", b"plan") in trt.calls
    assert ("create_execution_context", "USER_MANAGED") in trt.calls
    memory = next(call for call in trt.calls if call[0] == "set_device_memory")
    assert memory[2] == 12345
    addresses = {call[1]: call[2] for call in trt.calls if call[0] == "set_tensor_address"}
    assert addresses.keys() == {"state", "words", "actions"}
    assert all(address % 256 == 0 for address in addresses.values())


def test_it_is_enqueued_on_its_own_stream(member, trt, graph, cache):
    built(member, graph, cache)
    engine = member.open_engine(graph(), FakeCuda(), cache)
    engine.run({"state": np.ones((1, 1, 2), np.float32), "words": np.zeros((1, 4), np.int64)})
    assert ("execute_async_v3", STREAM) in trt.calls


def test_without_a_build_nothing_runs(member, graph, cache):
    with pytest.raises(GraphRefused, match=r"no TensorRT engine was built for it: nothing in .* - run edgevla build"):
        member.open_engine(graph(), FakeCuda(), cache)


@pytest.mark.parametrize(
    ("device", "version", "why"),
    [
        (replace(ORIN, name="NVIDIA Thor", compute_capability=(11, 0)), "10.3.0", "device Orin -> NVIDIA Thor"),
        (replace(ORIN, cuda="13.2"), "10.3.0", r"cuda 12\.6 -> 13\.2"),
        (ORIN, "10.16.2", r"runtime tensorrt 10\.3\.0 -> tensorrt 10\.16\.2"),
    ],
)
def test_an_engine_for_another_machine_never_runs_and_the_difference_is_told(
    member, trt, graph, cache, device, version, why
):
    built(member, graph, cache)
    trt.__version__ = version
    trt.calls.clear()
    with pytest.raises(GraphRefused, match=f"it was, and since then .*{why}.* - run edgevla build"):
        member.open_engine(graph(), FakeCuda(device), cache)
    assert trt.calls == []


def test_a_plan_that_was_changed_never_runs(member, trt, graph, cache):
    built(member, graph, cache).plan.write_bytes(b"another")
    trt.calls.clear()
    with pytest.raises(EngineDamaged):
        member.open_engine(graph(), FakeCuda(), cache)
    assert trt.calls == []


def test_a_plan_that_tensorrt_does_not_take_is_one_line(member, trt, graph, cache):
    built(member, graph, cache)
    trt.told.takes_plan = False
    with pytest.raises(GraphRefused, match=r"does not take it: engine plan file is not compatible .* --force"):
        member.open_engine(graph(), FakeCuda(), cache)


@pytest.mark.parametrize(
    "tensor", [("state", "INPUT", "FLOAT", (-1, 2)), ("state", "INPUT", "FP8", (1, 2))], ids=["free dimension", "fp8"]
)
def test_a_tensor_that_numpy_cannot_hold_is_refused(member, trt, graph, cache, tensor):
    built(member, graph, cache)
    trt.told.tensors = (tensor,)
    with pytest.raises(GraphRefused, match=r"state is .* fixed shapes"):
        member.open_engine(graph(), FakeCuda(), cache)


@pytest.mark.parametrize("refuses", ["takes_address", "runs"])
def test_a_refusal_is_typed_and_not_a_zero(member, trt, graph, cache, refuses):
    built(member, graph, cache)
    inputs = {"state": np.ones((1, 1, 2), np.float32), "words": np.zeros((1, 4), np.int64)}
    if refuses == "takes_address":
        trt.told.takes_address = False
        with pytest.raises(EngineFailed, match="TensorRT cannot bind state"):
            member.open_engine(graph(), FakeCuda(), cache)
    else:
        engine = member.open_engine(graph(), FakeCuda(), cache)
        trt.told.runs = False
        with pytest.raises(EngineFailed, match="TensorRT cannot run"):
            engine.run(inputs)


def test_a_profile_is_the_mean_of_each_layer(member, graph, cache):
    session = member.Session(built(member, graph, cache).plan)
    assert session.profile(FakeCuda(), runs=4) == {"conv": 2.0, "gemm": 1.0}


@pytest.fixture
def decoding(tmp_path):
    """How the graph of `conftest` is decoded by a library that lies in the temporary folder."""

    def of(name, scale=1.0):
        (tmp_path / name).write_bytes(b"library")
        two = np.full(2, scale, np.float32)
        return Decoding(DecodeNode("actions", "unnormalise", 3, 2, Statistics(SCALE, 5.0, two, two)), tmp_path / name)

    return of


DECODED = (("actions.actions", "OUTPUT", "FLOAT", (1, 3, 2)), ("actions.verdicts", "OUTPUT", "INT32", (1, 4)))
ZEROS = {"state": np.zeros((1, 1, 2), np.float32), "words": np.zeros((1, 4), np.int64)}


def test_what_is_decoded_in_the_engine_is_built_into_it(member, trt, graph, cache, decoding):
    inside = decoding(PLUGIN)
    built(member, graph, cache, decoding=inside)
    assert names(trt).index("load_library") < names(trt).index("parse")
    model, path = next(call[1:] for call in trt.calls if call[0] == "parse")
    parsed = onnx.load_from_string(model)
    assert [output.name for output in parsed.graph.output] == ["actions", "actions.actions", "actions.verdicts"]
    assert path == str(graph())  # where the weights lie
    trt.calls.clear()
    trt.told.tensors = TENSORS + DECODED
    engine = member.open_engine(graph(), FakeCuda(), cache, inside)
    assert names(trt)[:2] == ["load_library", "deserialize_cuda_engine"]
    assert engine.outputs == inside.node.made  # what was decoded stays on the device
    assert {call[1] for call in trt.calls if call[0] == "set_tensor_address"} == {each[0] for each in trt.told.tensors}
    assert engine.provider == "TensorRT 10.3.0, decodes in the engine"


def test_an_engine_that_decodes_is_known_by_its_plugin_and_by_what_it_does(member, graph, cache, decoding):
    inside = decoding(PLUGIN)
    built(member, graph, cache, decoding=inside)
    with pytest.raises(GraphRefused, match=r"since then .*flags .*decodes [0-9a-f]{16}.* -> .*decodes "):
        member.open_engine(graph(), FakeCuda(), cache, decoding(PLUGIN, scale=2.0))
    with pytest.raises(GraphRefused, match=r"since then plugin [0-9a-f]{64} -> none; flags "):
        member.open_engine(graph(), FakeCuda(), cache)
    inside.library.write_bytes(b"a newer library")
    with pytest.raises(GraphRefused, match="since then plugin "):
        member.open_engine(graph(), FakeCuda(), cache, inside)


def test_without_the_plugin_the_kernels_decode_behind_the_engine_on_its_stream(
    member, trt, graph, cache, decoding, monkeypatch
):
    behind, prepared = decoding(CUDA), []

    class Kernels:
        def __init__(self, path):
            assert path == behind.library

        def prepare(self, name, args, *, stream):
            prepared.append((name, args, stream))
            return lambda: trt.calls.append((name,))

    monkeypatch.setattr(member, "Library", Kernels)
    built(member, graph, cache, decoding=behind)
    assert "load_library" not in names(trt)
    cuda = FakeCuda()
    engine = member.open_engine(graph(), cuda, cache, behind)
    assert engine.outputs == behind.node.made
    assert engine.provider == "TensorRT 10.3.0, decodes behind the engine, on its stream"
    ((name, args, stream),) = prepared
    assert (name, stream) == ("edgevla_unnormalise", STREAM)
    assert args.x == next(call[2] for call in trt.calls if call[:2] == ("set_tensor_address", "actions"))
    trt.calls.clear()
    engine.run(ZEROS)
    assert names(trt) == ["execute_async_v3", "edgevla_unnormalise"] * 2  # once as it is, once captured


def test_an_engine_is_known_by_the_kernels_behind_it(member, trt, graph, cache, decoding, monkeypatch):
    monkeypatch.setattr(member, "Library", lambda path: SimpleNamespace(prepare=lambda *_, **__: lambda: None))
    behind = decoding(CUDA)
    fingerprint = built(member, graph, cache, decoding=behind).record.fingerprint
    assert fingerprint.plugin == hashlib.sha256(b"library").hexdigest()
    assert member.fingerprint(read_graph(graph()), ORIN, behind) == fingerprint
    member.open_engine(graph(), FakeCuda(), cache, behind)
    trt.calls.clear()
    behind.library.write_bytes(b"other kernels")
    for changed in (behind, None):
        with pytest.raises(GraphRefused, match="since then plugin "):
            member.open_engine(graph(), FakeCuda(), cache, changed)
    assert trt.calls == []


def test_the_graphs_of_a_denoising_loop_are_known_by_its_kernels(member, graph, cache, decoding, monkeypatch):
    opened = []
    monkeypatch.setattr(member, "open_loop", lambda *given: opened.append(given))
    behind = decoding(CUDA)
    plan, kernels = SimpleNamespace(decode=behind.node), SimpleNamespace(path=behind.library)
    built(member, graph, cache)
    with pytest.raises(GraphRefused, match="since then plugin none -> "):
        member.open_denoiser(graph(), graph(), plan, kernels, FakeCuda(), cache)
    built(member, graph, cache, decoding=behind)
    member.open_denoiser(graph(), graph(), plan, kernels, FakeCuda(), cache)
    ((_, first, again, *_),) = opened
    assert first is not again
    behind.library.write_bytes(b"other kernels")
    with pytest.raises(GraphRefused, match="since then plugin "):
        member.open_denoiser(graph(), graph(), plan, kernels, FakeCuda(), cache)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (("actions", "OUTPUT", "FLOAT", (1, 4, 2)), r"it is \[1, 4, 2\], not \(1, 3, 2 or more\)"),
        (("actions", "OUTPUT", "INT8", (1, 3, 2)), "it is int8, not float32 or float16"),
        (("answer", "OUTPUT", "FLOAT", (1, 3, 2)), r"none of the graph's outputs, answer float32\[1, 3, 2\]"),
    ],
)
def test_what_the_kernels_could_not_read_is_refused(member, trt, graph, cache, decoding, monkeypatch, output, words):
    monkeypatch.setattr(member, "Library", lambda path: None)
    built(member, graph, cache, decoding=decoding(CUDA))
    trt.told.tensors = (*TENSORS[:2], output)
    with pytest.raises(GraphRefused, match=f"actions cannot be decoded on the device: .*{words}"):
        member.open_engine(graph(), FakeCuda(), cache, decoding(CUDA))


def test_a_plugin_that_cannot_be_loaded_is_said(member, trt, graph, cache, decoding):
    trt.told.loads = False
    with pytest.raises(
        member.build_plan.__globals__["BuildFailed"], match=r"libedgevla_trt\.so: TensorRT cannot load it"
    ):
        built(member, graph, cache, decoding=decoding(PLUGIN))
