"""Every rule against a graph that breaks it and nothing else, and against graphs that break none."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from edgevla.bundle import load_manifest
from edgevla.quantize.lint.run import RULES, lint, lint_bundle
from edgevla.shipped import shipped
from tests.quantize.graphs import attention, node, save

RNG = np.random.default_rng(0)
WEIGHTS = RNG.integers(-127, 128, (8, 4)).astype(np.int8)
GOOD = {
    "w": WEIGHTS,
    "w.scale": np.full(4, 0.01, np.float32),
    "w.zero": np.zeros(4, np.int8),
    "scale": np.float32(0.02),
    "zero": np.int8(0),
    "bias": np.zeros(4, np.float32),
}
IN, OUT = {"x": (1, 8)}, {"y": (1, 4)}


def layer(x="x", y="y", kind="MatMul", inputs="x.dq w.dq"):
    """Q/DQ on what goes into one layer."""
    return [
        node("QuantizeLinear", f"{x} scale zero", "x.q"),
        node("DequantizeLinear", "x.q scale zero", "x.dq"),
        node("DequantizeLinear", "w w.scale w.zero", "w.dq", axis=1),
        node(kind, inputs, y, name="layer"),
    ]


def found(path):
    return {(each.rule, each.node) for each in lint(path)}


def check(tmp_path, nodes, constants=None, *, inputs=IN, outputs=OUT, **kwargs):
    return found(save(tmp_path / "graph.onnx", nodes, inputs, outputs, GOOD | (constants or {}), **kwargs))


def test_a_layer_with_qdq_on_its_inputs_is_good(tmp_path):
    assert check(tmp_path, layer()) == set()


def test_a_float_graph_is_good(tmp_path):
    assert check(tmp_path, [node("MatMul", "x w", "y")], {"w": WEIGHTS.astype(np.float32)}) == set()


def test_uint8_activations(tmp_path):
    assert ("int8-only", "x.q") in check(tmp_path, layer(), {"zero": np.uint8(0)})


def test_a_quantizer_without_zero_point_is_uint8(tmp_path):
    nodes = layer()
    del nodes[0].input[2], nodes[1].input[2]
    assert ("int8-only", "x.q") in check(tmp_path, nodes)


def test_uint8_weights(tmp_path):
    constants = {"w": WEIGHTS.view(np.uint8), "w.zero": np.zeros(4, np.uint8)}
    assert check(tmp_path, layer(), constants) == {("int8-only", "w.dq")}


def test_a_zero_point_that_is_not_zero(tmp_path):
    assert check(tmp_path, layer(), {"zero": np.int8(3)}) == {("zero-point-0", "x.q"), ("zero-point-0", "x.dq")}
    assert check(tmp_path, layer(), {"w.zero": np.array([0, 0, 5, 0], np.int8)}) == {("zero-point-0", "w.dq")}


@pytest.mark.parametrize("scale", [0.0, -0.1, np.nan, np.inf])
def test_a_scale_that_is_no_step(tmp_path, scale):
    assert ("positive-scale", "x.q") in check(tmp_path, layer(), {"scale": np.float32(scale)})


def test_a_quantised_bias(tmp_path):
    nodes = [
        *layer(kind="Gemm", inputs="x.dq w.dq b.dq")[:3],
        node("DequantizeLinear", "b w.scale b.zero", "b.dq", axis=0),
        node("Gemm", "x.dq w.dq b.dq", "y", name="layer"),
    ]
    constants = {"b": np.zeros(4, np.int32), "b.zero": np.zeros(4, np.int32)}
    assert check(tmp_path, nodes, constants) == {("float-bias", "layer")}


def test_qdq_behind_the_operator(tmp_path):
    nodes = [
        *layer(y="a"),
        node("QuantizeLinear", "a scale zero", "a.q"),
        node("DequantizeLinear", "a.q scale zero", "a.dq"),
        node("Add", "a.dq bias", "y", name="residual"),
    ]
    assert check(tmp_path, nodes) == {("inputs-only", "a.dq")}


def test_qdq_behind_the_operator_and_a_change_of_shape(tmp_path):
    nodes = [
        *layer(y="a"),
        node("QuantizeLinear", "a scale zero", "a.q"),
        node("DequantizeLinear", "a.q scale zero", "a.dq"),
        node("Reshape", "a.dq shape", "b"),
        node("Add", "b bias", "y", name="residual"),
    ]
    assert check(tmp_path, nodes, {"shape": np.array([1, 4])}) == {("inputs-only", "a.dq")}


def test_qdq_behind_the_operator_at_the_end_of_the_graph(tmp_path):
    nodes = [
        *layer(y="a"),
        node("QuantizeLinear", "a scale zero", "a.q"),
        node("DequantizeLinear", "a.q scale zero", "y"),
    ]
    assert check(tmp_path, nodes) == {("inputs-only", "y")}


def test_qdq_behind_an_operator_is_good_when_the_next_one_is_int8_too(tmp_path):
    nodes = [
        *layer(y="a"),
        node("Reshape", "a shape", "b"),
        node("QuantizeLinear", "b scale zero", "b.q"),
        node("DequantizeLinear", "b.q scale zero", "b.dq"),
        node("Transpose", "b.dq", "c", perm=[1, 0]),
        node("DequantizeLinear", "v w.scale w.zero", "v.dq", axis=1),
        node("MatMul", "c v.dq", "y", name="second"),
    ]
    constants = {"shape": np.array([1, 4]), "v": np.ones((1, 4), np.int8)}
    assert check(tmp_path, nodes, constants, outputs={"y": (4, 4)}) == set()


@pytest.mark.parametrize("kind", ["Softmax", "Erf", "Tanh"])
def test_a_quantised_nonlinearity(tmp_path, kind):
    nodes = [
        *layer(y="a"),
        node("QuantizeLinear", "a scale zero", "a.q"),
        node("DequantizeLinear", "a.q scale zero", "a.dq"),
        node(kind, "a.dq", "y", name="bent"),
    ]
    assert check(tmp_path, nodes) == {("float-nonlinear", "bent")}


def test_a_quantised_layer_norm(tmp_path):
    nodes = [
        node("QuantizeLinear", "x scale zero", "x.q"),
        node("DequantizeLinear", "x.q scale zero", "x.dq"),
        node("LayerNormalization", "x.dq gain", "y", name="norm"),
    ]
    assert check(tmp_path, nodes, {"gain": np.ones(8, np.float32)}, outputs={"y": (1, 8)}) == {
        ("float-nonlinear", "norm")
    }


def test_a_scale_for_each_channel_of_an_activation(tmp_path):
    constants = {"scale": np.full(8, 0.02, np.float32), "zero": np.zeros(8, np.int8)}
    nodes = layer()
    assert ("scalar-activation-scale", "x.q") in check(tmp_path, nodes, constants)


def test_weights_with_a_scale_for_each_input_channel(tmp_path):
    constants = {"w.scale": np.full(8, 0.01, np.float32), "w.zero": np.zeros(8, np.int8)}
    nodes = layer()
    nodes[2].attribute[0].i = 0
    assert check(tmp_path, nodes, constants) == {("weight-axis", "layer")}


def test_a_quantised_constant_that_does_not_stand_before_a_dq(tmp_path):
    nodes = [node("Transpose", "wt", "w", perm=[1, 0], name="turn"), *layer()]
    path = tmp_path / "graph.onnx"
    save(path, nodes, IN, OUT, {key: each for key, each in GOOD.items() if key != "w"} | {"wt": WEIGHTS.T.copy()})
    assert ("constant-before-dq", "wt") in found(path)


def test_one_operand_quantised_and_the_other_not(tmp_path):
    nodes = [*layer()[:2], node("MatMul", "x.dq f", "y", name="layer")]
    assert check(tmp_path, nodes, {"f": WEIGHTS.astype(np.float32)}) == {("both-operands", "layer")}


def test_weights_alone_in_int8_are_good(tmp_path):
    assert check(tmp_path, [layer()[2], node("MatMul", "x w.dq", "y", name="layer")]) == set()


def quantised(path, *tensors, scale=0.004):
    """Put Q/DQ on some inputs of MatMuls."""
    model = onnx.load(path)
    model.graph.initializer.extend(
        [numpy_helper.from_array(np.float32(scale), "s"), numpy_helper.from_array(np.int8(0), "z")]
    )
    place = {each.output[0]: index for index, each in enumerate(model.graph.node)}
    for name in tensors:
        for each in model.graph.node:
            if each.op_type == "MatMul":
                each.input[:] = [f"{name}.dq" if given == name else given for given in each.input]
        at = next(index for index, each in enumerate(model.graph.node) if each.output[0] == name) + 1
        model.graph.node.insert(
            at, helper.make_node("QuantizeLinear", [name, "s", "z"], [f"{name}.q"], name=f"{name}.q")
        )
        dequantise = helper.make_node("DequantizeLinear", [f"{name}.q", "s", "z"], [f"{name}.dq"], name=f"{name}.dq")
        model.graph.node.insert(at + 1, dequantise)
    assert place
    onnx.save(model, path)
    return path


def test_a_whole_attention_in_int8_is_good(tmp_path):
    assert found(quantised(attention(tmp_path / "a.onnx", RNG), "q", "kT", "p", "v")) == set()


@pytest.mark.parametrize("tensors", [("q", "kT"), ("p", "v")])
def test_half_an_attention(tmp_path, tensors):
    assert found(quantised(attention(tmp_path / "a.onnx", RNG), *tensors)) == {("attention-pair", "p")}


@pytest.mark.parametrize("steps", [127, 128, 255])
def test_a_softmax_scale_that_nobody_calibrated(tmp_path, steps):
    path = quantised(attention(tmp_path / "a.onnx", RNG), "q", "kT", "p", "v", scale=1 / steps)
    assert found(path) == {("softmax-scale", "p.q")}


def test_free_dimensions(tmp_path):
    assert check(tmp_path, layer(), inputs={"x": ("batch", 8)}, outputs={"y": ("batch", 4)}) == {("static-shapes", "x")}


@pytest.mark.parametrize("opset", [12, 21])
def test_an_opset_that_some_jetson_does_not_read(tmp_path, opset):
    assert ("opset", "graph.onnx") in check(tmp_path, [node("Relu", "x", "y")], outputs={"y": (1, 8)}, opset=opset)


def test_onnxruntimes_own_operators(tmp_path):
    nodes = [helper.make_node("QuickGelu", ["x"], ["y"], name="gelu", domain="com.microsoft")]
    assert check(tmp_path, nodes, outputs={"y": (1, 8)}, domains=["com.microsoft"]) == {("standard-operators", "gelu")}


def test_the_operator_format(tmp_path):
    nodes = [node("MatMulInteger", "a b", "y", name="int")]
    constants = {"a": np.ones((1, 8), np.int8), "b": WEIGHTS}
    assert ("explicit-qdq", "int") in check(tmp_path, nodes, constants)


def test_weights_that_are_not_there(tmp_path):
    path = save(tmp_path / "g.onnx", [node("MatMul", "x w", "y")], IN, OUT, {"w": np.ones((8, 4), np.float32)})
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    assert found(path) == set()
    whole = (tmp_path / "w.bin").read_bytes()
    (tmp_path / "w.bin").write_bytes(whole[:-1])
    assert found(path) == {("external-data", "w")}
    (tmp_path / "w.bin").unlink()
    assert found(path) == {("external-data", "w")}


def test_a_finding_says_where_what_why_and_what_to_do(tmp_path):
    save(tmp_path / "g.onnx", layer(), IN, OUT, GOOD | {"w.zero": np.array([0, 0, 5, 0], np.int8)})
    (finding,) = lint(tmp_path / "g.onnx")
    assert str(finding) == (
        "w.dq: has the zero-point 5 (zero-point-0): TensorRT takes symmetric quantisation only - quantise symmetrically"
    )


def test_the_names_of_the_rules_differ():
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_onnxruntimes_default_quantisation_breaks_what_tensorrt_refuses(tmp_path, rng):
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self):
            self._runs = iter([{"x": rng.normal(size=(1, 4, 8)).astype(np.float32)} for _ in range(4)])

        def get_next(self):
            return next(self._runs, None)

    attention(tmp_path / "a.onnx", rng)
    quantize_static(str(tmp_path / "a.onnx"), str(tmp_path / "q.onnx"), Reader(), activation_type=QuantType.QUInt8)
    assert {rule for rule, _ in found(tmp_path / "q.onnx")} >= {"int8-only", "inputs-only", "float-nonlinear"}


def test_the_shipped_bundle_passes():
    results = lint_bundle(load_manifest(shipped("so101-tabletop")))
    assert set(results) == {"policy.onnx", "policy.int8.onnx"}
    assert not any(results.values())
