"""The whole recipe, small: killed once in every stage it comes to the same bundle, bit by bit; then it is measured."""

import shutil

import pytest

torch = pytest.importorskip("torch", reason="the recipe needs torch; the runtime does not")

from rich.progress import Progress  # noqa: E402 - torch may be missing

from edgevla.bundle import load_manifest  # noqa: E402
from edgevla.distill import demonstrations, export, features, int8, measure, payoff, relabel, store  # noqa: E402
from edgevla.distill import recipe as recipes  # noqa: E402
from edgevla.distill import student as students  # noqa: E402
from edgevla.distill import teacher as teachers  # noqa: E402
from edgevla.distill import train as training  # noqa: E402
from edgevla.distill.check import Result  # noqa: E402
from edgevla.distill.families import recurrent  # noqa: E402
from edgevla.distill.plan import Plan  # noqa: E402
from edgevla.distill.recipe import Recipe  # noqa: E402
from edgevla.distill.release import release  # noqa: E402
from edgevla.quantize.quantise import Settings  # noqa: E402
from edgevla.shipped import shipped  # noqa: E402

PLAN = Plan(
    instructions=("touch the red block", "touch the green block", "touch the blue block"),
    wrist=True,
    episodes=4,
    corrected=(2,),
    teacher_steps=2,
    student_steps=2,
    last_steps=2,
    head_steps=3,
)
FAMILY = "recurrent"
# What is going on when the run is killed, and the how manyth time that is.
KILLS = {
    "gathering": (store, "kept", 3),
    "the teacher's second step": (training.Training, "step", 2),
    "writing the teacher's bundle": (export, "write_manifest", 1),
    "labelling": (relabel, "_asked", 2),
    "the student's training": (students, "student_loss", 2),
    "writing a student's bundle": (recipes, "export_student", 1),
    "looking": (features, "done_rows", 1),
    "the head's training": (recurrent, "plan_loss", 2),
    "taking observations": (int8, "save_item", 5),
    "adding the INT8 variant": (int8, "install", 1),
}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    for module in (teachers, students):
        monkeypatch.setattr(module, "BATCH", 2)
    monkeypatch.setattr(recurrent, "_BATCH", 8)
    monkeypatch.setattr(training, "_CHECKPOINT_STEPS", 1)
    monkeypatch.setattr(demonstrations, "EPISODES_PER_SHARD", 2)
    monkeypatch.setattr(relabel, "_SIZE", 32)
    monkeypatch.setattr(int8, "Settings", lambda **_: Settings(method="minmax", smoothing=0.0, searched_on=4))
    monkeypatch.setattr(int8, "shortfall", lambda *_: "")  # what has learned nothing is far off


def run(work, stage, *arguments):
    robot = shipped("so101-tabletop") / "robot.yaml"
    with Progress(disable=True) as progress:
        return stage(Recipe(work, PLAN, seed=0, robot=robot, workers=1, progress=progress), *arguments)


def made(work):
    return run(work, lambda recipe: dict(release(recipe, [FAMILY]))[FAMILY])


def kill_once(monkeypatch, module, name, time):
    original, calls = getattr(module, name), iter(range(1, time + 1))

    def killed(*arguments, **options):
        if next(calls, None) == time:
            raise KeyboardInterrupt
        return original(*arguments, **options)

    monkeypatch.setattr(module, name, killed)


def test_a_run_that_is_killed_in_every_stage_ends_in_the_same_bundle(tmp_path, monkeypatch):
    whole = made(tmp_path / "whole")
    # The simulator is slow: the expert's episodes are taken over, but one shard, as if killed while collecting.
    shutil.copytree(tmp_path / "whole" / "seed-0" / "demonstrations", tmp_path / "shards")
    with monkeypatch.context() as patches:
        for kill in KILLS.values():
            kill_once(patches, *kill)
        work, kills = tmp_path / "cut", 0
        with pytest.raises(KeyboardInterrupt), patches.context() as early:
            kill_once(early, recipes, "collect", 1)
            run(work, Recipe.demonstrations)
        shutil.copytree(tmp_path / "shards", work / "seed-0" / "demonstrations")
        (work / "seed-0" / "demonstrations" / "shard-0001.npz").unlink()
        cut = None
        while cut is None:
            try:
                cut = made(work)
            except KeyboardInterrupt:
                kills += 1
                assert not list(work.rglob("policy.int8.onnx")), "nothing passes for finished"
    assert kills == len(KILLS)
    assert set(load_manifest(cut).manifest.graphs) == {"fp32", "int8"}
    for file in load_manifest(whole).manifest.files:
        assert (cut / file).read_bytes() == (whole / file).read_bytes(), file

    judged = run(tmp_path / "whole", measure.measure_sensitivity, [FAMILY], measure.Effort(pairs=1))
    assert [(row["policy"], row["variant"], row["pairs"]) for row in judged] == [
        ("teacher", "fp32", 1),
        (FAMILY, "fp32", 1),
        (FAMILY, "int8", 1),
    ]
    monkeypatch.setattr(measure, "sensitivity", lambda *_, **__: pytest.fail("judged again"))
    assert run(tmp_path / "whole", measure.measure_sensitivity, [FAMILY], measure.Effort(pairs=1)) == judged

    driven = []

    def check(folder, *, instructions, **_):
        driven.append(folder.name)
        return {name: Result(episodes=2, successes=1, chunks=9, invalid=0) for name in instructions}

    monkeypatch.setattr(payoff, "check", check)
    effort = measure.Effort(seeds=1, steps=1)
    paid = run(tmp_path / "whole", measure.measure_payoff, effort)
    assert paid == [
        {"learns from": arm, "seed": 0, "successes": 3, "episodes": 6} for arm in ("imitation", "distillation")
    ]
    assert run(tmp_path / "whole", measure.measure_payoff, effort) == paid
    assert driven == ["imitation-0", "distillation-0"], "each drives once"
