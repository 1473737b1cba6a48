"""A plan is run cell by cell, goes on where it was interrupted, and ends up as a table."""

import msgspec
import pytest

from edgevla.config.problems import ConfigError
from edgevla.evaluate.faults import runner
from edgevla.evaluate.faults.load import MATRIX
from edgevla.evaluate.faults.markdown import BEGIN, END, write_matrix
from edgevla.evaluate.faults.runner import CellUnknown, FaultOptions, run_faults
from edgevla.evaluate.faults.verdict import CellResult
from edgevla.shipped import shipped

ROBOT_YAML = shipped("so101-tabletop") / "robot.yaml"


def row(name, problems=()):
    return CellResult(
        fault=name,
        broken=("bus off",),
        detected_ms=43.5,
        ended_ms=60.0,
        stopped_ms=None,
        excursion=0.989,
        mode="fault",
        reason="serial lost | nobody answers",
        expected=("fault",),
        problems=problems,
        phase_s=1.0,
        goals=100,
    )


@pytest.fixture
def tried(monkeypatch):
    """Names of the cells that were run, without a robot."""
    names = []

    def run_cell(cell, stand, draw):
        names.append(cell.name)
        return row(cell.name)

    monkeypatch.setattr(runner, "run_cell", run_cell)
    monkeypatch.setattr(runner, "_stand", lambda *_: __import__("contextlib").nullcontext())
    return names


def options(tmp_path, **changes):
    fields = {"plan": MATRIX, "robot_path": None, "overrides": {}, "only": ("bus",), "seed": 7}
    return FaultOptions(**{**fields, "report": tmp_path, "done": tmp_path / "done", **changes})


def run(tmp_path, **changes):
    seen = []
    report = run_faults(options(tmp_path, **changes), lambda each, total: seen.append((each, total)))
    return report["results"], seen


def test_only_the_cells_asked_for_are_tried_and_each_is_told(tried, tmp_path):
    results, seen = run(tmp_path)
    assert [cell["fault"] for cell in results["cells"]] == tried
    assert all("bus" in name for name in tried)
    assert [total for _, total in seen] == [len(tried)] * (len(tried) + 1)
    assert results["failed"] == 0


def test_a_name_that_no_cell_has_is_refused_with_those_there_are(tried, tmp_path):
    with pytest.raises(CellUnknown, match='"earthquake"'):
        run(tmp_path, only=("earthquake",))


def test_an_interrupted_run_goes_on_where_it_was(tried, tmp_path):
    run(tmp_path)
    first = list(tried)
    lines = (tmp_path / "done").read_bytes().splitlines(keepends=True)
    (tmp_path / "done").write_bytes(b"".join(lines[:2]) + lines[2][:20])
    tried.clear()
    results, seen = run(tmp_path)
    assert tried == first[1:]
    assert [cell["fault"] for cell in results["cells"]] == first
    assert seen[1][0].fault == first[0]


@pytest.mark.parametrize("changes", [{"seed": 8}, {"overrides": {"name": "another"}}])
def test_rows_of_another_seed_or_robot_are_not_taken_over(tried, tmp_path, changes):
    run(tmp_path)
    first = list(tried)
    run(tmp_path, **changes)
    assert tried == first * 2


def test_a_real_robot_skips_what_only_the_simulated_one_plays_and_says_so(tried, tmp_path):
    results, _ = run(tmp_path, robot_path=ROBOT_YAML, only=("bus silent", "policy killed", "disk full"))
    assert tried == ["policy killed", "disk full", "disk full, and a fault to write down"]
    assert results["skipped"] == ["bus silent", "bus silent for a tick"]


def test_a_plan_that_cannot_be_read_is_refused_before_anything_starts(tried, tmp_path):
    (tmp_path / "plan.yaml").write_text("format: edgevla-faults/1\nname: mine\ncells: []\nspeed: 3\n")
    with pytest.raises(ConfigError, match=r"plan\.yaml:4.*unknown key"):
        run(tmp_path, plan=tmp_path / "plan.yaml", only=())


def report(*rows):
    cells = [msgspec.to_builtins(each) for each in rows]
    results = {"cells": cells, "failed": sum(bool(each.problems) for each in rows), "seed": 7, "simulated": True}
    return {"results": results, "device": {"cores": 2, "cpu": "a CPU"}, "started": "2026-01-02T03:04:05"}


def test_the_table_replaces_the_one_between_its_marks_and_nothing_else(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(f"# Latency\n\nwords\n\n{BEGIN}\nold\n{END}\n\nmore words\n")
    write_matrix(path, report(row("bus silent"), row("bus noisy", problems=("ended engaged",))))
    text = path.read_text()
    assert text.startswith("# Latency\n\nwords\n\n")
    assert text.endswith(f"{END}\n\nmore words\n")
    assert "old" not in text
    assert "| bus silent | 44 | 60 | goes on | 0.99 | fault | serial lost / nobody answers |" in text
    assert "not as expected** |" in text
    write_matrix(path, report(row("bus silent")))
    assert path.read_text().count(BEGIN) == 1


def test_a_file_without_the_marks_gets_the_table_at_its_end(tmp_path):
    path = tmp_path / "README.md"
    write_matrix(path, report(row("bus silent")))
    assert path.read_text().startswith(BEGIN)
    path.write_text("# Latency\n")
    write_matrix(path, report(row("bus silent")))
    assert path.read_text().startswith(f"# Latency\n\n{BEGIN}\n")
