"""The triton member against a gRPC server that speaks Triton's protocol: its answers, and how each failure ends."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time

import numpy as np
import pytest

pytest.importorskip("tritonclient.grpc", reason="the triton extra is not installed")

import grpc

from edgevla.engine.base import EngineFailed, EngineMissing, GraphRefused, Tensor, warm_up
from edgevla.engine.graph import read_graph
from edgevla.engine.ort import OrtEngine
from edgevla.engine.triton import fingerprint, open_server
from tests.engine import triton_server
from tests.engine.triton_server import TritonServer

INPUTS = {"state": np.array([[[0.5, -1.0]]], np.float32), "words": np.array([[1, 0, 0, 0]])}


@pytest.fixture
def server(graph):
    server = TritonServer(graph())
    yield server
    server.close()


@pytest.fixture
def engine(server):
    engine = open_server(f"127.0.0.1:{server.port}/tiny?deadline_ms=300", "policy")
    yield engine
    engine.close()


def test_it_describes_what_goes_in_and_out_and_who_answers(engine, server):
    assert engine.inputs == (Tensor("state", "float32", (1, 1, 2)), Tensor("words", "int64", (1, 4)))
    assert engine.outputs == (Tensor("actions", "float32", (1, 3, 2)),)
    assert engine.provider == f"triton 2.59.0, 127.0.0.1:{server.port}/tiny version 10"


def test_it_answers_what_the_graph_answers_here(engine, graph):
    warm_up(engine)
    np.testing.assert_array_equal(engine.run(INPUTS)["actions"], OrtEngine(graph()).run(INPUTS)["actions"])


def test_a_batch_that_is_free_is_one(graph):
    server = TritonServer(graph(), batching=True)
    try:
        engine = open_server(f"127.0.0.1:{server.port}/tiny", "")
        assert engine.inputs[0].shape == (1, 1, 2)
        assert engine.run(INPUTS)["actions"].shape == (1, 3, 2)
        engine.close()
    finally:
        server.close()


def test_inputs_other_than_the_models_never_leave_this_machine(engine, server):
    with pytest.raises(ValueError, match=r"takes state float32\[1, 1, 2\]"):
        engine.run({"state": INPUTS["state"]})
    assert server.requests == 0


def test_an_answer_that_does_not_come_in_time_is_a_failed_chunk_and_the_next_is_not(engine, server):
    engine.run(INPUTS)
    server.stall.clear()
    began = time.monotonic()
    with pytest.raises(EngineFailed, match="deadline exceeded"):
        engine.run(INPUTS)
    assert time.monotonic() - began < 5.0
    server.stall.set()
    assert np.isfinite(engine.run(INPUTS)["actions"]).all()


def test_the_first_answer_may_take_longer(engine, server):
    server.stall.clear()
    threading.Timer(0.6, server.stall.set).start()
    engine.run(INPUTS)


def test_a_server_that_goes_away_is_a_failed_chunk_until_it_is_back(engine, server, graph):
    engine.run(INPUTS)
    server.close()
    with pytest.raises(EngineFailed, match=r"unavailable|deadline exceeded|cancelled"):
        engine.run(INPUTS)
    again = TritonServer(graph(), server.port)
    try:
        for _ in range(50):
            try:
                engine.run(INPUTS)
                break
            except EngineFailed:
                time.sleep(0.1)
        else:
            pytest.fail("the engine did not find the server again")
    finally:
        again.close()


def shorter(response):
    response.raw_output_contents[0] = response.raw_output_contents[0][:-4]
    return response


def reshaped(response):
    response.outputs[0].shape[:] = [1, 6]
    return response


def renamed(response):
    response.outputs[0].name = "deltas"
    return response


def retyped(response):
    response.outputs[0].datatype = "INT32"
    return response


@pytest.mark.parametrize("change", [shorter, reshaped, renamed, retyped])
def test_an_answer_of_another_shape_is_a_failed_chunk(engine, server, change):
    server.change = change
    with pytest.raises(EngineFailed, match=r"malformed answer|promised actions float32\[1, 3, 2\], answered"):
        engine.run(INPUTS)


def test_an_error_on_the_server_is_a_failed_chunk_with_its_words(engine, server):
    with pytest.raises(EngineFailed, match="Exception calling application"):
        engine.run({**INPUTS, "words": np.array([[99, 0, 0, 0]])})
    assert np.isfinite(engine.run(INPUTS)["actions"]).all()


def test_a_model_that_is_not_there_is_refused_while_loading(server):
    with pytest.raises(EngineMissing, match=r"not found: .*unknown model.* - check that the server runs"):
        open_server(f"127.0.0.1:{server.port}/huge", "")


def test_a_server_that_is_not_there_is_refused_while_loading(graph):
    server = TritonServer(graph())
    server.close()
    with pytest.raises(EngineMissing, match="unavailable"):
        open_server(f"127.0.0.1:{server.port}/tiny", "")


def test_a_tensor_that_numpy_lacks_is_refused(graph, monkeypatch):
    monkeypatch.setitem(triton_server.CODES, "int64", "BYTES")
    server = TritonServer(graph())
    try:
        with pytest.raises(GraphRefused, match="words is BYTES with the shape"):
            open_server(f"127.0.0.1:{server.port}/tiny", "")
    finally:
        server.close()


def test_a_signature_is_for_this_server_and_model_version(server, graph):
    found = fingerprint(read_graph(graph()), f"127.0.0.1:{server.port}/tiny")
    assert found.runtime == f"triton 2.59.0, 127.0.0.1:{server.port}/tiny version 10"


@pytest.fixture
def certificate(tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    key, crt = tmp_path / "key.pem", tmp_path / "crt.pem"
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    extra = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out", str(crt)]
    subprocess.run([*words.split(), *extra], check=True, capture_output=True)
    return key, crt


def test_an_encrypted_line_with_both_sides_known(graph, certificate):
    key, crt = certificate
    pair = [(key.read_bytes(), crt.read_bytes())]
    credentials = grpc.ssl_server_credentials(pair, crt.read_bytes(), require_client_auth=True)
    server = TritonServer(graph(), credentials=credentials)
    try:
        address = f"localhost:{server.port}/tiny?tls=1&ca={crt}"
        engine = open_server(f"{address}&certificate={crt}&key={key}", "")
        assert engine.run(INPUTS)["actions"].shape == (1, 3, 2)
        engine.close()
        with pytest.raises(EngineMissing):
            open_server(address, "")  # does not say who asks
    finally:
        server.close()


def test_a_version_that_appears_later_is_not_asked(engine, server):
    """Nobody has verified it."""
    server.versions.append("11")
    engine.run(INPUTS)
    assert server.asked == "10"
