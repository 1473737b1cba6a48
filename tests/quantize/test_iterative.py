"""A policy of two graphs, built like SmolVLA in small: both parts are quantised, and judged by the decoded actions."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from benchmarks.vla_graph import Shapes, write_bundle
from edgevla.bundle import load_manifest
from edgevla.calibration_set import Resolution, SetManifest, inputs_sha256, save_item, save_manifest
from edgevla.messages import Observation
from edgevla.policy.loading import load_policy
from edgevla.quantize.dataset import load_dataset, split
from edgevla.quantize.install import install
from edgevla.quantize.layers import Level
from edgevla.quantize.lint.run import lint
from edgevla.quantize.quantise import INT8, Sets, Settings, quantise

TINY = Shapes(
    image=64,
    vision_width=48,
    vision_layers=1,
    vision_heads=3,
    vision_mlp=96,
    shuffle=2,
    width=64,
    layers=2,
    heads=4,
    groups=2,
    head=16,
    mlp=96,
    vocabulary=2048,
    words=6,
    expert=48,
    expert_mlp=96,
    horizon=6,
)


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vla")
    write_bundle(folder, TINY)
    return load_manifest(folder)


@pytest.fixture(scope="module")
def sets(policy, tmp_path_factory):
    place, rng = tmp_path_factory.mktemp("set"), np.random.default_rng(0)
    items = []
    for number in range(8):
        slope = np.linspace(0, rng.uniform(50, 250), 64)[:, np.newaxis, np.newaxis]
        picture = (slope * rng.uniform(0.2, 1.0, 3) * np.ones((1, 64, 1))).astype(np.uint8)
        seen = Observation(
            0.1 * number, {"front": picture, "wrist": picture[::-1]}, rng.normal(0, 0.1, 6), "touch the red block"
        )
        items.append(save_item(place, number, seen))
    save_manifest(
        place,
        SetManifest(
            bundle="random-vla",
            inputs_sha256=inputs_sha256(policy.manifest),
            source="simulated",
            started="2026-01-01T00:00:00+00:00",
            joints=policy.manifest.joints,
            cameras=dict.fromkeys(("front", "wrist"), Resolution(height=64, width=64)),
            items=tuple(items),
        ),
    )
    return Sets(*split(load_dataset(place, policy, fewest=8), (1, 1), run=1))


@pytest.fixture(scope="module")
def outcome(policy, sets, tmp_path_factory):
    settings = Settings("minmax", 0.5, attention=True, searched_on=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgevla.quantize.quantise.RANKED", 0)  # as with a policy of many layers
        return quantise(policy, INT8, sets, settings, tmp_path_factory.mktemp("out"), lambda *_: None)


def test_layers_of_both_graphs_are_in_the_plan(outcome):
    assert outcome.found.plan["vision.0.fc1.product"] is Level.INT8
    assert outcome.found.plan["steps/expert.1.mlp.down.product"] is Level.INT8
    assert outcome.found.plan["steps/expert.0.attention.scores"] is Level.INT8
    assert outcome.found.plan["words"] is Level.WEIGHTS  # the table of word vectors


def test_many_layers_inside_the_budget_are_not_ranked(outcome):
    assert outcome.found.effects == outcome.found.kept == ()


def test_both_graphs_pass_the_lint(outcome):
    assert set(outcome.files) == {"graphs", "steps"}
    assert [lint(paths[0]) for paths in outcome.files.values()] == [(), ()]


def test_the_actions_at_the_end_of_the_loop_are_what_is_compared(outcome):
    assert outcome.held_out.observations == 4
    assert outcome.errors_rad.shape == (4, TINY.horizon, 6)
    assert 0.0 < outcome.held_out.worst_rad < 0.1


def test_weights_beside_the_graph_end_in_int8(outcome):
    assert outcome.bytes_int8 < 0.6 * outcome.bytes_float
    stored = {each.name: each.data_type for each in onnx.load(outcome.files["steps"][0]).graph.initializer}
    assert stored["edgevla.steps/expert.1.mlp.down.product.weight"] == onnx.TensorProto.INT8


def test_the_variant_runs_from_the_bundle(policy, outcome):
    install(policy, [outcome])
    loaded = load_policy(policy.folder, "int8")
    picture = np.linspace(0, 250, 64 * 64 * 3).reshape(64, 64, 3).astype(np.uint8)
    chunk = loaded.act(Observation(0.0, {"front": picture, "wrist": picture}, np.zeros(6), "touch the red block"), 0)
    assert chunk.valid, chunk.reason
