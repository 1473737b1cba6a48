"""`edgevla build --target triton`: what a user sees, and what lies there then."""

from __future__ import annotations

import json

import pytest

from edgevla.bundle import BundleError, load_manifest
from edgevla.commands.model_repository import build_repository
from edgevla.commands.options import UsageError
from edgevla.shipped import shipped

BUNDLE = load_manifest(shipped("so101-tabletop"))


def test_each_graph_is_a_model_and_the_same_again_changes_nothing(tmp_path, capsys):
    report = tmp_path / "build.json"
    for new in (True, False):
        build_repository(BUNDLE, "int8", tmp_path / "models", "python", report)
        assert ("written now" in capsys.readouterr().out) == new
        results = json.loads(report.read_text())["results"]
        assert (results["target"], results["variant"], results["backend"]) == ("triton", "int8", "python")
        assert [engine["new"] for engine in results["engines"]] == [new]
    assert sorted(path.name for path in (tmp_path / "models" / "policy.int8" / "1").iterdir()) == [
        "model.onnx",
        "model.py",
    ]


def test_it_says_how_the_robot_asks_for_it(tmp_path, capsys):
    build_repository(BUNDLE, "fp32", tmp_path / "models", "onnxruntime", None)
    said = capsys.readouterr().out
    assert f"tritonserver --model-repository {tmp_path / 'models'}" in said
    assert "--variant fp32 --target triton:HOST:8001" in said


def test_what_cannot_be_meant_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(UsageError, match='"tensorrt" is not known'):
        build_repository(BUNDLE, "fp32", tmp_path / "models", "tensorrt", None)
    with pytest.raises(BundleError, match="int3"):
        build_repository(BUNDLE, "int3", tmp_path / "models", "python", None)
    assert not (tmp_path / "models").exists()
