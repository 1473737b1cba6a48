"""The graph of a network that turns joints round and round, and goes wrong on command.

Round and round without a clock: joints are taken in pairs, and the plan turns each pair's measured displacement from
the centre about the centre, at a radius of one amplitude. The command is the second word of the sentence.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgevla.engine.ort import OrtEngine

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

MOTION = "swing"
TROUBLES = ("nan", "inf", "far", "beyond", "away", "jumps", "noise", "still", "shape", "fail", "late", "slow")
WORDS = ("<pad>", MOTION, *TROUBLES)
PICTURE_PX = 96
TOKENS = 4
HORIZON = 12
RATE_HZ = 10.0

_TURN_RAD_S = 6.5
_AWAY = 3.0  # amplitudes: 30 to 60 deg from the swing, too far for a joint that does not follow, not for one that does
_WIDE = 3.0
_BUSY_S = {"late": 0.06, "slow": 0.40}
_BUSY_EDGE = 192  # of the matrices that keep it busy


def write_graph(joints: int, path: Path) -> None:
    """Write the graph, with busy loops as long as this machine needs for the delays that they stand for.

    Inputs `picture` (1, 3, PICTURE_PX, PICTURE_PX), `state` (1, joints) in amplitudes from the centre, `tokens`
    (1, TOKENS); output `plan` (1, HORIZON, joints), absolute, in the same unit as `state`.
    """
    rounds_s = _seconds_a_round(joints, path)
    onnx.save(_graph(joints, {word: round(span_s / rounds_s) for word, span_s in _BUSY_S.items()}), path)


def _pairs(joints: int) -> Sequence[tuple[int, int]]:
    """Joints that turn together: the base with the last but one, the last with the third last."""
    return (0, joints - 2), (joints - 3, joints - 1)


def _turning(joints: int) -> NDArray[np.float32]:
    """(joints, horizon * joints): a displacement to the plan that turns it."""
    turning: NDArray[np.float32] = np.zeros((joints, HORIZON, joints), np.float32)
    for row in range(HORIZON):
        angle_rad = _TURN_RAD_S * row / RATE_HZ
        for one, other in _pairs(joints):
            turning[one, row, one] = turning[other, row, other] = math.cos(angle_rad)
            turning[one, row, other] = math.sin(angle_rad)
            turning[other, row, one] = -math.sin(angle_rad)
    return turning.reshape(joints, -1)


def _pairing(joints: int) -> NDArray[np.float32]:
    """(joints, joints): squares to the sum of squares of each joint's pair."""
    pairing: NDArray[np.float32] = np.zeros((joints, joints), np.float32)
    for pair in _pairs(joints):
        for one in pair:
            for other in pair:
                pairing[one, other] = 1.0
    return pairing


def _seconds_a_round(joints: int, path: Path) -> float:
    """How long this machine works on one round of the busy loop."""
    rounds = 200
    onnx.save(_graph(joints, dict.fromkeys(_BUSY_S, rounds)), path)
    engine = OrtEngine(path)
    tokens = np.zeros((1, TOKENS), np.int64)
    inputs: dict[str, NDArray[Any]] = {
        "picture": np.zeros((1, 3, PICTURE_PX, PICTURE_PX), np.float32),
        "state": np.zeros((1, joints), np.float32),
        "tokens": tokens,
    }
    spans_s = []
    for word in ("<pad>", "slow", "slow", "slow"):
        tokens[0, :2] = (WORDS.index(MOTION), WORDS.index(word))
        began_s = time.perf_counter()
        engine.run(inputs)
        spans_s.append(time.perf_counter() - began_s)
    engine.close()
    return min(spans_s[1:]) / rounds


