"""Verify: the engine beside the reference on the same observations, judged by the budget, signed either way."""

from __future__ import annotations

import shutil

import msgspec
import numpy as np
import onnx
import pytest
import typer
from onnx import numpy_helper
from typer.testing import CliRunner

from edgevla.bundle import Bundle, load_manifest, write_manifest
from edgevla.calibration_set import (
    CalibrationSetError,
    Resolution,
    SetManifest,
    inputs_sha256,
    load_set,
    save_item,
    save_manifest,
)
from edgevla.commands.verify import verify as command
from edgevla.config.policy_families import Recurrent
from edgevla.config.quantisation import Quantisation
from edgevla.engine import verified
from edgevla.engine.cache import EngineCache
from edgevla.engine.calibrated import mark
from edgevla.engine.signoff import EngineUnverified
from edgevla.engine.verified import fingerprints, require_verified
from edgevla.evaluate import verify as verify_module
from edgevla.evaluate.verify import VerifyOptions, VerifyRefused, verify
from edgevla.messages import Observation
from edgevla.policy import loading
from edgevla.policy.policy import Policy
from edgevla.policy.preprocess import cameras_of
from edgevla.quantize.dataset import FEWEST
from edgevla.quantize.errors import SetUnfit
from edgevla.shipped import shipped

COUNT = 32


def noisy(path, spread):
    """Disturb the weights of a graph, as a bad quantisation would."""
    model = onnx.load(path)
    rng = np.random.default_rng(7)
    for tensor in model.graph.initializer:
        value = numpy_helper.to_array(tensor)
        if value.dtype == np.float32 and value.ndim >= 2:
            changed = value * (1.0 + spread * rng.standard_normal(value.shape))
            tensor.CopyFrom(numpy_helper.from_array(changed.astype(np.float32), tensor.name))
    onnx.save(model, path)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """The shipped policy with two more variants: one close to it, one far off."""
    folder = tmp_path_factory.mktemp("bundles") / "policy"
    shutil.copytree(shipped("so101-tabletop"), folder)
    original = load_manifest(folder).manifest
    for variant, spread in (("close", 1e-4), ("far", 0.2)):
        shutil.copy(folder / "policy.onnx", folder / f"{variant}.onnx")
        noisy(folder / f"{variant}.onnx", spread)
    graphs = {"fp32": "policy.onnx", "close": "close.onnx", "far": "far.onnx"}
    keep = {"policy.onnx": "", "vocabulary.txt": ""}
    manifest = msgspec.structs.replace(original, graphs=graphs, files=keep, quantisation=Quantisation())
    return write_manifest(folder, manifest)


@pytest.fixture(scope="module")
def observations(bundle, tmp_path_factory):
    """Coloured noise: what the policies answer means nothing, but they answer."""
    folder = tmp_path_factory.mktemp("set")
    rng = np.random.default_rng(3)
    manifest = bundle.manifest
    items = []
    for number in range(COUNT):
        images = {name: rng.integers(0, 256, (96, 96, 3), dtype=np.uint8) for name in cameras_of(manifest)}
        sentence = manifest.language.instructions[number % len(manifest.language.instructions)]
        items.append(
            save_item(folder, number, Observation(number / 10, images, np.array(manifest.state.mean), sentence))
        )
    described = SetManifest(
        bundle=manifest.name,
        inputs_sha256=inputs_sha256(manifest),
        source="simulated",
        started="2025-01-01T00:00:00+00:00",
        joints=manifest.joints,
        cameras={name: Resolution(height=96, width=96) for name in cameras_of(manifest)},
        seen=COUNT,
        items=tuple(items),
    )
    save_manifest(folder, described)
    return folder


@pytest.fixture
def cache(tmp_path):
    return EngineCache(tmp_path / "engines")


@pytest.fixture(autouse=True)
def enough(monkeypatch, request):
    """Let the small set be enough for a signature, but where that is the question."""
    if "whole_size" not in request.fixturenames:
        monkeypatch.setattr(verify_module, "SIGNABLE", COUNT)


@pytest.fixture
def whole_size():
    """Asked for by tests that need the number that users meet."""


def marked(bundle, folder, items):
    """A copy of the bundle whose variant `close` says that it was quantised on these items."""
    shutil.copytree(bundle.folder, folder)
    model = onnx.load(folder / "close.onnx")
    mark(model, items)
    onnx.save(model, folder / "close.onnx")
    return write_manifest(folder, bundle.manifest)


def run(bundle, observations, cache, variant="close", target="cpu", seen=None):
    options = VerifyOptions(bundle.folder, variant, target, observations, limit=500)
    return verify(options, lambda done, total: seen.append((done, total)) if seen is not None else None, cache)


def test_an_engine_inside_the_budget_is_signed_off_and_may_run(bundle, observations, cache):
    seen = []
    report = run(bundle, observations, cache, seen=seen)
    results = report["results"]
    assert report["command"] == "verify"
    assert results["passed"]
    assert [joint["name"] for joint in results["joints"]] == list(bundle.manifest.joints)
    assert 0 < results["joints"][0]["worst"] < 0.05
    assert results["cosine"]["min"] > 0.99
    assert results["provider"] == "CPUExecutionProvider"
    assert seen[-1] == (COUNT, COUNT)
    assert require_verified(bundle, "close", "cpu", cache).figures["spent"] == results["spent"]


