from __future__ import annotations

import numpy as np
import pytest

from edgevla.bundle import Action, Language, Manifest, Normalisation, TensorSpec, write_manifest
from edgevla.calibration_set import Resolution, SetManifest, inputs_sha256, save_item, save_manifest
from edgevla.messages import Observation
from tests.quantize.graphs import INT64, node, save

SIDE, HORIZON, LENGTH, PX = 12, 4, 3, 24
JOINTS = ("pan", "gripper")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def save_policy(path, rng, *, spike=1.0):
    """A policy in small: picture -> Conv -> ReLU -> mean, words -> mean of rows, both and the state -> two layers.

    `spike` makes one hidden number that much larger than the others, which one scale for all of them cannot hold.
    """
    hidden = 32
    first = rng.normal(size=(8 + 4 + 2, hidden)).astype(np.float32) * 0.3
    second = rng.normal(size=(hidden, HORIZON * 2)).astype(np.float32) * 0.3
    first[:, 0] *= spike
    second[0] /= spike
    constants = {
        "kernel": rng.normal(size=(8, 3, 3, 3)).astype(np.float32) * 0.5,
        "kernel_bias": rng.normal(size=8).astype(np.float32) * 0.1,
        "rows": rng.normal(size=(4, 4)).astype(np.float32),
        "first": first,
        "first_bias": rng.normal(size=hidden).astype(np.float32) * 0.1,
        "second": second,
        "shape": np.array([1, HORIZON, 2]),
    }
    nodes = [
        node("Conv", "front kernel kernel_bias", "edges", name="look"),
        node("Relu", "edges", "seen"),
        node("ReduceMean", "seen", "pooled", axes=[2, 3], keepdims=0),
        node("Gather", "rows words", "read"),
        node("ReduceMean", "read", "meant", axes=[1], keepdims=0),
        node("Concat", "pooled meant state", "all", axis=1),
        node("Gemm", "all first first_bias", "thought", name="think"),
        node("Relu", "thought", "kept"),
        node("MatMul", "kept second", "flat", name="answer"),
        node("Reshape", "flat shape", "actions"),
    ]
    inputs = {"front": (1, 3, SIDE, SIDE), "state": (1, 2), "words": ((1, LENGTH), INT64)}
    return save(path, nodes, inputs, {"actions": (1, HORIZON, 2)}, constants)


@pytest.fixture
def bundle(tmp_path, rng):
    """Write the small policy as a bundle and load it; `budget` is its section `quantisation`."""

    def build(*, budget=None, **graph):
        folder = tmp_path / "bundle"
        folder.mkdir()
        save_policy(folder / "policy.onnx", rng, **graph)
        (folder / "vocabulary.txt").write_text("<pad>\ngo\nleft\nright\n", encoding="utf-8")
        unit = Normalisation(kind="mean_std", mean=(0.0, 0.0), std=(0.1, 0.1))
        manifest = Manifest(
            format="edgevla-bundle/1",
            name="small",
            family="regression",
            graphs={"fp32": "policy.onnx"},
            inputs=(
                TensorSpec(name="front", dtype="float32", shape=(1, 3, SIDE, SIDE), source="camera:front"),
                TensorSpec(name="state", dtype="float32", shape=(1, 2), source="state"),
                TensorSpec(name="words", dtype="int64", shape=(1, LENGTH), source="instruction"),
            ),
            state=unit,
            action=Action(
                output="actions",
                names=JOINTS,
                unit="rad",
                kind="delta",
                rate_hz=10.0,
                horizon=HORIZON,
                normalisation=unit,
            ),
            language=Language(vocabulary="vocabulary.txt", length=LENGTH, instructions=("go left",)),
            files={},
            **({} if budget is None else {"quantisation": budget}),
        )
        return write_manifest(folder, manifest)

    return build


@pytest.fixture
def observations(tmp_path, rng):
    """Write a calibration set for a bundle: pictures with a slope in them, drawn states, two sentences."""

    def write(bundle, count=48, *, folder="set", cameras=("front",), picture=None, state_rad=None):
        place = tmp_path / folder
        place.mkdir()
        items = []
        for number in range(count):
            slope = np.linspace(0, rng.uniform(40, 250), PX)[:, np.newaxis, np.newaxis]
            image = (slope * rng.uniform(0.2, 1.0, 3) * np.ones((1, PX, 1))).astype(np.uint8)
            state = rng.normal(0.0, 0.1, 2) if state_rad is None else np.array(state_rad)
            shown = dict.fromkeys(cameras, image if picture is None else picture)
            sentence = ("go left", "go right")[number % 2]
            items.append(save_item(place, number, Observation(0.1 * number, shown, state, sentence)))
        manifest = SetManifest(
            bundle=bundle.manifest.name,
            inputs_sha256=inputs_sha256(bundle.manifest),
            source="simulated",
            started="2026-01-01T00:00:00+00:00",
            joints=bundle.manifest.joints,
            cameras=dict.fromkeys(cameras, Resolution(height=PX, width=PX)),
            items=tuple(items),
        )
        save_manifest(place, manifest)
        return place

    return write
