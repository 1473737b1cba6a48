"""A model repository as Triton reads it, and the file in it that Triton's Python backend runs."""

from __future__ import annotations

import importlib.util
import sys
from types import SimpleNamespace

import numpy as np
import onnx
import pytest

from edgevla.engine.ort import OrtEngine
from edgevla.engine.triton_repository import RepositoryRefused, write_model

CONFIG = """\
name: "graph"
backend: "onnxruntime"
max_batch_size: 0
input { name: "state" data_type: TYPE_FP32 dims: [ 1, 1, 2 ] }
input { name: "words" data_type: TYPE_INT64 dims: [ 1, 4 ] }
output { name: "actions" data_type: TYPE_FP32 dims: [ 1, 3, 2 ] }
"""


@pytest.fixture
def repository(tmp_path):
    return tmp_path / "models"


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_graph_becomes_a_model_of_one_version(graph, repository):
    path = graph()
    assert write_model(path, repository, "onnxruntime") == (repository / "graph" / "1", True)
    assert files(repository) == ["graph/1/model.onnx", "graph/config.pbtxt"]
    assert (repository / "graph" / "config.pbtxt").read_text() == CONFIG
    assert (repository / "graph" / "1" / "model.onnx").read_bytes() == path.read_bytes()


def test_the_same_graph_is_not_written_twice_and_another_is_the_next_version(graph, repository):
    write_model(graph(rows=3), repository, "onnxruntime")
    first = (repository / "graph" / "1" / "model.onnx").read_bytes()
    assert write_model(graph(rows=3), repository, "onnxruntime") == (repository / "graph" / "1", False)
    assert write_model(graph(rows=5), repository, "onnxruntime") == (repository / "graph" / "2", True)
    assert (repository / "graph" / "1" / "model.onnx").read_bytes() == first


def test_versions_are_counted_as_numbers(graph, repository):
    for rows in range(3, 14):
        version, _ = write_model(graph(rows=rows), repository, "onnxruntime")
    assert version.name == "11"


@pytest.mark.parametrize(("horizon", "backend"), [(4, "onnxruntime"), (3, "python")])
def test_versions_of_a_model_share_their_tensors_and_backend(graph, repository, horizon, backend):
    write_model(graph(), repository, "onnxruntime")
    before = files(repository)
    with pytest.raises(RepositoryRefused, match="holds a model with other tensors or another backend"):
        write_model(graph(horizon=horizon), repository, backend)
    assert files(repository) == before


def test_weights_beside_the_graph_go_with_it(graph, repository):
    path = graph(rows=500)
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights.data", size_threshold=100)
    version, _ = write_model(path, repository, "onnxruntime")
    assert files(version) == ["model.onnx", "weights.data"]
    assert write_model(path, repository, "onnxruntime") == (version, False)
    words = {"state": np.ones((1, 1, 2), np.float32), "words": np.array([[400, 0, 0, 0]])}
    np.testing.assert_array_equal(OrtEngine(version / "model.onnx").run(words)["actions"][0, 0], [4001, 4001])


def test_a_disk_that_refuses_leaves_no_version_behind(graph, repository, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edgevla.engine.triton_repository.shutil.copy", full)
    with pytest.raises(RepositoryRefused, match="cannot be written: No space left on device"):
        write_model(graph(), repository, "onnxruntime")
    assert files(repository) == []
    assert list((repository / "graph").iterdir()) == []


class FakeTensor:
    """Triton's tensor; `reads` is what its backend makes of an array."""

    reads = staticmethod(np.copy)

    def __init__(self, name, array):
        self.name, self.array = name, array

    def as_numpy(self):
        return self.array

    @classmethod
    def from_dlpack(cls, name, tensor):
        return cls(name, cls.reads(tensor.array))


@pytest.fixture
def served(graph, repository, monkeypatch):
    """The model as the Python backend loads it: from the repository, by its path, with Triton's module there."""
    fake = SimpleNamespace(
        Tensor=FakeTensor,
        TritonError=str,
        TritonModelException=RuntimeError,
        InferenceResponse=lambda output_tensors, error=None: SimpleNamespace(tensors=output_tensors, error=error),
        get_input_tensor_by_name=lambda request, name: FakeTensor(name, request[name]),
    )
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", fake)
    version, _ = write_model(graph(), repository, "python")
    spec = importlib.util.spec_from_file_location("served", version / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def load(kind="CPU"):
        model = module.TritonPythonModel()
        where = {"model_repository": str(version.parent), "model_version": "1", "model_instance_kind": kind}
        model.initialize(where)
        return model

    return load


def test_what_the_python_backend_runs_stands_alone(served):
    words = {"state": np.array([[[0.5, -1.0]]], np.float32), "words": np.array([[1, 0, 0, 0]])}
    wrong = {**words, "words": np.array([[9, 0, 0, 0]])}
    good, bad, again = served().execute([words, wrong, words])
    for answer in (good, again):
        assert [tensor.name for tensor in answer.tensors] == ["actions"]
        np.testing.assert_array_equal(answer.tensors[0].array[0], [[10.5, 9.0], [11.0, 8.0], [11.5, 7.0]])
    assert bad.tensors == []
    assert "out of" in bad.error


def test_a_backend_that_reads_arrays_wrong_does_not_load(served, monkeypatch):
    monkeypatch.setattr(FakeTensor, "reads", staticmethod(np.zeros_like))
    with pytest.raises(RuntimeError, match="install numpy<2 for the server"):
        served()


@pytest.mark.filterwarnings("ignore:Specified provider")  # onnxruntime says so too
def test_a_gpu_that_onnxruntime_has_not_does_not_become_a_processor(served):
    with pytest.raises(RuntimeError, match="onnxruntime here has no CUDAExecutionProvider"):
        served("GPU")
