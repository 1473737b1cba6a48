"""`edgevla faults` as a user types it: nothing is broken before every word is understood."""

import json
import sys

import pytest

from edgevla import cli
from edgevla.evaluate.faults import runner
from edgevla.evaluate.faults.load import MATRIX
from edgevla.runtime.report import envelope
from edgevla.shipped import shipped


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["edgevla", "faults", *map(str, words)])
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)  # SIGTERM stays pytest's
    with pytest.raises(SystemExit) as left:
        cli.main()
    return left.value.code


@pytest.fixture
def measured(monkeypatch):
    """A report without a robot; set `failed` in it to have the robot fail."""
    cell = {"fault": "bus silent", "detected_ms": 43.0, "ended_ms": 43.0, "stopped_ms": None, "excursion": 0.99}
    cell |= {"mode": "fault", "reason": "serial lost", "problems": [], "broken": ["bus off"]}
    results = {"cells": [cell], "failed": 0, "skipped": [], "seed": 7, "simulated": True}
    seen = []

    def run_faults(options, progress):
        seen.append(options)
        return envelope("faults", "2026-01-02T03:04:05", results)

    monkeypatch.setattr(runner, "run_faults", run_faults)
    return results, seen


def test_a_real_robot_needs_both_words(monkeypatch, capsys):
    assert run(monkeypatch, "--robot", shipped("so101-tabletop") / "robot.yaml") == 2
    assert "--on-real-hardware" in capsys.readouterr().err
    assert run(monkeypatch, "--on-real-hardware") == 2


def test_a_plan_with_a_wrong_word_is_named_by_its_line(monkeypatch, capsys, tmp_path):
    plan = tmp_path / "plan.yaml"
    plan.write_text(MATRIX.read_text().replace("kind: off}", "kind: of}", 1))
    assert run(monkeypatch, plan, "--report", tmp_path) == 2
    message = capsys.readouterr().err
    assert "plan.yaml:" in message
    assert '"of"' in message
    assert '"off"' in message


def test_the_table_is_printed_and_written_where_asked(monkeypatch, capsys, tmp_path, measured):
    _, seen = measured
    paths = {"--json": tmp_path / "out.json", "--markdown": tmp_path / "table.md", "--report": tmp_path}
    words = [word for pair in paths.items() for word in pair]
    assert run(monkeypatch, *words, "--only", "bus", "--seed", 3) == 0
    assert "as expected" in capsys.readouterr().out
    assert json.loads(paths["--json"].read_text())["results"]["cells"][0]["fault"] == "bus silent"
    assert "| bus silent |" in paths["--markdown"].read_text()
    assert (seen[0].only, seen[0].seed, seen[0].plan) == (("bus",), 3, MATRIX)


def test_a_cell_that_ends_otherwise_fails_the_command(monkeypatch, capsys, tmp_path, measured):
    results, _ = measured
    results["failed"] = 1
    results["cells"][0]["problems"] = ["ended engaged, expected fault"]
    assert run(monkeypatch, "--report", tmp_path) == 1
    assert "1 of 1 faults did not end as the plan expects" in capsys.readouterr().err.replace("\n", " ")
