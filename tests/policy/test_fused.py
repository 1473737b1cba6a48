"""Which bundles are decoded inside the engine: those whose decoder does no more than the node, number for number."""

from __future__ import annotations

import numpy as np
import pytest

from edgevla.bundle import load_manifest
from edgevla.config.policy_families import Execution, Flow, Gripper, Regression, Tokens
from edgevla.engine.base import Tensor
from edgevla.engine.cuda_buffers import visible
from edgevla.engine.decoding import place, prepare
from edgevla.engine.native import CUDA, PLUGIN
from edgevla.engine.native_abi import HALF, SCALE
from edgevla.policy.decode import decoder_of
from edgevla.policy.decode.base import FARTHEST
from edgevla.policy.decode.fused import NotFused, decode_node, decoding_of
from edgevla.shipped import shipped
from tests.engine.fake_cuda import FakeCuda
from tests.kernels.decoding import library
from tests.policy.decoding import UNIT, bounds, bundle_of, decode, spread

MEAN_STD = spread((0.1, -0.1), (0.01, 0.02))
RANGE = bounds((-1.0, 0.0), (2.0, 0.5), mask=(True, False))


def manifest_of(family, normalisation=MEAN_STD, **more):
    return bundle_of(family, normalisation, horizon=3, **more).manifest


def test_the_shipped_policy_is():
    manifest = load_manifest(shipped("so101-tabletop")).manifest
    node = decode_node(manifest)
    assert (node.output, node.decode, node.horizon, node.dims) == ("deltas", "unnormalise", 12, 6)
    np.testing.assert_array_equal(node.statistics.scale, np.float32(manifest.action.normalisation.std))
    np.testing.assert_array_equal(node.statistics.offset, np.float32(manifest.action.normalisation.mean))
    assert (node.statistics.rule, node.statistics.mask) == (SCALE, None)


def test_a_range_with_a_mask_is():
    statistics = decode_node(manifest_of("regression", RANGE)).statistics
    assert statistics.rule == HALF
    assert statistics.mask.tolist() == [True, False]
    np.testing.assert_array_equal(statistics.scale, np.float32([3.0, 0.5]))


@pytest.mark.parametrize("kind", ["mean_std", "quantiles"])
def test_it_believes_what_the_decoder_believes(kind):
    normalisation = spread((0.0,), (1.0,)) if kind == "mean_std" else bounds(UNIT[:1], UNIT[1:])
    bundle = bundle_of("regression", normalisation)
    farthest = decode_node(bundle.manifest).statistics.believed
    assert decode(bundle, np.full((1, 1, 1), farthest, np.float32)).valid
    assert not decode(bundle, np.full((1, 1, 1), np.nextafter(np.float32(farthest), np.float32(99)))).valid


def test_logits_are_with_the_ids_that_the_decoder_takes():
    tokens = Tokens(style="openvla", vocabulary_size=32000)
    node = decode_node(manifest_of("tokens", bounds((-1.0, -1.0), (1.0, 1.0)), tokens=tokens))
    assert (node.decode, node.first, len(node.values)) == ("token_logits", 31744, 256)
    assert node.values[[0, 1, 255]].tolist() == pytest.approx([0.99608, 0.99608, -0.99608], abs=1e-5)


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (manifest_of("flow", flow=Flow(steps=10, direction="noise_at_1")), "the family flow"),
        (manifest_of("regression", regression=Regression(tanh=True)), "tanh"),
        (manifest_of("regression", regression=Regression(mu_law=255.0)), "mu_law"),
        (manifest_of("regression", regression=Regression(gripper=Gripper(name="joint_1"))), "gripper"),
        (manifest_of("tokens", tokens=Tokens(style="openvla", vocabulary_size=32000, logits=False)), "without logits"),
        (manifest_of("tokens", tokens=Tokens(style="rt1", vocabulary_size=256, stop_id=1)), "stop_id"),
    ],
    ids=["flow", "tanh", "mu-law", "gripper", "ids", "stop"],
)
def test_what_needs_more_is_not(manifest, words):
    with pytest.raises(NotFused, match=f"tiny: .*{words}.* after the engine"):
        decode_node(manifest)


@pytest.mark.parametrize("family", ["flow", "tokens"])
def test_what_takes_steps_is_not(family):
    sections = {"flow": {"flow": Flow(steps=10, direction="noise_at_1")}, "tokens": {"tokens": LOGITS}}[family]
    with pytest.raises(NotFused, match=r"tiny: what its steps end in is decoded after the engine"):
        decode_node(manifest_of(family, steps={"fp32": "step.onnx"}, **sections))