def test_an_engine_outside_the_budget_is_signed_as_refused_and_may_not(bundle, observations, cache):
    results = run(bundle, observations, cache, "far")["results"]
    assert results["spent"] > 1.0
    assert not results["passed"]
    with pytest.raises(EngineUnverified, match="was verified and did not pass"):
        require_verified(bundle, "far", "cpu", cache)


def test_the_signature_is_void_once_the_policy_s_numbers_change(bundle, observations, cache, tmp_path):
    run(bundle, observations, cache)
    shutil.copytree(bundle.folder, tmp_path / "copy")
    manifest = msgspec.structs.replace(bundle.manifest, quantisation=Quantisation(worst_rad=0.5))
    looser = write_manifest(tmp_path / "copy", manifest)
    with pytest.raises(EngineUnverified, match=r"policy\.yaml changed"):
        require_verified(looser, "close", "cpu", cache)


@pytest.mark.parametrize(("variant", "code", "said"), [("close", 0, "signed off"), ("far", 1, "refused")])
def test_the_command_shows_each_joint_beside_the_budget(
    bundle, observations, tmp_path, monkeypatch, variant, code, said
):
    monkeypatch.setenv("EDGEVLA_CACHE", str(tmp_path))
    app = typer.Typer()
    app.command()(command)
    words = [str(bundle.folder), "--observations", str(observations), "--variant", variant]
    result = CliRunner().invoke(app, [*words, "--json", str(tmp_path / "verify.json")])
    error = result.exception
    assert (0 if error is None else error.exit_code) == code
    assert all(name in result.output for name in bundle.manifest.joints)
    assert "0.0500" in result.output
    assert said in result.output
    results = msgspec.json.decode((tmp_path / "verify.json").read_bytes())["results"]
    assert results["budget"]["worst_rad"] == 0.05
    assert len(results["float_layers"]) > 3  # nothing is quantised in it


def test_the_reference_is_not_compared_with_itself(bundle, observations, cache):
    with pytest.raises(VerifyRefused, match="fp32 on cpu is what the others are compared with"):
        run(bundle, observations, cache, "fp32")


def test_one_invalid_answer_is_enough_to_refuse(bundle, observations, cache, monkeypatch):
    act = Policy.act

    def sometimes(self, observation, seq):
        chunk = act(self, observation, seq)
        if seq == 5 and self.engine is not engines[0]:
            return msgspec.structs.replace(chunk, valid=False, actions_rad=(), reason="row 0, shoulder_pan: is NaN")
        return chunk

    engines = []
    init = Policy.__init__

    def remember(self, bundle, engine, **keywords):
        engines.append(engine)
        init(self, bundle, engine, **keywords)

    monkeypatch.setattr(Policy, "__init__", remember)
    monkeypatch.setattr(Policy, "act", sometimes)
    results = run(bundle, observations, cache)["results"]
    assert (results["invalid"], results["passed"]) == (1, False)
    assert results["observations"] == COUNT - 1
    assert "is NaN" in results["reason"]


def test_a_set_of_another_policy_is_refused(bundle, observations, cache, tmp_path):
    shutil.copytree(observations, tmp_path / "set")
    described = msgspec.json.decode((observations / "manifest.json").read_bytes(), type=SetManifest)
    save_manifest(tmp_path / "set", msgspec.structs.replace(described, inputs_sha256="0" * 64))
    with pytest.raises(CalibrationSetError, match="was taken for inputs 000000000000"):
        run(bundle, tmp_path / "set", cache)
    assert not cache.root.exists()


def test_the_set_that_it_was_quantised_on_signs_nothing(bundle, observations, cache, tmp_path):
    items = [item.sha256 for item in load_set(observations).manifest.items]
    results = run(marked(bundle, tmp_path / "all", items), observations, cache)["results"]
    assert (results["passed"], results["held_out"], results["signed"]) == (True, False, None)
    assert f"{COUNT} of the {COUNT} observations of {observations}" in results["unsigned"]
    assert "give --observations of another set" in results["unsigned"]
    assert not cache.root.exists()


def test_one_observation_of_it_is_too_many_whatever_the_set_is_called(bundle, observations, cache, tmp_path):
    items = [item.sha256 for item in load_set(observations).manifest.items]
    shutil.copytree(observations, tmp_path / "another")
    results = run(marked(bundle, tmp_path / "one", items[7:8]), tmp_path / "another", cache)["results"]
    assert "1 of the 32 observations" in results["unsigned"]


def test_another_set_signs_it(bundle, observations, cache, tmp_path):
    policy = marked(bundle, tmp_path / "other", ["0" * 64])
    assert run(policy, observations, cache)["results"]["held_out"] is True
    assert require_verified(policy, "close", "cpu", cache) is not None


