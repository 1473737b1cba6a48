"""Each importer beside upstream's code; `make importers` makes the environment that has it."""

import importlib.util

import pytest

KINDS = ["lerobot-act", "lerobot-smolvla", "lerobot-pi0", "lerobot-pi05"]
pytestmark = pytest.mark.timeout(900)  # half a minute on a quiet machine
MISSING = [name for name in ("lerobot", "transformers", "onnxscript") if importlib.util.find_spec(name) is None]


@pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}: make importers")
@pytest.mark.parametrize("kind", KINDS)
def test_a_bundle_answers_what_upstream_answers(kind, tmp_path):
    from tests.importers.prove import cases, prove

    proof = prove(next(case for case in cases() if case.kind == kind), tmp_path)
    assert proof.holds, proof


@pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}: make importers")
def test_large_weights_lie_beside_the_graph_and_are_listed(tmp_path, monkeypatch):
    from edgevla.bundle import load_manifest
    from edgevla.importers import export
    from tests.importers.prove import cases, prove

    monkeypatch.setattr(export, "LARGE", 1000)
    proof = prove(cases()[0], tmp_path)
    assert proof.holds, proof
    bundle = load_manifest(tmp_path / "bundle")
    assert set(bundle.manifest.files) == {"policy.onnx", "policy.onnx.data", "vocabulary.txt"}
    assert bundle.path("policy.onnx").stat().st_size < bundle.path("policy.onnx.data").stat().st_size


@pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}: make importers")
def test_every_case_is_tested():
    from tests.importers.prove import cases

    assert [case.kind for case in cases()] == KINDS
