from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper


@pytest.fixture
def graph(tmp_path):
    """Write a graph: actions[0, h, d] = state[0, d] * (h + 1) + table[words[0, 0]], with a table of `rows`."""

    def write(*, batch=1, output="actions", horizon=3, rows=3):
        ramp = np.arange(1, horizon + 1, dtype=np.float32).reshape(1, horizon, 1)
        table = np.arange(rows, dtype=np.float32) * 10
        nodes = [
            helper.make_node("Mul", ["state", "ramp"], ["scaled"]),
            helper.make_node("Slice", ["words", "from", "to"], ["first"]),
            helper.make_node("Gather", ["table", "first"], ["offset"]),
            helper.make_node("Add", ["scaled", "offset"], [output]),
        ]
        model = helper.make_graph(
            nodes,
            "tiny",
            [
                helper.make_tensor_value_info("state", TensorProto.FLOAT, [batch, 1, 2]),
                helper.make_tensor_value_info("words", TensorProto.INT64, [1, 4]),
            ],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, [batch, horizon, 2])],
            [
                numpy_helper.from_array(ramp, "ramp"),
                numpy_helper.from_array(table, "table"),
                numpy_helper.from_array(np.array([0, 0]), "from"),
                numpy_helper.from_array(np.array([1, 1]), "to"),
            ],
        )
        path = tmp_path / "graph.onnx"
        onnx.save(helper.make_model(model, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
        return path

    return write
