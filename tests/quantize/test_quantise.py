"""From a bundle and a set to INT8 variants in the bundle, or to a reason and the bundle as it was."""

from __future__ import annotations

import errno
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest

from edgevla import bundle as bundle_module
from edgevla.bundle import load_manifest, write_manifest
from edgevla.config.quantisation import Quantisation
from edgevla.engine.calibrated import among
from edgevla.engine.graph import read_graph
from edgevla.messages import Observation
from edgevla.policy.loading import load_policy
from edgevla.quantize.dataset import load_dataset
from edgevla.quantize.errors import GraphUnfit, SetUnfit, WriteFailed
from edgevla.quantize.feeds import overheard
from edgevla.quantize.install import install, workplace
from edgevla.quantize.layers import Level
from edgevla.quantize.pieces import listening_policy
from edgevla.quantize.quantise import INT8, INT8_CPU, Settings, quantise, sets_of, shortfall
from tests.quantize.graphs import node, save

GENEROUS = Quantisation(mean_rad=0.05, p99_rad=0.1, worst_rad=0.2, gripper_flips=1.0)
QUICK = Settings(method="minmax", smoothing=0.0)


def silent(*_):
    pass


@pytest.fixture
def outcome(tmp_path, bundle, observations):
    """Quantise a bundle of the small policy into a folder beside it."""

    def make(variant=INT8, settings=QUICK, budget=GENEROUS, **graph):
        policy = bundle(budget=budget, **graph)
        (tmp_path / "work").mkdir()
        return policy, quantise(
            policy, variant, sets_of(policy, observations(policy)), settings, tmp_path / "work", silent
        )

    return make


def shown(state_rad=(0.0, 0.0)):
    picture = np.linspace(0, 250, 24 * 24 * 3).reshape(24, 24, 3).astype(np.uint8)
    return Observation(0.0, {"front": picture}, np.array(state_rad), "go left")


@pytest.mark.parametrize("variant", [INT8, INT8_CPU])
def test_a_variant_in_the_bundle_plans_nearly_the_same(outcome, variant):
    policy, made = outcome(variant)
    install(policy, [made])
    reference, found = (
        np.array(load_policy(policy.folder, each).act(shown(), 0).actions_rad) for each in ("fp32", variant)
    )
    assert 0.0 < np.abs(found - reference).max() < 0.05
    assert made.held_out.worst_rad < 0.05


def test_the_report_is_about_observations_that_nothing_was_chosen_by(bundle, observations, tmp_path):
    policy = bundle(budget=GENEROUS)
    place = observations(policy)
    sets = sets_of(policy, place)
    assert not set(sets.calibration.indices) & set(sets.held_out.indices)
    (tmp_path / "work").mkdir()
    made = quantise(policy, INT8, sets, QUICK, tmp_path / "work", silent)
    assert made.held_out.observations == len(sets.held_out) == len(made.errors_rad)
    assert made.errors_rad.max() == pytest.approx(made.held_out.worst_rad)


def test_the_costly_layer_is_kept_out_of_int8_when_the_budget_is_tight(outcome):
    """One hidden number is 100 times the others: INT8 holds it, and rounds the others away."""
    tight = Quantisation(mean_rad=0.002, p99_rad=0.008, worst_rad=0.01, gripper_flips=1.0)
    _, made = outcome(budget=tight, spike=100.0)
    assert made.found.plan["answer"] is not Level.INT8
    assert made.found.plan["look"] is Level.INT8
    assert made.found.kept[0].layer == "answer"
    assert made.found.effects[0].layer == "answer"
    assert made.held_out.share_of(tight) < made.tried[0][1].share_of(tight) / 3.0


def test_a_variant_outside_the_budget_on_the_held_out_set_is_not_to_be_used(outcome):
    _, made = outcome()
    worst = made.held_out.worst_rad
    assert shortfall(made, GENEROUS) == ""
    tight = Quantisation(mean_rad=worst / 2, p99_rad=worst / 2, worst_rad=worst / 2, gripper_flips=1.0)
    assert "takes 200% of the budget" in shortfall(made, tight)


def test_the_recipe_that_costs_least_is_taken(outcome):
    _, made = outcome(settings=Settings())
    costs = {recipe: deviation.share_of(GENEROUS) for recipe, deviation in made.tried}
    assert {recipe.method for recipe in costs} == {"minmax", "entropy", "percentile"}
    assert {recipe.smoothing for recipe in costs} == {0.0, 0.5}
    assert costs[made.recipe] == min(costs.values())


def test_a_second_time_replaces_the_first(outcome, observations, tmp_path):
    policy, made = outcome()
    first = install(policy, [made])
    again = quantise(first, INT8, sets_of(first, tmp_path / "set"), QUICK, tmp_path / "work", silent)
    second = install(first, [again])
    assert second.manifest == first.manifest
    assert sorted(path.name for path in policy.folder.iterdir()) == [
        "policy.int8.onnx",
        "policy.onnx",
        "policy.yaml",
        "vocabulary.txt",
    ]


