"""The matrix: what is compared, how it reads, and the command that fills it."""

import json
import shutil

import pytest
import typer
from typer.testing import CliRunner

from edgevla.commands.measure import evaluate_
from edgevla.evaluate.chunk_times import chunk_ms
from edgevla.evaluate.episodes import Episode
from edgevla.evaluate.marked import write_between
from edgevla.evaluate.matrix import MatrixRefused, cell, cell_result, default_bundles, row_result, rows_of
from edgevla.evaluate.matrix_markdown import BEGIN, END, markdown
from edgevla.evaluate.matrix_plot import draw_matrix
from edgevla.shipped import shipped

SHIPPED = shipped("so101-tabletop")


def bundle_at(folder):
    shutil.copytree(SHIPPED, folder)
    return folder


def episode(index, success, limited=0):
    return Episode(
        index=index,
        instruction="touch the red block",
        success=success,
        ended="success" if success else "time",
        duration_s=3.0,
        limited=limited,
        blocked=0,
        held=1,
    )


def test_by_default_all_that_ship_are_compared():
    bundles = default_bundles()
    assert bundles[0] == SHIPPED
    assert {each.parent for each in bundles[1:]} <= {SHIPPED.parent / "families"}


def test_a_variant_that_a_bundle_lacks_is_said(tmp_path):
    found = rows_of([bundle_at(tmp_path / "one")], ["fp32", "int4"])
    assert [(row.bundle, row.family, row.variant) for row in found.rows] == [("one", "regression", "fp32")]
    assert found.missing == ("one has no int4",)


def test_nothing_to_compare_is_refused():
    with pytest.raises(MatrixRefused, match="so101-tabletop has no int4"):
        rows_of([SHIPPED], ["int4"])


def test_two_bundles_of_one_name_are_refused(tmp_path):
    with pytest.raises(MatrixRefused, match='two bundles are called "so101-tabletop"'):
        rows_of([SHIPPED, bundle_at(tmp_path / "so101-tabletop")], ["fp32"])


def test_cells_of_a_row_differ_in_their_condition_only():
    row = rows_of([SHIPPED], ["fp32"]).rows[0]
    first, second = (
        cell(row, condition, suite="so101-tabletop", episodes=9, seed=3) for condition in ("nominal", "light")
    )
    differing = [name for name in first.__struct_fields__ if getattr(first, name) != getattr(second, name)]
    assert differing == ["condition"]


def test_a_cell_counts_successes_and_the_ticks_at_which_the_bounds_stepped_in():
    row = rows_of([SHIPPED], ["fp32"]).rows[0]
    found = cell_result(row, "light", [episode(i, i < 15, limited=i % 2) for i in range(20)])
    assert (found["bundle"], found["variant"], found["condition"]) == ("so101-tabletop", "fp32", "light")
    assert (found["successes"], found["episodes"], found["success_rate"]) == (15, 20, 0.75)
    assert found["ci95"] == pytest.approx([0.5313, 0.8881], abs=1e-4)  # by hand, from Wilson's formula
    assert found["bounds_per_episode"] == {"limited": 0.5, "held": 1.0, "blocked": 0.0}


def test_training_costs_what_its_log_says(tmp_path):
    folder = bundle_at(tmp_path / "tiny")
    row = rows_of([folder], ["fp32"]).rows[0]
    (folder / "log.json").unlink(missing_ok=True)
    assert row_result(row, {"p50": 1.0})["training_min"] is None
    stages = {"teacher": {"minutes": 26.2, "steps": 9}, "tiny": {"minutes": 4.0}}
    (folder / "log.json").write_text(json.dumps({"name": "tiny", "stages": stages}))
    assert row_result(row, {})["training_min"] == {"all": 30.2, "own": 4.0}
    (folder / "log.json").write_text("{")
    with pytest.raises(MatrixRefused, match=r"log\.json: is not the log of a training"):
        row_result(row, {})


def filled(condition, rate, low, high):
    return {
        "bundle": "small",
        "family": "flow",
        "variant": "int8",
        "condition": condition,
        "success_rate": rate,
        "ci95": [low, high],
        "bounds_per_episode": {"limited": 2.0 if condition == "light" else 1.0, "held": 0.0, "blocked": 0.0},
    }


