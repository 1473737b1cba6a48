"""Loading: the graph must be the one that policy.yaml promises, and run on the target that was asked for."""

import sys

import msgspec
import numpy as np
import onnx
import pytest

from edgevla.bundle import Action, Language, Manifest, Normalisation, TensorSpec
from edgevla.engine.base import EngineFailed, EngineMissing, GraphRefused
from edgevla.engine.load import check_external_data, load, open_graph
from edgevla.engine.ort import OrtEngine
from edgevla.plugins import PluginUnknown

STATE = TensorSpec(name="state", dtype="float32", shape=(1, 1, 2), source="state")
WORDS = TensorSpec(name="words", dtype="int64", shape=(1, 4), source="instruction")
UNIT = Normalisation(kind="mean_std", mean=(0.0, 0.0), std=(1.0, 1.0))


@pytest.fixture
def manifest():
    action = Action(
        output="actions", names=("pan", "lift"), unit="rad", kind="delta", rate_hz=10, horizon=3, normalisation=UNIT
    )
    return Manifest(
        format="edgevla-bundle/1",
        name="tiny",
        family="regression",
        graphs={"fp32": "graph.onnx"},
        inputs=(STATE, WORDS),
        state=UNIT,
        action=action,
        language=Language(vocabulary="vocabulary.txt", length=4, instructions=("go",)),
        files={},
    )


def test_a_graph_that_keeps_its_promise_is_loaded_and_runs(graph, manifest):
    engine = load(manifest, graph())
    outputs = engine.run({"state": np.ones((1, 1, 2), np.float32), "words": np.zeros((1, 4), np.int64)})
    assert outputs["actions"].shape == (1, 3, 2)


def test_the_order_of_the_inputs_does_not_matter(graph, manifest):
    load(msgspec.structs.replace(manifest, inputs=(WORDS, STATE)), graph())


@pytest.mark.parametrize(
    "inputs",
    [
        (STATE,),
        (STATE, WORDS, msgspec.structs.replace(STATE, name="front")),
        (STATE, msgspec.structs.replace(WORDS, dtype="float32")),
        (STATE, msgspec.structs.replace(WORDS, shape=(1, 5))),
        (STATE, msgspec.structs.replace(WORDS, name="tokens")),
    ],
    ids=["missing", "more", "dtype", "shape", "name"],
)
def test_inputs_that_differ_from_policy_yaml_are_refused_with_both_sides(graph, manifest, inputs):
    message = r"policy.yaml promises the inputs .*state float32\[1, 1, 2\].*, the graph has .*words int64\[1, 4\]"
    with pytest.raises(GraphRefused, match=message):
        load(msgspec.structs.replace(manifest, inputs=inputs), graph())


@pytest.mark.parametrize("change", [{"output": "deltas"}, {"horizon": 4}])
def test_an_output_that_differs_from_policy_yaml_is_refused_with_both_sides(graph, manifest, change):
    action = msgspec.structs.replace(manifest.action, **change)
    with pytest.raises(GraphRefused, match=r"promises the output .*, the graph has actions float32\[1, 3, 2\]"):
        load(msgspec.structs.replace(manifest, action=action), graph())


def test_an_unknown_target_lists_the_known_ones(graph, manifest):
    with pytest.raises(PluginUnknown, match="use one of: cpu, cuda"):
        load(manifest, graph(), "abacus")


def test_a_target_this_machine_lacks_is_an_error(graph, manifest):
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine has CUDA")
    with pytest.raises(EngineMissing, match="has no CUDAExecutionProvider"):
        load(manifest, graph(), "cuda")


def test_a_target_that_stands_alone_takes_no_address(graph, manifest):
    with pytest.raises(EngineMissing, match='"cpu:2" is not known - "cpu" stands alone'):
        load(manifest, graph(), "cpu:2")


def test_a_target_whose_library_is_not_installed_says_how_to_get_it(graph, manifest, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.delitem(sys.modules, "edgevla.engine.tensorrt_engine", raising=False)
    with pytest.raises(EngineMissing, match=r"tensorrt cannot be imported: .* - it comes with JetPack"):
        load(manifest, graph(), "tensorrt")


def test_a_part_of_a_policy_is_opened_without_being_compared(graph, manifest):
    other = msgspec.structs.replace(manifest, inputs=(STATE,))
    engine = open_graph(other, graph())
    assert [tensor.name for tensor in engine.inputs] == ["state", "words"]


def test_another_package_s_target_may_be_given_an_address(graph, manifest, monkeypatch):
    seen = []

    def theirs(path, where=""):
        seen.append(where)
        return OrtEngine(path)

    monkeypatch.setattr("edgevla.engine.load.find", lambda _group, _ours, _name: theirs)
    load(manifest, graph(), "theirs:host:1/model?x=2")
    load(manifest, graph(), "theirs")
    assert seen == ["host:1/model?x=2", ""]


def test_a_graph_that_cannot_run_is_found_while_loading(graph, manifest):
    with pytest.raises(EngineFailed):
        load(manifest, graph(rows=0))


def with_weights_beside(path):
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    return path


def test_weights_beside_the_graph_must_be_listed_with_their_hash(graph, manifest):
    path = with_weights_beside(graph())
    with pytest.raises(GraphRefused, match=r'refers to weights in "weights\.bin", which policy\.yaml does not list'):
        load(manifest, path)
    check_external_data(msgspec.structs.replace(manifest, files={"weights.bin": "0" * 64}), path)


def test_bytes_that_are_no_graph_are_refused(tmp_path, manifest):
    path = tmp_path / "graph.onnx"
    path.write_bytes(b"not a protobuf at all")
    with pytest.raises(GraphRefused, match=r"graph\.onnx"):
        load(manifest, path)
