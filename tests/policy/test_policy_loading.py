"""From a folder to a policy that has shown what it can do; anything else is refused here."""

import msgspec
import numpy as np
import pytest

from edgevla.bundle import BundleError
from edgevla.engine.base import GraphRefused
from edgevla.plugins import PluginUnknown
from edgevla.policy.loading import load_policy

replace = msgspec.structs.replace


def test_a_bundle_becomes_a_policy(bundle, observation, robot):
    policy = load_policy(bundle().folder, robot=robot("pan", "lift"))
    assert policy.act(observation(), seq=1).valid
    assert policy.engine.provider == "CPUExecutionProvider"


def test_a_damaged_graph_is_refused(bundle):
    folder = bundle().folder
    graph = folder / "graph.onnx"
    graph.write_bytes(graph.read_bytes() + b"\0")
    with pytest.raises(BundleError, match=r"graph\.onnx: its SHA-256 is"):
        load_policy(folder)


def test_a_variant_that_is_not_there_is_refused_with_those_that_are(bundle):
    with pytest.raises(BundleError, match=r'no graph "int8" - use one of: fp32'):
        load_policy(bundle().folder, "int8")


def test_a_graph_that_does_not_match_policy_yaml_is_refused(bundle, manifest):
    with pytest.raises(GraphRefused, match=r"promises the output actions float32\[1, 4, 2\]"):
        load_policy(bundle(replace(manifest, action=replace(manifest.action, horizon=4))).folder)


def test_a_policy_for_other_joints_is_refused(bundle, robot):
    with pytest.raises(BundleError, match=r"action\.names are \[pan, lift\]"):
        load_policy(bundle().folder, robot=robot("lift", "pan"))


def test_an_unknown_family_is_refused(bundle, manifest):
    with pytest.raises(PluginUnknown, match="telepathy"):
        load_policy(bundle(replace(manifest, family="telepathy")).folder)


def test_a_graph_that_answers_nan_does_not_get_through_its_rehearsal(bundle):
    with pytest.raises(BundleError, match=r'rehearsing "go left": .*NaN or infinite'):
        load_policy(bundle(ramp=np.full((1, 3, 1), np.nan)).folder)


def test_every_sentence_of_the_manifest_is_rehearsed(bundle, manifest):
    language = replace(manifest.language, instructions=("go left", "go up"))
    with pytest.raises(BundleError, match=r'rehearsing "go up": "up" is not a word'):
        load_policy(bundle(replace(manifest, language=language)).folder)