def test_the_plugin_comes_before_the_kernels_and_those_before_the_processor(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEVLA_KERNELS", str(tmp_path))
    manifest = manifest_of("regression")
    assert decoding_of(manifest) is None
    assert place(None) == "on the processor"
    for name, words in ((CUDA, "behind the engine, on its stream"), (PLUGIN, "in the engine")):
        (tmp_path / name).write_bytes(b"library")
        found = decoding_of(manifest)
        assert (found.library, place(found)) == (tmp_path / name, words)
    assert decoding_of(manifest_of("regression", regression=Regression(tanh=True))) is None


@pytest.mark.parametrize(
    ("kind", "words"), [("latest", "behind the engine, on its stream"), ("rtc", "on the processor")]
)
def test_a_captured_loop_ends_in_the_kernels_and_one_that_is_drawn_to_a_plan_on_the_processor(
    tmp_path, monkeypatch, kind, words
):
    monkeypatch.setenv("EDGEVLA_KERNELS", str(tmp_path))
    flow, execution = Flow(steps=10, direction="noise_at_1"), Execution(kind=kind)
    manifest = manifest_of("flow", flow=flow, steps={"fp32": "step.onnx"}, execution=execution)
    assert decoding_of(manifest) is None
    for name in (CUDA, PLUGIN):  # the plugin's node stands in a graph, and the loop in none
        (tmp_path / name).write_bytes(b"library")
    found = decoding_of(manifest)
    assert place(found) == words
    assert found is None or found.library == tmp_path / CUDA


LOGITS = Tokens(style="openvla", vocabulary_size=300)
STATE_RAD = np.array([0.3, -0.7])
DELTA = {"action": {"kind": "delta"}}
BUNDLES = {
    "mean and spread": bundle_of("regression", MEAN_STD, horizon=3, **DELTA),
    "a range with a mask": bundle_of("regression", RANGE, horizon=3),
    "chained": bundle_of("regression", MEAN_STD, horizon=3, action={"kind": "delta", "chained": True}),
    "logits": bundle_of("tokens", RANGE, horizon=3, tokens=LOGITS, **DELTA),
    "rt1": bundle_of("tokens", RANGE, horizon=3, tokens=Tokens(style="rt1", vocabulary_size=256)),
}


def on_the_device(bundle, answer):
    """The outputs of an engine with the decoding behind it, on the fake device and by the library for the processor."""
    cuda, node = FakeCuda(), decode_node(bundle.manifest)
    network = visible(cuda, Tensor(node.output, str(answer.dtype), answer.shape))
    network.array[...] = answer
    call, made = prepare(cuda, library("host"), node, network)
    call()
    assert tuple(buffer.tensor for buffer in made) == node.made
    return {buffer.tensor.name: buffer.array for buffer in made}


def answers(bundle, dtype, seed):
    """What a network may say: mostly actions, sometimes with a fault or something just beyond an edge."""
    rng = np.random.default_rng(seed)
    tokens = bundle.manifest.tokens
    shape = (1, 3, 2) if tokens is None else (1, 6, tokens.vocabulary_size)
    answer = rng.standard_normal(shape).astype(dtype)
    if tokens is not None:
        chosen = rng.integers(tokens.first_id, tokens.vocabulary_size, 6)
        answer[0, range(6), chosen] = 20.0
        answer[0, 0, rng.choice(chosen)] = 20.0  # perhaps a tie
        if tokens.first_id:  # perhaps a first choice that is no action
            answer[0, 5, rng.integers(tokens.first_id)] = rng.choice([19.0, 20.0, 21.0])
    farthest = FARTHEST[bundle.manifest.action.normalisation.kind]
    faults = [np.nan, np.inf, -np.inf, farthest, np.nextafter(np.float32(farthest), np.float32(99)), -99.0, 0.0, 6e4]
    if seed % 2:
        answer.reshape(-1)[rng.integers(answer.size)] = rng.choice(faults)
    return answer


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("bundle", BUNDLES.values(), ids=BUNDLES)
def test_the_device_gives_the_verdict_and_the_bits_of_the_decoder(bundle, dtype):
    decoder, verdicts = decoder_of(bundle), []
    for seed in range(300):
        answer = answers(bundle, dtype, seed)
        expected = decoder.decode({"answer": answer}, STATE_RAD)
        found = decoder.decode(on_the_device(bundle, answer), STATE_RAD)
        assert found.valid == expected.valid, (found.reason, expected.reason)
        assert bool(found.reason) is not found.valid
        np.testing.assert_array_equal(found.actions_rad, expected.actions_rad)
        verdicts.append(found.valid)
    assert 30 < sum(verdicts) < 300


VALID = {"answer.actions": np.zeros((1, 3, 2), np.float32), "answer.verdicts": np.int32([[1, 0, -1, 0]])}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("answer.verdicts", np.int32([[0, 2, 3, 0]]), "row 1, joint_1: is further out than believable"),
        ("answer.verdicts", np.int32([[0, 0, 0, 0]]), "no verdict: what decodes on the device has not run"),
        ("answer.verdicts", np.int32([[0, 9, 0, 0]]), "unknown reason 9"),
        ("answer.verdicts", np.int32([[7, 0, -1, 0]]), "unknown reason 0"),
        ("answer.verdicts", np.int32([[1, 0, -1]]), "output answer.verdicts is int32 (1, 3)"),
        ("answer.verdicts", np.float32([[1, 0, -1, 0]]), "output answer.verdicts is float32"),
        ("answer.actions", np.full((1, 3, 2), np.nan, np.float32), "output answer.actions has NaN"),
        ("answer.actions", np.zeros((1, 2, 2), np.float32), "output answer.actions is float32 (1, 2, 2)"),
        ("answer.actions", None, "no output answer.actions"),
    ],
)
@pytest.mark.parametrize("bundle", [BUNDLES["mean and spread"], BUNDLES["logits"]], ids=["regression", "tokens"])
def test_a_verdict_that_is_not_valid_never_becomes_motion(bundle, name, value, words):
    decoder = decoder_of(bundle)
    assert decoder.decode(VALID, STATE_RAD).valid
    outputs = {key: each for key, each in {**VALID, name: value}.items() if each is not None}
    found = decoder.decode(outputs, STATE_RAD)
    assert (found.valid, found.actions_rad.size) == (False, 0)
    assert words in found.reason
