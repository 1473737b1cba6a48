"""A signature holds for exactly what was verified: change the engine, the policy or the signature, and it is void."""

from __future__ import annotations

import importlib
import json
import shutil
from types import SimpleNamespace

import msgspec
import pytest

from edgevla.bundle import load_manifest
from edgevla.engine.cache import EngineCache
from edgevla.engine.graph import file_sha256
from edgevla.engine.records import Signoff
from edgevla.engine.signoff import EngineUnverified, require, sign
from edgevla.engine.verified import fingerprints, graphs, require_verified, signoff_path
from edgevla.plugins import PluginUnknown
from edgevla.shipped import shipped
from tests.engine.test_engine_cache import HERE

STEP = msgspec.structs.replace(HERE, graph="d" * 64)


def signoff(**changes):
    values = {
        "passed": True,
        "engines": (HERE,),
        "manifest": "e" * 64,
        "observations": "f" * 64,
        "when": "2025-01-01T00:00:00+00:00",
        "figures": {"spent": 0.5},
    }
    return Signoff(**{**values, **changes})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "engine" / "verified.json"


def test_a_signature_for_these_engines_and_this_policy_is_accepted(path):
    sign(path, signoff())
    assert require(path, (HERE,), "e" * 64, "int8 on tensorrt").figures == {"spent": 0.5}


def test_without_one_the_way_out_is_named(path):
    with pytest.raises(
        EngineUnverified, match="int8 on tensorrt: was never verified - run edgevla verify, or give --unv"
    ):
        require(path, (HERE,), "e" * 64, "int8 on tensorrt")


@pytest.mark.parametrize(
    ("engines", "manifest", "why"),
    [
        (
            (msgspec.structs.replace(HERE, runtime="tensorrt 10.16.2"),),
            "e" * 64,
            "runtime tensorrt 10.3.0 -> tensorrt 10",
        ),
        ((HERE, STEP), "e" * 64, "1 -> 2 graphs"),
        ((HERE,), "0" * 64, "policy.yaml changed"),
    ],
)
def test_a_signature_for_something_else_says_what_changed(path, engines, manifest, why):
    sign(path, signoff())
    with pytest.raises(EngineUnverified, match=f"changed since it was verified: .*{why}"):
        require(path, engines, manifest, "int8")


def test_an_engine_that_did_not_pass_stays_out(path):
    sign(path, signoff(passed=False))
    with pytest.raises(EngineUnverified, match="was verified and did not pass"):
        require(path, (HERE,), "e" * 64, "int8")


def test_a_signature_that_was_edited_is_void(path):
    sign(path, signoff(passed=False))
    text = json.loads(path.read_text())
    path.write_text(json.dumps({**text, "passed": True}))
    with pytest.raises(EngineUnverified, match="was altered after it was signed"):
        require(path, (HERE,), "e" * 64, "int8")


def test_a_signature_that_cannot_be_read_is_void(path):
    path.parent.mkdir()
    path.write_bytes(b"{")
    with pytest.raises(EngineUnverified, match=r"verified\.json: cannot be read"):
        require(path, (HERE,), "e" * 64, "int8")


@pytest.fixture
def bundle():
    return load_manifest(shipped("so101-tabletop"))


def test_the_reference_needs_no_signature(bundle, tmp_path):
    assert require_verified(bundle, "fp32", "cpu", EngineCache(tmp_path)) is None


def test_on_tensorrt_it_is_for_the_engine_that_decodes_as_this_one_does(bundle, tmp_path, monkeypatch):
    def fingerprint(graph, device, decoding):
        return msgspec.structs.replace(HERE, graph=graph.sha256(), device=device, plugin=decoding or "")

    members = {
        "tensorrt_engine": SimpleNamespace(fingerprint=fingerprint),
        "cuda_pycuda": SimpleNamespace(describe=lambda: "Orin"),
    }
    monkeypatch.setattr("edgevla.engine.verified.member", members.__getitem__)
    cache = EngineCache(tmp_path)
    engines = fingerprints(graphs(bundle, "int8"), "tensorrt", "one plugin")
    manifest = file_sha256(bundle.folder / "policy.yaml")
    sign(signoff_path(engines, cache), signoff(engines=engines, manifest=manifest))
    assert require_verified(bundle, "int8", "tensorrt", cache, decoding="one plugin") is not None
    with pytest.raises(EngineUnverified, match="was never verified"):
        require_verified(bundle, "int8", "tensorrt", cache, decoding="another")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package that offers the engine `someone-elses`; called again, it is another version of it."""
    site = tmp_path / "site"

    def install(version):
        shutil.rmtree(site, ignore_errors=True)
        about = site / f"elsewhere-{version}.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: elsewhere\nVersion: {version}\n")
        (about / "entry_points.txt").write_text("[edgevla.engines]\nsomeone-elses = elsewhere:load\n")
        (site / "elsewhere.py").write_text("def load(path):\n    pass\n")
        monkeypatch.syspath_prepend(site)
        importlib.invalidate_caches()

    return install


def test_an_engine_that_does_not_exist_is_told_from_one_that_was_never_verified(bundle, tmp_path):
    with pytest.raises(PluginUnknown, match='there is no "mars" - use one of: cpu, cuda, tensorrt, triton'):
        require_verified(bundle, "fp32", "mars", EngineCache(tmp_path))


def test_another_version_of_a_package_s_engine_is_another_engine(bundle, installed):
    installed("1.0")
    before = fingerprints(graphs(bundle, "fp32"), "someone-elses")
    assert before[0].runtime == "elsewhere 1.0"
    installed("1.1")
    after = fingerprints(graphs(bundle, "fp32"), "someone-elses")
    assert after[0].differences(before[0]) == "runtime elsewhere 1.0 -> elsewhere 1.1"


def test_anything_but_the_reference_needs_one(bundle, tmp_path, installed):
    installed("1.0")
    cache = EngineCache(tmp_path)
    with pytest.raises(EngineUnverified, match="fp32 on someone-elses: was never verified"):
        require_verified(bundle, "fp32", "someone-elses", cache)
    engines = fingerprints(graphs(bundle, "fp32"), "someone-elses")
    manifest = file_sha256(bundle.folder / "policy.yaml")
    sign(signoff_path(engines, cache), signoff(engines=engines, manifest=manifest))
    assert require_verified(bundle, "fp32", "someone-elses", cache) is not None