def test_an_older_signature_outlives_a_comparison_that_may_not_sign(bundle, observations, cache, monkeypatch):
    run(bundle, observations, cache)
    monkeypatch.setattr(verify_module, "SIGNABLE", COUNT + 1)
    assert run(bundle, observations, cache)["results"]["signed"] is None
    assert require_verified(bundle, "close", "cpu", cache) is not None


def test_what_misses_the_budget_is_refused_in_writing_on_any_set(bundle, observations, cache, monkeypatch):
    monkeypatch.setattr(verify_module, "SIGNABLE", COUNT + 1)
    assert run(bundle, observations, cache, "far")["results"]["signed"] is not None
    with pytest.raises(EngineUnverified, match="was verified and did not pass"):
        require_verified(bundle, "far", "cpu", cache)


def test_few_observations_compare_and_sign_nothing(bundle, observations, tmp_path, monkeypatch, whole_size):
    monkeypatch.setenv("EDGEVLA_CACHE", str(tmp_path / "cache"))
    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, [str(bundle.folder), "--observations", str(observations), "--variant", "close"])
    assert result.exception.exit_code == 1
    assert str(result.exception).startswith("close on cpu keeps to the budget and is not signed off: 32 observations")
    assert "a signature takes 200" in str(result.exception)
    assert "signed off" not in result.output
    assert "0.0500" in result.output
    assert not (tmp_path / "cache").exists()


def test_fewer_than_say_anything_are_not_compared(bundle, observations, cache):
    options = VerifyOptions(bundle.folder, "close", "cpu", observations, limit=FEWEST - 1)
    with pytest.raises(SetUnfit, match="--limit 31: at least 32 observations are compared"):
        verify(options, lambda done, total: None, cache)


def test_a_policy_that_remembers_is_signed_on_whole_episodes_only(bundle, observations, cache, tmp_path, monkeypatch):
    recurrent = Recurrent(window=4, hidden=8)
    remembers = Bundle(bundle.folder, msgspec.structs.replace(bundle.manifest, recurrent=recurrent))
    monkeypatch.setattr(verify_module, "load_manifest", lambda folder: remembers)
    reason = run(bundle, observations, cache)["results"]["unsigned"]  # another sentence each time
    assert f"remembers 4 observations; 0 of {COUNT} here end an unbroken row of 4 at 10 Hz" in reason
    assert not cache.root.exists()
    shutil.copytree(observations, tmp_path / "episode")
    described = load_set(observations).manifest
    items = tuple(msgspec.structs.replace(item, instruction="touch the red block") for item in described.items)
    save_manifest(tmp_path / "episode", msgspec.structs.replace(described, items=items))
    assert "29 of 32" in run(bundle, tmp_path / "episode", cache)["results"]["unsigned"]
    monkeypatch.setattr(verify_module, "SIGNABLE", 29)
    assert run(bundle, tmp_path / "episode", cache)["results"]["signed"] is not None


def test_a_gpu_without_a_name_signs_nothing(bundle, observations, cache, monkeypatch):
    def nameless(paths, target, decoding=None):
        return tuple(msgspec.structs.replace(each, device="") for each in fingerprints(paths, target, decoding))

    monkeypatch.setattr(verify_module, "fingerprints", nameless)
    assert "tells which GPU this is" in run(bundle, observations, cache)["results"]["unsigned"]
    assert not cache.root.exists()


def test_an_engine_that_ends_the_task_elsewhere_is_refused(bundle, observations, cache, monkeypatch):
    act, engines = Policy.act, []

    def ends(self, observation, seq):
        engines.append(self.engine)
        chunk = act(self, observation, seq)
        return msgspec.structs.replace(chunk, done=True) if seq == 5 and self.engine is not engines[0] else chunk

    monkeypatch.setattr(Policy, "act", ends)
    results = run(bundle, observations, cache)["results"]
    assert (results["invalid"], results["passed"]) == (1, False)
    assert results["reason"] == "item 5: says that the task is done; the reference says that it goes on"


def test_an_error_is_one_line_where_nobody_watches(bundle, tmp_path):
    app = typer.Typer()
    app.command()(command)
    words = [str(bundle.folder), "--observations", str(tmp_path), "--variant", "close"]
    result = CliRunner().invoke(app, words)
    assert isinstance(result.exception, CalibrationSetError)
    assert result.output == ""


def test_what_is_signed_is_what_run_looks_for_the_decoding_on_the_device_included(
    bundle, observations, cache, monkeypatch
):
    """With the plugin there it is a part of the engine: signed without it, no engine would ever count as verified."""
    asked = []

    def spied(paths, target, decoding=None):
        asked.append((paths, target, decoding))
        return fingerprints(paths, target, decoding)

    decoding = object()
    for place in (verify_module, loading):
        monkeypatch.setattr(place, "decoding_of", lambda manifest: decoding)
    for place in (verify_module, verified):
        monkeypatch.setattr(place, "fingerprints", spied)
    monkeypatch.setenv("EDGEVLA_CACHE", str(cache.root.parent))
    run(bundle, observations, cache)
    loading.load_policy(bundle.folder, "close", verified=True).engine.close()
    assert len(asked) == 2
    assert asked[0] == asked[1] == ([bundle.graph("close")], "cpu", decoding)
