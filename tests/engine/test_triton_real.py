"""The triton member against Triton itself, serving what `write_model` writes, over gRPC on this machine."""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tritonclient.grpc", reason="the triton extra is not installed")

from edgevla.engine.ort import OrtEngine
from edgevla.engine.triton_repository import write_model
from edgevla.messages import Observation
from edgevla.policy.loading import load_policy
from edgevla.policy.preprocess import cameras_of
from edgevla.shipped import shipped
from tests.engine import real_triton
from tests.engine.real_triton import RealTriton

if real_triton.package() is None:
    pytest.skip("no Triton here: make triton installs it where its wheel can be had", allow_module_level=True)

GRAPH = shipped("so101-tabletop") / "policy.onnx"
REQUESTS, WARM_UP = 200, 20


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("triton")
    write_model(GRAPH, folder / "models", "python")
    server = RealTriton(folder / "models", folder)
    server.engine("policy").close()
    yield server
    server.close()


def requests(engine, count):
    rng = np.random.default_rng(0)
    for _ in range(count):
        yield {
            tensor.name: rng.normal(size=tensor.shape).astype(tensor.dtype)
            if tensor.dtype == "float32"
            else rng.integers(0, 5, tensor.shape)
            for tensor in engine.inputs
        }


def test_the_server_is_tritons_own_and_serves_the_graph(server):
    engine = server.engine("policy")
    assert engine.provider.startswith("triton 2.")
    assert engine.provider.endswith("version 1")
    here = OrtEngine(GRAPH)
    assert set(engine.inputs) == set(here.inputs)
    assert set(engine.outputs) == set(here.outputs)
    engine.close()


def test_it_answers_what_the_graph_answers_here(server):
    engine, here = server.engine("policy", "?deadline_ms=5000"), OrtEngine(GRAPH)
    added_ms, worst = [], 0.0
    for asked in requests(here, REQUESTS):
        began_s = time.perf_counter()
        answer = engine.run(asked)["deltas"]
        between_s = time.perf_counter()
        expected = here.run(asked)["deltas"]
        added_ms.append(1e3 * (between_s - began_s - (time.perf_counter() - between_s)))
        worst = max(worst, float(np.abs(answer - expected).max()))
    assert worst <= 1e-6
    cuts = statistics.quantiles(added_ms[WARM_UP:], n=100)
    print(f"largest difference {worst:g}; added by the server: p50 {cuts[49]:.2f} ms, p99 {cuts[98]:.2f} ms")
    engine.close()


def test_a_policy_on_it_plans_what_it_plans_here(server):
    rng = np.random.default_rng(1)
    there, here = (load_policy(GRAPH.parent, target=target) for target in (f"triton:127.0.0.1:{server.port}", "cpu"))
    pictures = {name: rng.integers(0, 255, (96, 96, 3), np.uint8) for name in cameras_of(here.manifest)}
    seen = Observation(0.0, pictures, np.zeros(6), "touch the red block")
    np.testing.assert_allclose(there.act(seen, 1).actions_rad, here.act(seen, 1).actions_rad, atol=1e-6)
    there.engine.close()


def test_a_numpy_that_the_backend_cannot_read_is_said_by_the_server(tmp_path):
    if int(np.__version__.partition(".")[0]) < 2:
        pytest.skip("the NumPy here is 1, which it reads")
    if f"python{sys.version_info.major}.{sys.version_info.minor}" not in str(real_triton.package()):
        pytest.skip("Triton's environment has another version of Python than this one")
    write_model(GRAPH, tmp_path / "models", "python")
    server = RealTriton(tmp_path / "models", tmp_path, Path(sys.prefix))
    try:
        assert f"cannot read arrays of NumPy {np.__version__} - install numpy<2 for the server" in server.ended()
    finally:
        server.close()
