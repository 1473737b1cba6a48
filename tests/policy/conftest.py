from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgevla.bundle import Action, Language, Manifest, Normalisation, TensorSpec, write_manifest
from edgevla.config.robot import Camera, Control, Joint, Motors, Realtime, Robot
from edgevla.config.units import AccelerationRadS2, AngleRad, JerkRadS3, RateHz, SpeedRadS, TimeS
from edgevla.messages import Observation

HORIZON, SIDE, LENGTH = 3, 8, 4
WORDS = ("go", "left", "right", "broken")  # the graph's table has no row for the last one
RAMP = np.arange(HORIZON, dtype=np.float32).reshape(1, HORIZON, 1)
STATE = Normalisation(kind="mean_std", mean=(1.0, 2.0), std=(0.5, 0.25))
ACTIONS = Normalisation(kind="mean_std", mean=(0.1, -0.1), std=(0.01, 0.02))


def save_graph(path, *, ramp=RAMP):
    """actions[0, h, d] = state[0, d] + brightness + word + ramp[h], but NaN for a black image."""
    nodes = [
        helper.make_node("ReduceMean", ["front"], ["brightness"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Div", ["brightness", "brightness"], ["one"]),
        helper.make_node("Gather", ["table", "words"], ["rows"]),
        helper.make_node("ReduceSum", ["rows"], ["word"], keepdims=0),
        helper.make_node("Unsqueeze", ["state", "axis"], ["state3"]),
        helper.make_node("Add", ["state3", "brightness"], ["a"]),
        helper.make_node("Add", ["a", "word"], ["b"]),
        helper.make_node("Mul", ["b", "one"], ["c"]),
        helper.make_node("Add", ["c", "ramp"], ["actions"]),
    ]
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            tensor("front", TensorProto.FLOAT, [1, 3, SIDE, SIDE]),
            tensor("state", TensorProto.FLOAT, [1, 2]),
            tensor("words", TensorProto.INT64, [1, LENGTH]),
        ],
        [tensor("actions", TensorProto.FLOAT, [1, HORIZON, 2])],
        [
            numpy_helper.from_array(np.array([0, 0, 1, 2], np.float32), "table"),
            numpy_helper.from_array(ramp.astype(np.float32), "ramp"),
            numpy_helper.from_array(np.array([1]), "axis"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


@pytest.fixture
def manifest():
    return Manifest(
        format="edgevla-bundle/1",
        name="tiny",
        family="regression",
        graphs={"fp32": "graph.onnx"},
        inputs=(
            TensorSpec(name="front", dtype="float32", shape=(1, 3, SIDE, SIDE), source="camera:front"),
            TensorSpec(name="state", dtype="float32", shape=(1, 2), source="state"),
            TensorSpec(name="words", dtype="int64", shape=(1, LENGTH), source="instruction"),
        ),
        state=STATE,
        action=Action(
            output="actions",
            names=("pan", "lift"),
            unit="rad",
            kind="delta",
            rate_hz=10.0,
            horizon=HORIZON,
            normalisation=ACTIONS,
        ),
        language=Language(vocabulary="vocabulary.txt", length=LENGTH, instructions=("go left", "go right")),
        files={},
    )


@pytest.fixture
def bundle(tmp_path, manifest):
    """Write a bundle of the tiny graph into a folder and load it."""

    def write(changed=manifest, **graph):
        save_graph(tmp_path / "graph.onnx", **graph)
        (tmp_path / "vocabulary.txt").write_text("\n".join(("<pad>", *WORDS)) + "\n", encoding="utf-8")
        return write_manifest(tmp_path, changed)

    return write


@pytest.fixture
def observation():
    """What the tiny policy is shown: a grey picture, brightness 0.2, at its mean state."""

    def build(*, grey=51, state_rad=(1.0, 2.0), instruction="go left", t_obs_s=100.0, images=None):
        picture = np.full((24, 32, 3), grey, np.uint8)
        return Observation(t_obs_s, {"front": picture} if images is None else images, np.array(state_rad), instruction)

    return build


@pytest.fixture
def robot():
    """A two-joint robot that the tiny policy fits."""

    def joint(name, number):
        return Joint(
            name=name,
            id=number,
            zero_counts=2048,
            sign=1,
            position_hard=(AngleRad(-1), AngleRad(1)),
            position_soft=(AngleRad(-1), AngleRad(1)),
            velocity=SpeedRadS(1),
            acceleration=AccelerationRadS2(1),
            jerk=JerkRadS3(1),
            tracking=AngleRad(1),
            home=AngleRad(0),
        )

    def build(*joints):
        camera = Camera(
            name="front", kind="opencv", source="/dev/null", width=8, height=8, rate=RateHz(30), max_age=TimeS(0.2)
        )
        return Robot(
            format="edgevla-robot/1",
            name="stub",
            bundle=".",
            motors=Motors(bus="feetech", port="/dev/null", baud=1_000_000, reply_timeout=TimeS(0.005), on_exit="hold"),
            joints=tuple(joint(name, number) for number, name in enumerate(joints, start=1)),
            cameras=(camera,),
            control=Control(
                rate=RateHz(50),
                replan=RateHz(5),
                plan_hold_after=TimeS(0.1),
                plan_stop_after=TimeS(0.3),
                lease=TimeS(1),
                supervision="supervised",
                realtime=Realtime(scheduler="other", priority=1, cpu=None, lock_memory=False),
            ),
        )

    return build
