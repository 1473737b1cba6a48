"""The recipe: which stage feeds which, what is left behind, and that nothing is done twice."""

import json
from contextlib import contextmanager
from dataclasses import asdict, replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the recipe needs torch; the runtime does not")

from rich.progress import Progress  # noqa: E402 - torch may be missing

from edgevla.bundle import load_manifest  # noqa: E402
from edgevla.distill import recipe, release, student, teacher  # noqa: E402
from edgevla.distill import train as training  # noqa: E402
from edgevla.distill.plan import PLANS, Plan  # noqa: E402
from edgevla.distill.recipe import Recipe  # noqa: E402
from edgevla.distill.release import FAMILIES  # noqa: E402
from edgevla.distill.work import WorkError  # noqa: E402
from edgevla.quantize.deviation import Deviation, Spread  # noqa: E402
from edgevla.shipped import shipped  # noqa: E402

PLAN = Plan(episodes=1, corrected=(1,), teacher_steps=1, student_steps=1, last_steps=1, rounded_steps=1, head_steps=1)


class Made:
    """What quantising would answer."""

    held_out = Deviation(observations=1, joints=(), cosine=Spread(mean=1.0, median=1.0, min=1.0), gripper_flips=0.0)


@pytest.fixture
def collected(rows, monkeypatch):
    """Stands in for the simulator and the quantiser; notes what was asked for."""
    calls = []

    def collect(folder, episodes, *, instructions, robot, seed, driver, workers, ray, progress):
        calls.append((folder.name, episodes, seed, driver and load_manifest(driver).manifest.family))
        folder.mkdir(parents=True, exist_ok=True)
        shard = folder / "shard-0000.npz"
        if not shard.exists():
            np.savez(shard, **asdict(rows))
        return (shard,)

    monkeypatch.setattr(teacher, "BATCH", 2)
    monkeypatch.setattr(student, "BATCH", 2)
    monkeypatch.setattr(recipe, "collect", collect)
    monkeypatch.setattr(release, "observe", lambda *_, **__: None)
    monkeypatch.setattr(release, "quantise_bundle", lambda *_, **__: (Made(),))
    monkeypatch.setattr(Deviation, "worst_rad", 0.01)
    monkeypatch.setattr(Deviation, "mean_rad", 0.001)
    return calls


@contextmanager
def begun(work, plan=PLAN, **options):
    robot = shipped("so101-tabletop") / "robot.yaml"
    with Progress(disable=True) as progress:
        yield Recipe(work, plan, seed=5, robot=robot, workers=1, progress=progress, **options)


def student_of(work, **options):
    with begun(work, **options) as made:
        return made.student()


def released(work, *names, **options):
    with begun(work, **options) as made:
        return dict(release.release(made, names))


def test_a_student_drives_the_second_collection_and_learns_from_both(collected, rows, tmp_path):
    _, seen, labels = student_of(tmp_path)
    assert ("demonstrations", 1, 5, None) in collected
    assert collected[-1] == ("corrections-1", 1, 6, "regression")
    assert len(seen) == len(labels.plan_rad) == 2 * len(rows)


def test_every_round_of_corrections_is_driven_by_the_student_before_it(collected, rows, tmp_path, monkeypatch):
    starts = []
    monkeypatch.setattr(recipe, "load_averaged", lambda network, path: starts.append(path.stem) or network)
    with begun(tmp_path, replace(PLAN, corrected=(1, 2))) as made:
        _, seen, labels = made.student()
        assert made.stages[-4:] == ["corrections-1", "student-1", "corrections-2", "student-2"]
    assert [call for call in collected if call[0] != "demonstrations"] == [
        ("corrections-1", 1, 6, "regression"),
        ("corrections-2", 2, 7, "regression"),
    ]
    assert starts == ["student-0", "student-1"]
    assert {path.parent.name for path in tmp_path.glob("seed-5/student-*/policy.yaml")} == {"student-0", "student-1"}
    assert len(seen) == len(labels.plan_rad) == 3 * len(rows)


def test_a_family_leaves_a_bundle_that_says_how_it_came_about(collected, rows, tmp_path):
    out = released(tmp_path, "flow")["flow"]
    assert load_manifest(out).manifest.steps == {"fp32": "step.onnx"}
    log = json.loads((out / "log.json").read_text())
    assert log["rows"] == 2 * len(rows)
    assert set(log["stages"]) == {"demonstrations", "teacher", "student-0", "corrections-1", "student-1", "flow"}
    assert all(stage["minutes"] >= 0.0 for stage in log["stages"].values())
    assert "flow matching" in (out / "README.md").read_text()