def test_files_of_a_variant_that_is_replaced_are_no_longer_vouched_for(outcome):
    policy, made = outcome()
    manifest = policy.manifest
    (policy.folder / "old.onnx").write_bytes((policy.folder / "policy.onnx").read_bytes())
    graphs, files = manifest.graphs | {INT8: "old.onnx"}, manifest.files | {"old.onnx": ""}
    before = write_manifest(policy.folder, msgspec.structs.replace(manifest, graphs=graphs, files=files))
    assert set(install(before, [made]).manifest.files) == {"policy.onnx", "policy.int8.onnx", "vocabulary.txt"}


def test_each_observation_is_overheard_once(bundle, observations):
    policy = bundle()
    part = load_dataset(observations(policy), policy)
    acting, listeners = listening_policy(policy)
    heard = list(overheard(acting, listeners["graphs"], part))
    states = np.array([each.state_rad for each in part])
    np.testing.assert_allclose(np.concatenate([feed["state"] for feed in heard]), states / 0.1, rtol=1e-5)


def test_an_installation_that_fails_leaves_the_bundle_as_it_was(outcome, tmp_path, monkeypatch):
    policy, made = outcome()
    before = install(policy, [made])
    content = {path.name: path.read_bytes() for path in policy.folder.iterdir()}
    again = quantise(
        before, INT8, sets_of(before, tmp_path / "set"), Settings("entropy", 0.0), tmp_path / "work", silent
    )

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    for name in ("write_text", "write_bytes"):  # policy.yaml is the last to be written
        monkeypatch.setattr(Path, name, full)
    with pytest.raises(WriteFailed, match="No space left on device"):
        install(before, [again])
    assert {path.name: path.read_bytes() for path in policy.folder.iterdir()} == content
    assert load_manifest(policy.folder).manifest == before.manifest


@pytest.mark.parametrize("moment", ["replace", "parse", "load"])
@pytest.mark.parametrize("end", [KeyboardInterrupt(), SystemExit(143)])
def test_an_installation_that_is_interrupted_leaves_the_bundle_as_it_was(outcome, tmp_path, monkeypatch, moment, end):
    """Just after each move, before policy.yaml is written, and just after."""
    policy, made = outcome()
    before = install(policy, [made])
    content = {path.name: path.read_bytes() for path in policy.folder.iterdir()}
    settings = Settings("entropy", 0.0)
    again = quantise(before, INT8, sets_of(before, tmp_path / "set"), settings, tmp_path / "work", silent)
    assert again.files["graphs"][0].read_bytes() != content["policy.int8.onnx"]
    place, name = {
        "replace": (Path, "replace"),
        "parse": (bundle_module, "parse_yaml"),
        "load": (bundle_module, "load_manifest"),
    }[moment]
    works = getattr(place, name)

    def interrupted(*args, **keywords):
        monkeypatch.setattr(place, name, works)
        works(*args, **keywords)
        raise end

    monkeypatch.setattr(place, name, interrupted)
    with pytest.raises(type(end)):
        install(before, [again])
    assert {path.name: path.read_bytes() for path in policy.folder.iterdir()} == content
    assert load_manifest(policy.folder).manifest == before.manifest


def test_a_variant_says_what_it_was_made_on_and_nothing_of_what_it_was_judged_on(outcome, tmp_path):
    policy, made = outcome()
    sets = sets_of(policy, tmp_path / "set")
    marked = read_graph(install(policy, [made]).graph(INT8)).calibrated_on
    assert among(marked, [item.sha256 for item in sets.calibration.items]) == len(sets.calibration)
    assert among(marked, [item.sha256 for item in sets.held_out.items]) == 0
    assert read_graph(policy.graph("fp32")).calibrated_on is None


def test_the_workplace_is_gone_afterwards(bundle):
    policy = bundle()
    before = sorted(policy.folder.iterdir())
    with pytest.raises(RuntimeError), workplace(policy) as folder:
        (folder / "half.onnx").write_bytes(b"half")
        raise RuntimeError
    assert sorted(policy.folder.iterdir()) == before


def test_a_policy_that_fails_on_the_set_is_told_apart_from_its_int8(outcome):
    with pytest.raises(SetUnfit, match=r"item 0: small in fp32 makes no valid chunk of it: .*standard deviations"):
        outcome(spike=1e-6)


def test_a_graph_with_nothing_to_quantise_is_refused(tmp_path, bundle, observations):
    policy = bundle()
    path = policy.folder / "policy.onnx"
    nodes = [
        node("ReduceSum", "state", "s", keepdims=1),
        node("Expand", "s shape", "e"),
        node("Identity", "e", "actions"),
    ]
    model = onnx.load(path)
    save(path, nodes, {"state": (1, 2)}, {"actions": (1, 4, 2)}, {"shape": np.array([1, 4, 2])})
    small = onnx.load(path)
    del small.graph.input[:]
    small.graph.input.extend(model.graph.input)
    onnx.save(small, path)
    with pytest.raises(GraphUnfit, match=r"no Conv, Gemm or MatMul with float32 weights in policy\.onnx"):
        quantise(
            write_manifest(policy.folder, policy.manifest),
            INT8,
            sets_of(policy, observations(policy)),
            QUICK,
            tmp_path,
            silent,
        )
