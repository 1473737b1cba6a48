"""The DecodeAction node in an ONNX graph: what TensorRT's parser hands to the plugin, read back and reckoned anew."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from edgevla.engine.base import GraphRefused
from edgevla.engine.decode_node import DecodeNode, append_decode
from edgevla.engine.native import Statistics
from edgevla.engine.native_abi import HALF, SCALE

SCALES, OFFSETS = np.float32([0.5, 2.0]), np.float32([0.1, -0.1])
VALUES = np.float32([0.75, 0.25, -0.25, -0.75])


def model_of(shape, kind=TensorProto.FLOAT):
    """A graph that hands its input on, as `answer`."""
    tensors = [helper.make_tensor_value_info(name, kind, shape) for name in ("given", "answer")]
    graph = helper.make_graph([helper.make_node("Identity", ["given"], ["answer"])], "tiny", tensors[:1], tensors[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def node_of(rule=SCALE, mask=None, **more):
    statistics = Statistics(rule, 10.0, SCALES, OFFSETS, mask)
    return DecodeNode("answer", more.pop("decode", "unnormalise"), 3, 2, statistics, **more)


class DecodeAction(OpRun):
    """By the attributes alone, in float64."""

    op_domain = "edgevla"

    def _run(self, tensor, **_):
        attributes = {a.name: helper.get_attribute_value(a) for a in self.onnx_node.attribute}
        if attributes["decode"] == b"token_logits":
            ids = tensor.argmax(-1) - attributes["first"]
            numbers = np.array(attributes["values"])[ids].reshape(1, attributes["horizon"], attributes["dims"])
        else:
            numbers = tensor[..., : attributes["dims"]].astype(float)
        unit = (numbers + 1) / 2 if attributes["rule"] == HALF else numbers
        actions = unit * attributes["scale"] + attributes["offset"]
        actions = np.where(attributes.get("mask", [1, 1]), actions, numbers)
        return actions.astype(np.float32), np.int32([[1, 0, -1, 0]])


def run(model, given):
    onnx.checker.check_model(model)
    outputs = ReferenceEvaluator(model, new_ops=[DecodeAction]).run(None, {"given": given})
    return dict(zip([output.name for output in model.graph.output], outputs, strict=True))


def test_actions_and_verdicts_stand_beside_the_output_that_is_decoded():
    given = np.random.default_rng(0).standard_normal((1, 3, 4), np.float32)
    found = run(append_decode(model_of([1, 3, 4]), node_of()), given)
    assert list(found) == ["answer", "answer.actions", "answer.verdicts"]
    np.testing.assert_array_equal(found["answer"], given)
    np.testing.assert_allclose(found["answer.actions"], given[..., :2] * SCALES + OFFSETS, rtol=1e-6)


def test_a_range_and_a_mask_reach_the_plugin():
    given = np.random.default_rng(1).standard_normal((1, 3, 2), np.float32)
    found = run(append_decode(model_of([1, 3, 2]), node_of(HALF, np.array([True, False]))), given)
    np.testing.assert_allclose(found["answer.actions"][..., 0], (given[..., 0] + 1) / 2 * 0.5 + 0.1, rtol=1e-5)
    np.testing.assert_array_equal(found["answer.actions"][..., 1], given[..., 1])


def test_logits_reach_the_plugin_with_the_action_ids():
    logits = np.zeros((1, 6, 20), np.float32)
    logits[0, range(6), [11, 12, 13, 10, 11, 12]] = 1
    node = node_of(decode="token_logits", first=10, values=VALUES)
    found = run(append_decode(model_of([1, 6, 20]), node), logits)
    numbers = VALUES[[1, 2, 3, 0, 1, 2]].reshape(1, 3, 2)
    np.testing.assert_allclose(found["answer.actions"], numbers * SCALES + OFFSETS, rtol=1e-6)


def test_the_node_names_the_plugin_and_its_fields():
    appended = append_decode(model_of([1, 3, 2]), node_of())
    node = appended.graph.node[-1]
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    assert (node.op_type, node.domain) == ("DecodeAction", "edgevla")
    assert (attributes["plugin_version"], attributes["plugin_namespace"]) == (b"1", b"edgevla")
    fields = {"decode", "horizon", "dims", "rule", "believed", "first", "scale", "offset"}
    assert attributes.keys() == fields | {"plugin_version", "plugin_namespace"}
    assert {imported.domain: imported.version for imported in appended.opset_import} == {"": 17, "edgevla": 1}


def test_the_model_that_was_given_is_left_as_it_was():
    model = model_of([1, 3, 2])
    before = model.SerializeToString()
    append_decode(model, node_of())
    assert model.SerializeToString() == before


def test_half_precision_may_be_decoded():
    assert len(append_decode(model_of([1, 3, 2], TensorProto.FLOAT16), node_of()).graph.output) == 3


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (model_of([1, 4, 2]), r"\[1, 4, 2\], not \(1, 3, 2 or more\)"),
        (model_of([1, 3, 1]), r"\[1, 3, 1\], not"),
        (model_of([2, 3, 2]), r"\[2, 3, 2\], not"),
        (model_of(["batch", 3, 2]), r"\[0, 3, 2\], not"),
        (model_of([3, 2]), r"\[3, 2\], not"),
        (model_of([1, 3, 2], TensorProto.INT32), "it is int32, not float32 or float16"),
        (append_decode(model_of([1, 3, 2]), node_of()), "decodes it already"),
    ],
    ids=["rows", "columns", "batch", "free", "axes", "type", "twice"],
)
def test_what_the_plugin_could_not_read_is_refused(model, words):
    with pytest.raises(GraphRefused, match=f"answer cannot be decoded on the device: .*{words}"):
        append_decode(model, node_of())


def test_logits_without_all_action_ids_are_refused():
    with pytest.raises(GraphRefused, match=r"not \(1, 6, 14 or more\)"):
        append_decode(model_of([1, 6, 13]), node_of(decode="token_logits", first=10, values=VALUES))


def test_an_output_that_the_graph_lacks_is_refused():
    model = model_of([1, 3, 2])
    model.graph.output[0].name = "given"
    with pytest.raises(GraphRefused, match="none of the graph's outputs, given"):
        append_decode(model, node_of())