def test_the_student_itself_is_one_of_the_families(collected, tmp_path):
    assert "regression" in FAMILIES
    out = released(tmp_path, "regression")["regression"]
    assert load_manifest(out).manifest.family == "regression"


def test_a_second_run_finds_everything_trained(collected, tmp_path, monkeypatch):
    first, _, _ = student_of(tmp_path)
    monkeypatch.setattr(training.Training, "step", lambda *_: pytest.fail("trained again"))
    again, _, _ = student_of(tmp_path)
    assert all(torch.equal(one, two) for one, two in zip(first.parameters(), again.parameters(), strict=True))


def test_training_can_end_with_the_rounding_of_int8_in_it(collected, tmp_path):
    rounded, _, _ = student_of(tmp_path, qat=True)
    weight = rounded.head[0].weight.detach()
    steps = weight / (weight.abs().amax(1, keepdim=True) / 127)
    assert (steps - steps.round()).abs().max() < 1e-2
    assert not any("parametrizations" in name for name in rounded.state_dict())


def test_rounding_is_trained_on_inputs_of_the_size_they_have(collected, tmp_path, monkeypatch):
    unround = recipe.unround_layers
    sizes = []
    monkeypatch.setattr(
        recipe,
        "unround_layers",
        lambda network: sizes.extend(
            float(layer.rounding.largest) for layer in network.modules() if hasattr(layer, "rounding")
        )
        or unround(network),
    )
    student_of(tmp_path, qat=True)
    assert sum(size > 0.0 for size in sizes) > 10, "a rounding that has seen nothing makes everything 0"


def test_what_stands_on_a_rounded_student_is_not_what_stands_on_the_other(collected, tmp_path):
    exact = released(tmp_path, "recurrent")["recurrent"]
    rounded = released(tmp_path, "recurrent", qat=True)["recurrent"]
    graphs = [(folder / "policy.onnx").read_bytes() for folder in (exact, rounded)]
    assert exact != rounded
    assert graphs[0] != graphs[1]
    assert "student-rounded" in json.loads((rounded / "log.json").read_text())["stages"]


def test_a_family_that_is_there_is_not_made_again_and_one_that_was_interrupted_is(collected, tmp_path, monkeypatch):
    out = released(tmp_path, "recurrent")["recurrent"]
    made = (out / "policy.onnx").read_bytes()
    monkeypatch.setattr(release, "_make", lambda *_: pytest.fail("made again"))
    released(tmp_path, "recurrent")
    monkeypatch.undo()
    monkeypatch.setattr(release, "observe", lambda *_, **__: None)
    monkeypatch.setattr(release, "quantise_bundle", lambda *_, **__: (Made(),))
    monkeypatch.setattr(Deviation, "worst_rad", 0.01)
    monkeypatch.setattr(Deviation, "mean_rad", 0.001)
    (out / "log.json").unlink()
    assert (released(tmp_path, "recurrent")["recurrent"] / "policy.onnx").read_bytes() == made


def test_checkpoints_of_another_plan_are_refused(collected, tmp_path):
    student_of(tmp_path)
    with pytest.raises(WorkError, match="was begun with student_steps 1, now it is 2"):
        student_of(tmp_path, plan=replace(PLAN, student_steps=2))


def test_a_folder_of_before_plans_were_written_down_is_refused(tmp_path):
    (tmp_path / "seed-5").mkdir()
    (tmp_path / "seed-5" / "teacher.pt").touch()
    with pytest.raises(WorkError, match=r"no recipe\.json"), begun(tmp_path):
        pass


def test_tasks_that_carry_are_seen_through_both_cameras(collected, tmp_path):
    plan = PLANS["so101-tabletop-extended"]
    assert any(sentence.startswith("put") for sentence in plan.instructions)
    small = replace(PLAN, instructions=plan.instructions, wrist=plan.wrist)
    student, _, _ = student_of(tmp_path, plan=small)
    assert student.encoder.cameras == ("front", "wrist")
    out = released(tmp_path, "flow", plan=small)["flow"]
    manifest = load_manifest(out).manifest
    assert [spec.name for spec in manifest.inputs] == ["front", "wrist", "state", "tokens"]
    assert manifest.language.instructions == plan.instructions