def _graph(joints: int, rounds: dict[str, int]) -> Any:  # noqa: ANN401 - onnx ships no types
    shape = (1, HORIZON, joints)
    away: NDArray[np.float32] = np.zeros(shape, np.float32)
    away[..., 0] = away[..., joints - 2] = _AWAY
    jumps: NDArray[np.float32] = np.where(np.arange(HORIZON) % 2, _WIDE, -_WIDE).astype(np.float32)
    answers: dict[str, NDArray[np.float32]] = {
        "nan": np.full(shape, np.nan, np.float32),
        "inf": np.full(shape, np.inf, np.float32),
        "far": np.full(shape, 1e3, np.float32),
        "beyond": np.full(shape, 15.0, np.float32),
        "away": away,
        "jumps": np.broadcast_to(jumps[None, :, None], shape).copy(),
        "still": np.zeros(shape, np.float32),
    }
    numbers: dict[str, NDArray[Any]] = {
        "turning": _turning(joints),
        "pairing": _pairing(joints),
        "least": np.array(0.0025, np.float32),
        "shape": np.array(shape, np.int64),
        "short": np.array((1, 2, HORIZON * joints // 2), np.int64),
        "second": np.array(1, np.int64),
        "push": np.array(1e-3, np.float32),  # what stands right in the centre would stay there
        "zero": np.array(0.0, np.float32),
        "loud": np.array(1e5, np.float32),
        "phases": np.linspace(0.0, 9.0, HORIZON, dtype=np.float32).reshape(1, HORIZON, 1),
        "wide": np.array(_WIDE, np.float32),
        "many": np.array(_BUSY_EDGE, np.int64),
        "matrix": np.eye(_BUSY_EDGE, dtype=np.float32),
        "yes": np.array(True),
        **{f"answer/{word}": value for word, value in answers.items()},
        **{f"word/{word}": np.array(index, np.int64) for index, word in enumerate(WORDS)},
        **{f"rounds/{word}": np.array(count, np.int64) for word, count in rounds.items()},
    }
    node = helper.make_node
    nodes = [
        node("Squeeze", ["tokens"], ["words"]),
        node("Gather", ["words", "second"], ["trouble"]),
        # The swing.
        node("Add", ["state", "push"], ["displaced"]),
        node("Mul", ["displaced", "displaced"], ["squares"]),
        node("MatMul", ["squares", "pairing"], ["radius2"]),
        node("Max", ["radius2", "least"], ["radius2/min"]),
        node("Sqrt", ["radius2/min"], ["radius"]),
        node("Div", ["displaced", "radius"], ["direction"]),
        node("MatMul", ["direction", "turning"], ["turned"]),
        node("Reshape", ["turned", "shape"], ["swing"]),
        # The picture has a say, so that it has to be there.
        node("ReduceMean", ["picture"], ["brightness"], keepdims=0),
        node("Mul", ["brightness", "zero"], ["silence"]),
        node("Add", ["swing", "silence"], ["healthy"]),
        # Noise that no two states share.
        node("Mul", ["state", "loud"], ["shouted"]),
        node("Add", ["shouted", "phases"], ["spread"]),
        node("Sin", ["spread"], ["wild"]),
        node("Mul", ["wild", "wide"], ["answer/noise"]),
    ]
    answer = "healthy"
    for word in (*answers, "noise"):
        nodes.append(node("Equal", ["trouble", f"word/{word}"], [f"is/{word}"]))
        nodes.append(node("Where", [f"is/{word}", f"answer/{word}", answer], [f"or/{word}"]))
        answer = f"or/{word}"
    nodes += [node("Equal", ["trouble", f"word/{word}"], [f"is/{word}"]) for word in ("late", "slow", "fail", "shape")]
    nodes += [
        node("Or", ["is/late", "is/slow"], ["busy"]),
        node("Where", ["is/slow", "rounds/slow", "rounds/late"], ["rounds"]),
        node("If", ["busy"], ["effort"], then_branch=_work(), else_branch=_branch("rest", "Identity", ["zero"], ())),
        node(
            "If",
            ["is/fail"],
            ["failure"],
            then_branch=_failing(),
            else_branch=_branch("works", "Identity", ["zero"], ()),
        ),
        node("Add", ["effort", "failure"], ["nothing"]),
        node("Add", [answer, "nothing"], ["answer"]),
        node(
            "If",
            ["is/shape"],
            ["plan"],
            then_branch=_branch("misshapen", "Reshape", ["answer", "short"], None),
            else_branch=_branch("shaped", "Reshape", ["answer", "shape"], None),
        ),
    ]
    inputs = [
        helper.make_tensor_value_info("picture", TensorProto.FLOAT, (1, 3, PICTURE_PX, PICTURE_PX)),
        helper.make_tensor_value_info("state", TensorProto.FLOAT, (1, joints)),
        helper.make_tensor_value_info("tokens", TensorProto.INT64, (1, TOKENS)),
    ]
    outputs = [helper.make_tensor_value_info("plan", TensorProto.FLOAT, shape)]
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in numbers.items()]
    graph = helper.make_graph(nodes, "trouble", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _branch(name: str, kind: str, inputs: Sequence[str], shape: Sequence[int] | None) -> Any:  # noqa: ANN401
    output = helper.make_tensor_value_info(f"{name}/out", TensorProto.FLOAT, shape)
    return helper.make_graph([helper.make_node(kind, list(inputs), [f"{name}/out"])], name, [], [output])


def _failing() -> Any:  # noqa: ANN401
    """Looks up a row that is not there; nobody can know before it runs."""
    node = helper.make_node
    nodes = [
        node("Add", ["trouble", "many"], ["fails/row"]),
        node("Gather", ["matrix", "fails/row"], ["fails/found"]),
        node("ReduceMean", ["fails/found"], ["fails/out"], keepdims=0),
    ]
    return helper.make_graph(nodes, "fails", [], [helper.make_tensor_value_info("fails/out", TensorProto.FLOAT, ())])


def _work() -> Any:  # noqa: ANN401
    """Multiplies matrices, `rounds` times, and adds 0."""
    node = helper.make_node
    square = (_BUSY_EDGE, _BUSY_EDGE)
    body = helper.make_graph(
        [node("Identity", ["go"], ["go_on"]), node("MatMul", ["before", "matrix"], ["after"])],
        "round",
        [
            helper.make_tensor_value_info("index", TensorProto.INT64, ()),
            helper.make_tensor_value_info("go", TensorProto.BOOL, ()),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, square),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, ()),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, square),
        ],
    )
    nodes = [
        node("Loop", ["rounds", "yes", "matrix"], ["work/done"], body=body),
        node("ReduceMean", ["work/done"], ["work/mean"], keepdims=0),
        node("Mul", ["work/mean", "zero"], ["work/out"]),
    ]
    return helper.make_graph(nodes, "work", [], [helper.make_tensor_value_info("work/out", TensorProto.FLOAT, ())])
