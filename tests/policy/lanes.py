"""Graphs that remember as `edgevla/engine/recurrent.py` says, for tests."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT


def save(path, nodes, inputs, outputs, constants):
    """Write a graph; `inputs` and `outputs` are shapes of float32 tensors by name."""
    graph = helper.make_graph(
        nodes,
        "lanes",
        [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def down_by_one(name):
    """Nodes that move the lanes of `name` down by one, zeros in at the top: `name`_down."""
    return [
        helper.make_node("Slice", [name, "one", "end", "one"], [f"{name}_kept"]),
        helper.make_node("Concat", [f"{name}_kept", "fresh"], [f"{name}_down"], axis=1),
    ]


def adding_graph(path, *, window, rows, size):
    """answer[0, row, d] = the sum over the window of state[0, d]; cell counts the observations."""
    nodes = [
        *down_by_one("hidden"),
        *down_by_one("cell"),
        helper.make_node("Add", ["hidden_down", "state"], ["hidden_next"]),
        helper.make_node("Add", ["cell_down", "unit"], ["cell_next"]),
        helper.make_node("Slice", ["hidden_next", "zero", "one", "one"], ["oldest"]),
        helper.make_node("Expand", ["oldest", "answer_shape"], ["answer"]),
    ]
    memory = {"hidden": (1, window, size), "cell": (1, window, size)}
    constants = {
        "one": np.array([1]),
        "zero": np.array([0]),
        "end": np.array([window]),
        "fresh": np.zeros((1, 1, size), np.float32),
        "unit": np.ones((1, 1, size), np.float32),
        "answer_shape": np.array([1, rows, size]),
    }
    outputs = {"answer": (1, rows, size), "hidden_next": (1, window, size), "cell_next": (1, window, size)}
    save(path, nodes, {"state": (1, size), **memory}, outputs, constants)


def lstm_graph(path, golden):
    """Upstream's weights as lanes: features (1, n) to answer (1, rows, arm + gripper)."""
    window, layers = (
        int(golden["window"]),
        1 + max(int(name[-1]) for name in golden if name.startswith("rnn_weight_ih")),
    )
    features, hidden = golden["features"].shape[1], golden["rnn_weight_hh_l0"].shape[1]
    rows, arm = golden["arm"].shape[1:]
    nodes = [
        *down_by_one("hidden"),
        *down_by_one("cell"),
        helper.make_node("Split", ["hidden_down"], [f"h_{n}" for n in range(layers)], axis=0),
        helper.make_node("Split", ["cell_down"], [f"c_{n}" for n in range(layers)], axis=0),
        helper.make_node("Expand", ["features", "lanes_shape"], ["x_0"]),
    ]
    constants = {
        "one": np.array([1]),
        "zero": np.array([0]),
        "end": np.array([window]),
        "fresh": np.zeros((layers, 1, hidden), np.float32),
        "lanes_shape": np.array([1, window, features]),
        "direction": np.array([1]),
        "arm_weight": golden["arm_weight"].T,
        "arm_bias": golden["arm_bias"],
        "gripper_weight": golden["gripper_weight"].T,
        "gripper_bias": golden["gripper_bias"],
        "arm_shape": np.array([1, rows, arm]),
        "gripper_shape": np.array([1, rows, 1]),
    }
    for n in range(layers):
        part = {name: golden[f"rnn_{name}_l{n}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
        gates = {name: _onnx_order(value) for name, value in part.items()}
        constants |= {
            f"w_{n}": gates["weight_ih"][None],
            f"r_{n}": gates["weight_hh"][None],
            f"b_{n}": np.concatenate([gates["bias_ih"], gates["bias_hh"]])[None],
        }
        taken, given = (
            [f"x_{n}", f"w_{n}", f"r_{n}", f"b_{n}", "", f"h_{n}", f"c_{n}"],
            [f"y_{n}", f"hn_{n}", f"cn_{n}"],
        )
        nodes.append(helper.make_node("LSTM", taken, given, hidden_size=hidden))
        nodes.append(helper.make_node("Squeeze", [f"y_{n}", "direction"], [f"x_{n + 1}"]))
    nodes += [
        helper.make_node("Concat", [f"hn_{n}" for n in range(layers)], ["hidden_next"], axis=0),
        helper.make_node("Concat", [f"cn_{n}" for n in range(layers)], ["cell_next"], axis=0),
        helper.make_node("Gather", [f"x_{layers}", "zero"], ["lane"], axis=1),
        helper.make_node("MatMul", ["lane", "arm_weight"], ["arm_a"]),
        helper.make_node("Add", ["arm_a", "arm_bias"], ["arm_b"]),
        helper.make_node("Tanh", ["arm_b"], ["arm_c"]),
        helper.make_node("Reshape", ["arm_c", "arm_shape"], ["arm"]),
        helper.make_node("MatMul", ["lane", "gripper_weight"], ["gripper_a"]),
        helper.make_node("Add", ["gripper_a", "gripper_bias"], ["gripper_b"]),
        helper.make_node("Reshape", ["gripper_b", "gripper_shape"], ["gripper"]),
        helper.make_node("Concat", ["arm", "gripper"], ["answer"], axis=2),
    ]
    memory = (layers, window, hidden)
    inputs = {"features": (1, features), "hidden": memory, "cell": memory}
    save(path, nodes, inputs, {"answer": (1, rows, arm + 1), "hidden_next": memory, "cell_next": memory}, constants)


def _onnx_order(gates):
    """PyTorch's input, forget, cell, output to ONNX's input, output, forget, cell."""
    first, forget, cell, output = np.split(gates, 4)
    return np.concatenate([first, output, forget, cell])
