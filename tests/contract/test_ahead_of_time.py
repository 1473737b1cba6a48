"""Our build, over a real parser and a real builder: TensorRT-RTX compiles ahead of time on a CPU.

It is a lint: it knows no sm_87 and no plugins, and says nothing about speed.
"""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgevla.bundle import load_manifest
from edgevla.shipped import shipped


def mlp(path, *, dtype=TensorProto.INT8, zero_point=0, bias=False):
    """x (1, 64) -> Q/DQ -> MatMul with an int8 weight (64, 64), a scale a column -> Relu, or plus an int32 bias."""
    rng = np.random.default_rng(7)
    kind = helper.tensor_dtype_to_np_dtype(dtype)
    constants = {
        "scale": np.float32(0.02),
        "zero": np.array(zero_point, kind),
        "weight": rng.integers(-127, 128, (64, 64)).astype(np.int8),
        "scales": np.full(64, 0.01, np.float32),
        "zeros": np.zeros(64, np.int8),
        "bias": np.zeros(64, np.int32),
        "bias_scales": np.full(64, 2e-4, np.float32),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["dq"]),
        helper.make_node("DequantizeLinear", ["weight", "scales", "zeros"], ["w"], axis=1),
        helper.make_node("MatMul", ["dq", "w"], ["product"]),
        helper.make_node("Relu", ["product"], ["y"]),
    ]
    if bias:
        nodes[-1:] = [
            helper.make_node("DequantizeLinear", ["bias", "bias_scales"], ["b"], axis=0),
            helper.make_node("Add", ["product", "b"], ["y"]),
        ]
    inputs = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "mlp",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 64])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items() if name in inputs],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture(scope="module")
def outcome(tmp_path_factory, wheels, in_subprocess):
    """All builds in one process: importing the library takes longer than building."""
    folder = tmp_path_factory.mktemp("plans")
    bundle = load_manifest(shipped("so101-tabletop"))
    variants = [name for name in ("fp32", "int8") if name in bundle.manifest.graphs]
    graphs = [bundle.graph(name) for name in variants]
    graphs.append(mlp(folder / "symmetric.onnx"))
    graphs.append(mlp(folder / "uint8.onnx", dtype=TensorProto.UINT8, zero_point=128))
    graphs.append(mlp(folder / "shifted.onnx", zero_point=3))
    graphs.append(mlp(folder / "bias.onnx", bias=True))
    graphs.append(folder / "corrupt.onnx")
    graphs[-1].write_bytes(graphs[0].read_bytes()[:5000])
    return in_subprocess("ahead_of_time.py", folder, *graphs, wheels=wheels("tensorrt-rtx")), folder


@pytest.mark.parametrize("variant", ["fp32", "int8"])
def test_the_shipped_graph_is_built(outcome, variant):
    graphs = load_manifest(shipped("so101-tabletop")).manifest.graphs
    if variant not in graphs:
        pytest.skip(f"the shipped bundle has no {variant}")
    assert outcome[0]["builds"][graphs[variant]]["bytes"] > 100_000


def test_a_symmetric_int8_graph_is_built_and_its_timings_are_kept(outcome):
    built, folder = outcome
    assert built["builds"]["symmetric.onnx"]["bytes"] > 0
    assert (folder / "timing.bin").stat().st_size > 0


@pytest.mark.parametrize(
    ("graph", "why"),
    [
        ("uint8.onnx", "(QuantizeLinear)"),
        ("shifted.onnx", "zero"),
        ("bias.onnx", "Int32"),
        ("corrupt.onnx", "corrupt.onnx"),
    ],
)
def test_what_tensorrt_does_not_take_is_refused_with_the_reason_and_leaves_nothing(outcome, graph, why):
    refused = outcome[0]["builds"][graph]
    assert refused["kind"] == "GraphRefused"
    assert why in refused["refused"]
    assert "\n" not in refused["refused"]
    assert not refused["left"]


def test_a_plan_that_cannot_be_loaded_is_one_line_with_the_words_of_tensorrt(outcome):
    """There is no driver here, so the real runtime refuses; what it says reaches the user through our logger."""
    said = outcome[0]["load"]
    if said == "loaded":
        pytest.skip("this machine has a GPU")
    assert "does not take it: " in said
    assert "CUDA driver" in said
    assert "\n" not in said
