"""An engine on a CUDA device, against a recorder: what is enqueued, captured and launched, and where tensors lie."""

from __future__ import annotations

import numpy as np
import pytest

from edgevla.engine.base import EngineFailed, Tensor, warm_up
from edgevla.engine.cuda import CudaFailed
from edgevla.engine.cuda_buffers import MAPPED_DISCRETE_BYTES, Buffer, visible
from edgevla.engine.cuda_engine import CudaEngine
from tests.engine.fake_cuda import DISCRETE, ORIN, FakeCuda, FakeStage

X, Y = Tensor("x", "float32", (1, 4)), Tensor("y", "float32", (1, 4))
PICTURE = Tensor("picture", "float32", (1, 3, 224, 224))
ONE = np.ones((1, 4), np.float32)


def doubling(cuda, inputs=(X,)):
    stage = FakeStage(cuda, "enqueue", inputs, (Y,), lambda given: {"y": 2 * given["x"]})
    stage.use_scratch(cuda.allocate(stage.scratch_bytes))
    buffers = {tensor.name: visible(cuda, tensor) for tensor in (*inputs, Y)}
    for name, buffer in buffers.items():
        stage.bind(name, buffer.address)
    work = lambda: stage.enqueue(cuda.stream)  # noqa: E731
    return CudaEngine(cuda, [buffers[each.name] for each in inputs], [buffers["y"]], work, "fake")


def test_the_first_run_warms_up_and_captures_and_every_other_is_one_launch():
    cuda = FakeCuda()
    engine = doubling(cuda)
    assert engine.run({"x": ONE})["y"].tolist() == [[2.0] * 4]
    assert cuda.calls == ["enqueue", "begin_capture", "enqueue", "end_capture"]
    cuda.calls.clear()
    assert engine.run({"x": 5 * ONE})["y"].tolist() == [[10.0] * 4]
    assert cuda.calls == ["launch"]
    warm_up(engine)


def test_it_describes_what_goes_in_and_out():
    engine = doubling(FakeCuda())
    assert (engine.inputs, engine.outputs, engine.provider) == ((X,), (Y,), "fake")


@pytest.mark.parametrize("inputs", [{}, {"x": ONE.astype(np.float64)}, {"x": ONE[0]}, {"x": ONE, "z": ONE}])
def test_inputs_other_than_the_graphs_are_a_programming_error_and_nothing_is_enqueued(inputs):
    cuda = FakeCuda()
    with pytest.raises(ValueError, match=r"the graph takes x float32\[1, 4\]"):
        doubling(cuda).run(inputs)
    assert cuda.calls == []


@pytest.mark.parametrize(("device", "copies"), [(ORIN, []), (DISCRETE, ["to_device"])])
def test_a_picture_is_mapped_where_memory_is_shared_and_copied_where_it_is_not(device, copies):
    cuda = FakeCuda(device)
    engine = doubling(cuda, (X, PICTURE))
    engine.run({"x": ONE, "picture": np.zeros(PICTURE.shape, np.float32)})
    assert cuda.graph(0) == [*copies, "enqueue"]


def test_a_large_output_is_copied_back_inside_the_graph():
    large = Tensor("y", "float32", (1, MAPPED_DISCRETE_BYTES))
    cuda = FakeCuda(DISCRETE)
    stage = FakeStage(cuda, "enqueue", (X,), (large,), lambda given: {"y": given["x"][0, 0]})
    stage.use_scratch(cuda.allocate(1))
    x, y = visible(cuda, X), visible(cuda, large)
    stage.bind("x", x.address)
    stage.bind("y", y.address)
    engine = CudaEngine(cuda, [x], [y], lambda: stage.enqueue(cuda.stream), "fake")
    for value in (3, 4):
        assert engine.run({"x": value * ONE})["y"].min() == value
    assert cuda.graph(0) == ["enqueue", "to_host"]


def test_an_engine_that_refuses_gives_the_stream_back_and_may_be_asked_again():
    cuda = FakeCuda()
    engine = doubling(cuda)
    failures = iter([False, True, False, False])
    work = engine._work

    def at_times():
        if next(failures):
            raise EngineFailed("TensorRT cannot run")
        work()

    engine._work = at_times
    with pytest.raises(EngineFailed, match="TensorRT cannot run"):
        engine.run({"x": ONE})  # fails while it is captured
    assert cuda.calls[-1] == "end_capture"
    assert engine.run({"x": 3 * ONE})["y"].tolist() == [[6.0] * 4]


def test_memory_that_runs_out_is_typed():
    with pytest.raises(CudaFailed, match="out of memory"):
        doubling(FakeCuda(memory_bytes=100))


def test_a_tensor_that_stays_on_the_device_is_not_shown():
    with pytest.raises(ValueError, match="never leaves the device"):
        _ = Buffer(X, 256).array


def test_closing_frees_the_device():
    cuda = FakeCuda()
    doubling(cuda).close()
    assert cuda.calls == ["close"]