REPORT = {
    "device": {"cores": 2, "cpu": "some processor"},
    "started": "2026-11-23T01:02:03+00:00",
    "results": {
        "suite": "so101-tabletop",
        "episodes": {"nominal": 90, "light": 45},
        "seed": 7,
        "conditions": ["nominal", "light"],
        "rows": [
            {
                "bundle": "small",
                "family": "flow",
                "variant": "int8",
                "chunk_ms": {"p50": 4.26, "p99": 9.0},
                "training_min": {"own": 12.4, "all": 88.0},
            }
        ],
        "cells": [filled("nominal", 0.95, 0.882, 0.981), filled("light", 0.5, 0.399, 0.601)],
        "missing": ["small has no fp32"],
    },
}


def test_the_table_reads_like_this():
    lines = markdown(REPORT).splitlines()
    assert "episodes of `so101-tabletop`" in lines[0]
    assert "2 cores (some processor), 2026-11-23" in lines[0]
    columns = "| bundle | family | variant | nominal, n = 90 | light, n = 45 | chunk, ms: p50, p99 "
    assert lines[2].startswith(columns)
    assert lines[4] == "| small | flow | int8 | 95 % (88..98) | 50 % (40..60) | 4.3, 9.0 | 1.5, 0.0, 0.0 | 12, 88 |"
    assert lines[2].count("|") == lines[3].count("|") == lines[4].count("|")
    assert lines[-1] == "Not there: small has no fp32."


def test_what_stands_around_the_marks_is_left_alone(tmp_path):
    page = tmp_path / "README.md"
    page.write_text(f"# Engines\n\n{BEGIN}\nold\n{END}\n\n## After\n")
    write_between(page, BEGIN, "new\n", END)
    assert page.read_text() == f"# Engines\n\n{BEGIN}\nnew\n{END}\n\n## After\n"
    assert list(tmp_path.iterdir()) == [page]


def test_the_picture_is_a_png_and_nothing_lies_beside_it(tmp_path):
    draw_matrix(tmp_path / "matrix.png", REPORT["results"])
    assert (tmp_path / "matrix.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["matrix.png"]


def test_chunks_are_timed_without_those_that_warm_up():
    rounds = []
    row = rows_of([SHIPPED], ["fp32"]).rows[0]
    first, second = chunk_ms([row, row], lambda: rounds.append(1), rounds=5, warm_up=2)
    assert len(rounds) == 5
    assert first["n"] == second["n"] == 3
    assert 0.0 < first["p50"] <= first["p99"]


def run(*words):
    app = typer.Typer()
    app.command()(evaluate_)
    return CliRunner().invoke(app, list(map(str, words)))


def test_the_command_fills_the_matrix_and_goes_on_where_it_was_interrupted(tmp_path):
    report, page, plot = (tmp_path / name for name in ("matrix.json", "README.md", "plots/matrix.png"))
    words = ("--matrix", "--variants", "fp32", "--bundles", SHIPPED, "--conditions", "nominal,paraphrase")
    words += ("--episodes", 1, "--nominal", 2, "--workers", 1, "--json", report, "--markdown", page, "--plot", plot)
    plot.parent.touch()  # a file where a folder has to be: it ends after hours of work, and they are not lost
    refused = run(*words)
    assert refused.exception.exit_code == 2
    assert "matrix.png: cannot be written" in str(refused.exception)
    assert len((tmp_path / "matrix.json.partial").read_bytes().splitlines()) == 3
    plot.parent.unlink()
    result = run(*words)
    assert result.exit_code == 0, result.output
    found = json.loads(report.read_text())
    assert found["command"] == "eval"
    assert [each["condition"] for each in found["results"]["cells"]] == ["nominal", "paraphrase"]
    assert [each["episodes"] for each in found["results"]["cells"]] == [2, 1]
    assert found["results"]["rows"][0]["chunk_ms"]["n"] == 100
    assert page.read_text().startswith(BEGIN)
    assert plot.exists()
    assert not (tmp_path / "matrix.json.partial").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--matrix", "--expert"), "--matrix goes with none of"),
        (("--matrix", "--variant", "int8"), "--matrix goes with none of"),
        (("--plot", "x.png"), "are for a matrix"),
        (("--nominal", 9), "are for a matrix"),
        (("--matrix", "--conditions", "nominal,dark"), '"dark" is not known'),
        (("--matrix", "--variants", ","), "names nothing"),
        (("--suite", "kitchen"), "so101-tabletop-extended"),
    ],
)
def test_what_cannot_be_meant_is_refused(words, said):
    result = run(*words)
    assert result.exception.exit_code == 2
    assert said in str(result.exception)
