"""Which precision keeps up, and the command that says so."""

import json

import pytest
from typer.testing import CliRunner

from edgevla.commands.plan import plan
from edgevla.config.problems import ConfigError
from edgevla.engine.targets import target
from edgevla.plan.errors import PlanRefused
from edgevla.plan.subject import load_subject, steps_of
from edgevla.plan.verdict import options, recommend
from edgevla.plan.work import linear
from edgevla.shipped import shipped

ORIN = target("orin-agx-64")
# About 40 ms in FP16 and 32 ms in INT8 on the Orin.
HEAVY = (linear("language", tokens=500, inputs=4096, outputs=8192, layers=30),)


def found(wanted_hz, work=HEAVY, machine=ORIN):
    return {option.precision: option for option in options(work, machine, wanted_hz)}


def test_the_safest_precision_that_surely_keeps_up_is_recommended():
    fp16, int8 = found(None).values()
    assert int8.estimate.ms < fp16.estimate.ms
    assert recommend(tuple(found(fp16.sure_hz).values())).precision == "fp16"
    assert recommend(tuple(found(int8.sure_hz).values())).precision == "int8"


def test_nothing_is_recommended_when_none_keeps_up():
    fastest = found(None)["int8"].rate_hz
    assert recommend(tuple(found(1.5 * fastest).values())) is None


@pytest.mark.parametrize(("share", "words"), [(0.2, "fits"), (0.9, "may fit"), (1.2, "too slow")])
def test_the_verdict_says_by_how_much(share, words):
    rate_hz = found(None)["fp16"].rate_hz
    verdict = found(share * rate_hz)["fp16"].verdict
    assert verdict.startswith(words)
    assert f"{1 / share:.1f}" in verdict


def test_a_policy_that_does_not_fit_the_memory_is_never_recommended():
    nano = target("orin-nano-8")
    giant = (linear("language", tokens=1, inputs=4096, outputs=1_000_000),)
    fp16, int8 = options(giant, nano, 1.0)
    assert fp16.verdict == "does not fit: 8.2 GB of 6.0 GB"
    assert int8.fits_memory
    assert recommend((fp16, int8)).precision == "int8"


def test_a_processor_is_refused():
    with pytest.raises(PlanRefused, match="has no GPU"):
        options(HEAVY, target("cpu"), None)


def test_a_bundle_a_graph_and_shapes_can_be_planned(tmp_path):
    bundle = shipped("so101-tabletop")
    from_bundle, from_graph = load_subject(bundle), load_subject(bundle / "policy.onnx")
    assert from_bundle.name == "so101-tabletop"
    assert from_bundle.work == from_graph.work
    shapes = tmp_path / "policy.yaml"
    shapes.write_text(
        "format: edgevla-shapes/1\nname: mine\nsource: invented\n"
        "components:\n  - {name: head, dense: [{inputs: 4, outputs: 8, tokens: 2}]}\n"
    )
    assert load_subject(shapes).work == (linear("head", 2, 4, 8),)


@pytest.mark.parametrize("folder", sorted((shipped("so101-tabletop").parent / "families").glob("*/")), ids=str)
def test_each_shipped_family_can_be_planned(folder):
    assert sum(part.macs for part in load_subject(folder).work) > 1e6


def test_a_file_of_shapes_with_a_mistake_names_the_line(tmp_path):
    shapes = tmp_path / "policy.yaml"
    shapes.write_text("format: edgevla-shapes/1\nname: mine\nsource: invented\ncomponents:\n  - {name: 7}\n")
    with pytest.raises(ConfigError, match=r"policy.yaml:5: "):
        load_subject(shapes)


def test_the_command_prints_parts_and_writes_the_report(tmp_path):
    report = tmp_path / "plan.json"
    result = invoke("so101-tabletop", "--rate", "10", "--json", str(report))
    assert result.exit_code == 0, result.output
    for word in ("encoder", "head", "fp16", "int8", "not a measurement"):
        assert word in result.output
    results = json.loads(report.read_text())["results"]
    assert results["fits"] is True
    assert results["precision"] == "fp16"
    assert {share["component"] for share in results["options"][0]["components"]} >= {"encoder", "head"}


def test_the_command_fails_when_nothing_is_fast_enough_and_still_writes_the_report(tmp_path):
    report = tmp_path / "plan.json"
    result = invoke("so101-tabletop", "--rate", "1000000", "--json", str(report))
    assert "no precision gives" in str(result.exception)
    assert result.exception.exit_code == 1
    assert json.loads(report.read_text())["results"]["fits"] is False


def test_published_rows_are_printed_hit_or_miss(tmp_path):
    report = tmp_path / "plan.json"
    result = invoke("--published", "--json", str(report))
    assert result.exit_code == 0, result.output
    rows = json.loads(report.read_text())["results"]["rows"]
    assert {row[""].partition(",")[0] for row in rows} == {"fitted", "hit", "miss"}


@pytest.mark.parametrize("words", [(), ("so101-tabletop", "--published")])
def test_something_to_plan_or_published_but_not_both(words):
    result = invoke(*words)
    assert result.exception.exit_code == 2
    assert "--published" in str(result.exception)


def test_steps_of_an_iterative_policy_come_from_its_own_section():
    from msgspec.structs import replace

    from edgevla.bundle import load_manifest
    from edgevla.config.policy_families import Diffusion, Flow

    manifest = load_manifest(shipped("so101-tabletop")).manifest
    flow = Flow(steps=10, direction="noise_at_1")
    diffusion = Diffusion(schedule="cosine", train_steps=20)
    assert steps_of(replace(manifest, family="flow", flow=flow)) == 10
    assert steps_of(replace(manifest, family="diffusion", diffusion=diffusion)) == 20
    assert steps_of(replace(manifest, family="diffusion", diffusion=replace(diffusion, steps=5))) == 5
    assert steps_of(replace(manifest, family="tokens")) == 12 * 6


def invoke(*words):
    import typer

    app = typer.Typer()
    app.command()(plan)
    return CliRunner().invoke(app, list(words))
