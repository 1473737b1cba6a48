"""An ONNX graph's work, from shapes alone."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgevla.plan.errors import PlanRefused
from edgevla.plan.graph import read_work


def save(path, nodes, inputs, outputs, weights=(), **options):
    def values(table):
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in table.items()]

    constants = [numpy_helper.from_array(array, name) for name, array in dict(weights).items()]
    graph = helper.make_graph(nodes, "g", values(inputs), values(outputs), constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("edgevla", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path, **options)
    return path


def mlp(path, **options):
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], name="/arm/MatMul"),
        helper.make_node("Softmax", ["h"], ["p"], name="/arm/Softmax"),
        helper.make_node("Gemm", ["p", "v"], ["y"], name="/hand/Gemm", transB=1),
    ]
    weights = {"w": np.ones((64, 128), np.float32), "v": np.ones((32, 128), np.float32)}
    return save(path, nodes, {"x": [5, 64]}, {"y": [5, 32]}, weights, **options)


def test_products_count_their_multiplications_weights_and_numbers_moved(tmp_path):
    product, softmax, gemm = read_work(mlp(tmp_path / "mlp.onnx"))
    assert (product.macs, product.weights, product.activations) == (5 * 64 * 128, 64 * 128, 5 * 64 + 5 * 128)
    assert (softmax.macs, softmax.weights, softmax.activations) == (0, 0, 2 * 5 * 128)
    assert (gemm.macs, gemm.weights) == (5 * 128 * 32, 32 * 128)
    assert [each.quantised for each in (product, softmax, gemm)] == [True, False, True]


def test_a_product_may_take_its_input_transposed(tmp_path):
    nodes = [helper.make_node("Gemm", ["x", "w"], ["y"], transA=1)]
    path = save(tmp_path / "t.onnx", nodes, {"x": [8, 3]}, {"y": [3, 5]}, {"w": np.ones((8, 5), np.float32)})
    (product,) = read_work(path)
    assert product.macs == 3 * 8 * 5


def test_components_are_the_first_part_of_the_nodes_names_or_what_the_caller_says(tmp_path):
    path = mlp(tmp_path / "mlp.onnx")
    assert [each.component for each in read_work(path)] == ["arm", "arm", "hand"]
    again = read_work(path, component="step", passes=10)
    assert {(each.component, each.passes) for each in again} == {("step", 10)}


def test_weights_beside_the_graph_are_not_even_opened(tmp_path):
    inline = read_work(mlp(tmp_path / "inline.onnx"))
    options = {"save_as_external_data": True, "location": "weights.bin", "size_threshold": 0}
    path = mlp(tmp_path / "external.onnx", **options)
    (tmp_path / "weights.bin").unlink()
    assert read_work(path) == inline


def test_constants_beside_the_graph_may_be_added_large_ones_and_small_ones(tmp_path):
    nodes = [
        helper.make_node("Add", ["x", "places"], ["h"]),
        helper.make_node("Add", ["h", "bias"], ["k"]),
        helper.make_node("Reshape", ["k", "shape"], ["f"]),
        helper.make_node("MatMul", ["f", "w"], ["y"]),
    ]
    weights = {
        "places": np.ones((64, 64), np.float32),
        "bias": np.ones(64, np.float32),
        "shape": np.array([32, 128]),
        "w": np.ones((128, 8), np.float32),
    }
    options = {"save_as_external_data": True, "location": "weights.bin", "size_threshold": 0}
    (product, table) = read_work(
        save(tmp_path / "add.onnx", nodes, {"x": [64, 64]}, {"y": [32, 8]}, weights, **options)
    )
    assert product.macs == 32 * 128 * 8
    assert table.weights == 64 * 64 + 64 + 2


def test_a_convolution_and_a_product_of_two_inputs(tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["h"], strides=[2, 2], group=2),
        helper.make_node("Transpose", ["h"], ["t"], perm=[0, 1, 3, 2]),
        helper.make_node("MatMul", ["h", "t"], ["y"]),
    ]
    weights = {"w": np.ones((6, 2, 3, 3), np.float32)}
    path = save(tmp_path / "conv.onnx", nodes, {"x": [1, 4, 9, 9]}, {"y": [1, 6, 4, 4]}, weights)
    convolution, product = read_work(path)
    assert (convolution.macs, convolution.quantised) == (6 * 4 * 4 * 2 * 3 * 3, True)
    assert (product.macs, product.weights, product.quantised) == (6 * 4 * 4 * 4, 0, False)


def test_a_table_that_is_looked_up_takes_memory_only(tmp_path):
    nodes = [helper.make_node("Gather", ["table", "x"], ["y"]), helper.make_node("Softmax", ["y"], ["z"])]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.INT64, [3])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [3, 16])],
        [numpy_helper.from_array(np.ones((1000, 16), np.float32), "table")],
    )
    path = tmp_path / "table.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    _, table = read_work(path)
    assert (table.component, table.weights, table.passes) == ("tables", 16000, 0)


def test_in_a_quantised_graph_int8_is_what_stands_behind_dequantisation(tmp_path):
    scale, zero = np.array(0.1, np.float32), np.array(0, np.int8)
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
        helper.make_node("DequantizeLinear", ["w", "s", "z"], ["wd"]),
        helper.make_node("MatMul", ["xd", "wd"], ["h"]),
        helper.make_node("MatMul", ["h", "v"], ["y"]),
    ]
    weights = {"s": scale, "z": zero, "w": np.ones((8, 8), np.int8), "v": np.ones((8, 8), np.float32)}
    inside, outside = read_work(save(tmp_path / "q.onnx", nodes, {"x": [2, 8]}, {"y": [2, 8]}, weights))
    assert (inside.quantised, inside.weights) == (True, 64)
    assert (outside.quantised, outside.weights) == (False, 64)


def test_sizes_that_are_computed_from_constants_are_followed(tmp_path):
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "one"], ["width"]),
        helper.make_node("Div", ["width", "two"], ["half"]),
        helper.make_node("Unsqueeze", ["half", "zero"], ["end"]),
        helper.make_node("Slice", ["x", "zero", "end", "axis"], ["left"]),
        helper.make_node("MatMul", ["left", "w"], ["y"]),
    ]
    weights = {"one": np.array(1), "two": np.array(2), "zero": np.array([0]), "axis": np.array([1])}
    path = save(tmp_path / "s.onnx", nodes, {"x": [3, 8]}, {"y": [3, 5]}, {**weights, "w": np.ones((4, 5), np.float32)})
    (product,) = read_work(path)
    assert product.macs == 3 * 4 * 5


def test_an_operator_of_a_plugin_is_passed_over(tmp_path):
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("DecodeActions", ["h"], ["y"], domain="edgevla"),
    ]
    path = save(tmp_path / "p.onnx", nodes, {"x": [3, 8]}, {"y": [3, 5]}, {"w": np.ones((8, 5), np.float32)})
    (product,) = read_work(path)
    assert product.macs == 3 * 8 * 5


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_bytes(b"no graph"), "is not an ONNX graph"),
        (lambda path: path.write_bytes(b""), "it has no nodes"),
        (lambda path: None, "cannot be read"),
        (
            lambda path: save(path, [helper.make_node("Softmax", ["x"], ["y"])], {"x": [1, "n"]}, {"y": [1, "n"]}),
            "the tensor x has no static shape",
        ),
    ],
)
def test_what_cannot_be_reckoned_is_refused_by_name(tmp_path, make, words):
    path = tmp_path / "broken.onnx"
    make(path)
    with pytest.raises(PlanRefused, match=r"broken\.onnx") as refusal:
        read_work(path)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_loop_is_refused_because_its_length_is_unknown(tmp_path):
    body = helper.make_graph(
        [helper.make_node("Identity", ["cond"], ["again"]), helper.make_node("Identity", ["a"], ["b"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("cond", TensorProto.BOOL, []),
            helper.make_tensor_value_info("a", TensorProto.FLOAT, [2]),
        ],
        [
            helper.make_tensor_value_info("again", TensorProto.BOOL, []),
            helper.make_tensor_value_info("b", TensorProto.FLOAT, [2]),
        ],
    )
    nodes = [helper.make_node("Loop", ["n", "", "x"], ["y"], name="/steps/Loop", body=body)]
    path = save(tmp_path / "loop.onnx", nodes, {"x": [2]}, {"y": [2]}, {"n": np.array(10)})
    with pytest.raises(PlanRefused, match=r"/steps/Loop is a Loop.*step of a loop as a graph of its own"):
        read_work(path)


def test_shapes_that_cannot_be_inferred_are_one_line_and_leave_no_file(tmp_path, monkeypatch):
    nodes = [helper.make_node("Unknown", ["x"], ["y"])]
    path = save(tmp_path / "odd.onnx", nodes, {"x": [2, 2]}, {"y": [2, 2]})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PlanRefused, match=r"odd\.onnx: the shapes of its tensors cannot be inferred"):
        read_work(path)
    assert [each.name for each in tmp_path.iterdir()] == ["odd.onnx"]


def test_an_opset_without_shapes_is_one_line(tmp_path):
    path = mlp(tmp_path / "old.onnx")
    model = onnx.load(path)
    model.opset_import[0].version = 6
    onnx.save(model, path)
    with pytest.raises(PlanRefused, match="its opset is too old"):
        read_work(path)
