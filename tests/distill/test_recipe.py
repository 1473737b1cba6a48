"""The recipe: which stage feeds which, what is left behind, and that nothing is done twice."""

import json
from dataclasses import asdict

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the recipe needs torch; the runtime does not")

from rich.progress import Progress  # noqa: E402 - torch may be missing

from edgevla.bundle import load_manifest  # noqa: E402
from edgevla.distill import recipe, student, teacher  # noqa: E402
from edgevla.distill import train as training  # noqa: E402
from edgevla.distill.recipe import FAMILIES, Plan, Recipe  # noqa: E402
from edgevla.quantize.deviation import Deviation, Spread  # noqa: E402
from edgevla.shipped import shipped  # noqa: E402

PLAN = Plan(episodes=1, corrected=1, teacher_steps=1, student_steps=1, last_steps=1, rounded_steps=1, head_steps=1)


class Made:
    """What quantising would answer."""

    held_out = Deviation(observations=1, joints=(), cosine=Spread(mean=1.0, median=1.0, min=1.0), gripper_flips=0.0)


@pytest.fixture
def collected(rows, monkeypatch):
    """Stands in for the simulator and the quantiser; notes what was asked for."""
    calls = []

    def collect(folder, episodes, *, robot, seed, driver, workers, ray, progress):
        calls.append((folder.name, episodes, seed, driver and load_manifest(driver).manifest.family))
        folder.mkdir(parents=True, exist_ok=True)
        shard = folder / "shard-0000.npz"
        if not shard.exists():
            np.savez(shard, **asdict(rows))
        return (shard,)

    monkeypatch.setattr(teacher, "BATCH", 2)
    monkeypatch.setattr(student, "BATCH", 2)
    monkeypatch.setattr(recipe, "collect", collect)
    monkeypatch.setattr(recipe, "observe", lambda *_, **__: None)
    monkeypatch.setattr(recipe, "quantise_bundle", lambda *_, **__: (Made(),))
    monkeypatch.setattr(Deviation, "worst_rad", 0.01)
    monkeypatch.setattr(Deviation, "mean_rad", 0.001)
    return calls


def run(work, stage, *arguments, **options):
    torch.set_num_threads(1)
    robot = shipped("so101-tabletop") / "robot.yaml"
    with Progress(disable=True) as progress:
        made = Recipe(work, PLAN, seed=5, robot=robot, workers=1, progress=progress, **options)
        return getattr(made, stage)(*arguments)


def test_a_student_drives_the_second_collection_and_learns_from_both(collected, rows, tmp_path):
    _, seen, labels = run(tmp_path, "student")
    assert ("demonstrations", 1, 5, None) in collected
    assert collected[-1] == ("corrections", 1, 6, "regression")
    assert len(seen) == len(labels.plan_rad) == 2 * len(rows)


def test_a_family_leaves_a_bundle_that_says_how_it_came_about(collected, rows, tmp_path):
    out = run(tmp_path / "work", "bundle", "flow", tmp_path / "flow")
    assert load_manifest(out).manifest.steps == {"fp32": "step.onnx"}
    log = json.loads((out / "log.json").read_text())
    assert log["rows"] == 2 * len(rows)
    assert set(log["stages"]) == {"demonstrations", "teacher", "student-0", "corrections", "student-1", "flow"}
    assert all(stage["minutes"] >= 0.0 for stage in log["stages"].values())
    assert "flow matching" in (out / "README.md").read_text()


def test_the_student_itself_is_one_of_the_families(collected, tmp_path):
    assert "regression" in FAMILIES
    out = run(tmp_path / "work", "bundle", "regression", tmp_path / "regression")
    assert load_manifest(out).manifest.family == "regression"


def test_a_second_run_finds_everything_trained(collected, tmp_path, monkeypatch):
    first, _, _ = run(tmp_path, "student")
    monkeypatch.setattr(training.Training, "step", lambda *_: pytest.fail("trained again"))
    again, _, _ = run(tmp_path, "student")
    assert all(torch.equal(one, two) for one, two in zip(first.parameters(), again.parameters(), strict=True))


def test_training_can_end_with_the_rounding_of_int8_in_it(collected, tmp_path):
    rounded, _, _ = run(tmp_path, "student", qat=True)
    weight = rounded.head[0].weight.detach()
    steps = weight / (weight.abs().amax(1, keepdim=True) / 127)
    assert (steps - steps.round()).abs().max() < 1e-2
    assert not any("parametrizations" in name for name in rounded.state_dict())
