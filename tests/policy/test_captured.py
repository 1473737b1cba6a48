"""A policy on the device, from its folder to a chunk: its graph by onnxruntime, all else over a fake GPU."""

from __future__ import annotations

from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from edgevla.bundle import load_manifest
from edgevla.config.policy_families import Regression
from edgevla.engine.base import GraphRefused, Tensor
from edgevla.engine.cuda_buffers import inner, visible
from edgevla.engine.cuda_engine import CudaEngine
from edgevla.engine.decoding import place, prepare
from edgevla.engine.native import CUDA
from edgevla.engine.ort import OrtEngine
from edgevla.policy.engines import load_engine
from edgevla.policy.loading import load_policy
from tests.engine.fake_cuda import FakeCuda, FakeStage
from tests.kernels.decoding import library


@pytest.fixture
def device(monkeypatch, tmp_path):
    """Puts a fake in the place of TensorRT and CUDA; `opened` are the devices."""
    opened, told = [], SimpleNamespace(decodes=True)

    def cuda():
        opened.append(FakeCuda())
        return opened[-1]

    def open_engine(path, cuda, cache, decoding):
        graph = OrtEngine(path)
        stage = FakeStage(cuda, "graph", graph.inputs, graph.outputs, graph.run)
        stage.use_scratch(cuda.allocate(1))
        given = [visible(cuda, tensor) for tensor in graph.inputs]
        made = [(visible if decoding is None else inner)(cuda, tensor) for tensor in graph.outputs]
        for buffer in (*given, *made):
            stage.bind(buffer.tensor.name, buffer.address)
        calls = []
        if decoding is not None:
            call, made = prepare(cuda, library("host"), decoding.node, made[0])
            calls.append(lambda: cuda.do("decode", lambda: told.decodes and call()))
        work = lambda: [each() for each in (lambda: stage.enqueue(cuda.stream), *calls)]  # noqa: E731
        return CudaEngine(cuda, given, made, work, place(decoding))

    members = {"tensorrt_engine": SimpleNamespace(open_engine=open_engine), "cuda_pycuda": SimpleNamespace(PyCuda=cuda)}
    monkeypatch.setattr("edgevla.policy.captured.member", members.__getitem__)
    libraries = tmp_path / "kernels"
    libraries.mkdir()
    monkeypatch.setenv("EDGEVLA_KERNELS", str(libraries))
    return SimpleNamespace(told=told, opened=opened, libraries=libraries, fake=members["tensorrt_engine"])


@pytest.mark.parametrize("kernels", [True, False])
def test_its_chunks_are_those_of_the_processor_wherever_they_are_decoded(bundle, observation, device, kernels):
    if kernels:
        (device.libraries / CUDA).write_bytes(b"library")
    folder = bundle().folder
    reference, policy = load_policy(folder), load_policy(folder, target="tensorrt")
    assert policy.engine.provider == ("behind the engine, on its stream" if kernels else "on the processor")
    for seq, seen in enumerate([{}, {"grey": 204}, {"instruction": "go right", "state_rad": (1.2, 1.9)}]):
        expected, found = (each.act(observation(**seen), seq) for each in (reference, policy))
        assert expected.valid
        assert (found.valid, found.actions_rad) == (True, expected.actions_rad)
    black = policy.act(observation(grey=0), seq=3)
    assert (black.valid, "NaN" in black.reason, black.actions_rad) == (False, True, ())
    assert device.opened[0].calls[-1] == "launch"
    assert device.opened[0].graph(0) == ["graph", *["decode"] * kernels]


def test_what_the_kernels_cannot_decode_is_left_to_the_decoder(bundle, manifest, device):
    (device.libraries / CUDA).write_bytes(b"library")
    folder = bundle(msgspec.structs.replace(manifest, regression=Regression(tanh=True))).folder
    assert load_engine(load_manifest(folder), "fp32", "tensorrt").provider == "on the processor"


def test_an_engine_that_does_not_match_policy_yaml_gives_the_device_back(bundle, device):
    def other(path, cuda, cache, decoding):
        buffers = [visible(cuda, Tensor(name, "float32", (1, 2))) for name in ("given", "made")]
        return CudaEngine(cuda, buffers[:1], buffers[1:], lambda: None, "other")

    device.fake.open_engine = other
    with pytest.raises(GraphRefused, match="promises the inputs"):
        load_engine(load_manifest(bundle().folder), "fp32", "tensorrt")
    assert device.opened[0].calls == ["close"]


def test_actions_of_another_shape_are_refused(bundle, device):
    def other(path, cuda, cache, decoding):
        made = [visible(cuda, Tensor("actions.actions", "float32", (1, 4, 2)))]
        return CudaEngine(cuda, [visible(cuda, tensor) for tensor in OrtEngine(path).inputs], made, lambda: None, "x")

    device.fake.open_engine = other
    with pytest.raises(GraphRefused, match=r"promises the output .*the graph has actions\.actions float32\[1, 4, 2\]"):
        load_engine(load_manifest(bundle().folder), "fp32", "tensorrt")


def test_numbers_are_what_the_engine_wrote_last(bundle, observation, device):
    """The verdict of a run is never that of the run before."""
    (device.libraries / CUDA).write_bytes(b"library")
    policy = load_policy(bundle().folder, target="tensorrt")
    valid = [policy.act(observation(grey=grey), seq).valid for seq, grey in enumerate((51, 0, 51, 0, 204))]
    np.testing.assert_array_equal(valid, [True, False, True, False, True])


def test_a_kernel_that_writes_nothing_makes_an_invalid_chunk_and_not_the_one_before(bundle, observation, device):
    (device.libraries / CUDA).write_bytes(b"library")
    policy = load_policy(bundle().folder, target="tensorrt")
    assert policy.act(observation(), 1).valid
    device.told.decodes = False
    silent = policy.act(observation(), 2)
    assert (silent.valid, silent.actions_rad) == (False, ())
    assert silent.reason == "no verdict: what decodes on the device has not run to its end"
    device.told.decodes = True
    assert policy.act(observation(), 3).valid
