"""`edgevla calibrate quantize` and `edgevla lint`, as they are typed."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
import typer
from typer.testing import CliRunner

from edgevla.bundle import load_manifest
from edgevla.commands.lint import lint
from edgevla.commands.quantize import quantize
from edgevla.config.quantisation import Quantisation
from edgevla.errors import EdgeVLAError

GENEROUS = Quantisation(mean_rad=0.05, p99_rad=0.1, worst_rad=0.2, gripper_flips=1.0)
IMPOSSIBLE = Quantisation(mean_rad=1e-9, p99_rad=1e-9, worst_rad=1e-9, gripper_flips=1.0)
QUICK = ("--method", "minmax", "--smoothing", "0")

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(quantize)
app.command()(lint)


@pytest.fixture
def edgevla(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*words):
        return CliRunner().invoke(app, [str(word) for word in words])

    return call


def failed(result):
    assert isinstance(result.exception, EdgeVLAError), result.output
    return result.exception


def test_quantize_puts_both_variants_into_the_bundle_and_says_what_they_cost(edgevla, bundle, observations, tmp_path):
    policy = bundle(budget=GENEROUS)
    place = observations(policy)
    result = edgevla(
        "quantize", policy.folder, place, *QUICK, "--report", tmp_path / "rep", "--json", tmp_path / "q.json"
    )
    assert result.exception is None, result.output
    assert set(load_manifest(policy.folder).manifest.graphs) == {"fp32", "int8", "int8-cpu"}
    report = json.loads((tmp_path / "q.json").read_text())
    assert report["command"] == "calibrate quantize"
    results = report["results"]
    assert [joint["name"] for joint in results["joints"]] == ["pan", "gripper"]
    assert results["joints"][0].keys() == {"name", "unit", "mean", "p99", "worst"}
    assert results["cosine"].keys() == {"mean", "median", "min"}
    assert results["float_layers"] == []
    assert [each["variant"] for each in results["variants"]] == ["int8", "int8-cpu"]
    assert all(each["bytes"]["int8"] > 0 and each["layers"] for each in results["variants"])


def test_the_page_needs_nothing_but_itself(edgevla, bundle, observations, tmp_path):
    policy = bundle(budget=GENEROUS)
    edgevla("quantize", policy.folder, observations(policy), *QUICK, "--report", tmp_path / "rep")
    page = (tmp_path / "rep" / "quantize.html").read_text()
    assert page.count("data:image/png;base64,") == 4
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page
    assert "<td>pan</td>" in page


def test_quantize_without_a_way_into_the_budget_leaves_the_bundle_and_a_report(edgevla, bundle, observations, tmp_path):
    policy = bundle(budget=IMPOSSIBLE)
    before = {path.name: path.read_bytes() for path in policy.folder.iterdir()}
    result = edgevla(
        "quantize", policy.folder, observations(policy), *QUICK, "--variant", "int8", "--report", tmp_path / "rep"
    )
    error = failed(result)
    assert error.exit_code == 1
    assert "int8 keeps to the budget only with every layer in float" in str(error)
    assert {path.name: path.read_bytes() for path in policy.folder.iterdir()} == before
    assert (tmp_path / "rep" / "quantize.html").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--method", "magic"), '--method: "magic" is not known - use one of: minmax, entropy, percentile, auto'),
        (("--variant", "int4"), '--variant: "int4" is not known - use one of: int8, int8-cpu'),
    ],
)
def test_quantize_refuses_what_it_does_not_know(edgevla, bundle, observations, words, message):
    policy = bundle()
    assert str(failed(edgevla("quantize", policy.folder, observations(policy), *words))) == message


def test_quantize_refuses_a_corrupt_graph_in_one_line(edgevla, bundle, observations):
    from edgevla.bundle import write_manifest

    policy = bundle()
    place = observations(policy)
    path = policy.folder / "policy.onnx"
    path.write_bytes(path.read_bytes()[:-50])
    write_manifest(policy.folder, policy.manifest)
    error = failed(edgevla("quantize", policy.folder, place, *QUICK))
    assert error.exit_code == 2
    assert "\n" not in str(error)
    assert "not an ONNX graph" in str(error)


def test_lint_passes_a_good_bundle_and_fails_a_bad_graph(edgevla, bundle, observations, tmp_path):
    policy = bundle(budget=GENEROUS)
    edgevla("quantize", policy.folder, observations(policy), *QUICK, "--report", tmp_path / "rep")
    good = edgevla("lint", policy.folder)
    assert good.exit_code == 0, good.output
    assert "policy.onnx, policy.int8.onnx" in good.output
    model = onnx.load(policy.folder / "policy.int8.onnx")
    zero = next(each for each in model.graph.initializer if each.name == "edgevla.zero")
    zero.CopyFrom(onnx.numpy_helper.from_array(np.int8(4), zero.name))
    onnx.save(model, tmp_path / "bad.onnx")
    bad = edgevla("lint", tmp_path / "bad.onnx", "--json", tmp_path / "lint.json")
    assert failed(bad).exit_code == 1
    assert "has the zero-point 4 (zero-point-0)" in bad.output
    findings = json.loads((tmp_path / "lint.json").read_text())["results"]["graphs"]["bad.onnx"]
    assert {each["rule"] for each in findings} == {"zero-point-0"}


def test_lint_of_what_is_no_graph_is_one_line(edgevla, tmp_path):
    (tmp_path / "g.onnx").write_bytes(b"not a graph")
    error = failed(edgevla("lint", tmp_path / "g.onnx"))
    assert error.exit_code == 2
    assert "not an ONNX graph" in str(error)
