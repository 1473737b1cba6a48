"""The recipe: which stage feeds which, what is left behind, and that nothing is done twice."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the recipe needs torch; the runtime does not")

from dataclasses import asdict  # noqa: E402 - torch may be missing

from edgevla.bundle import load_manifest  # noqa: E402
from edgevla.distill import recipe  # noqa: E402
from edgevla.distill import train as training  # noqa: E402
from edgevla.distill.recipe import Plan, distill  # noqa: E402
from edgevla.sim.tasks import INSTRUCTIONS  # noqa: E402

PLAN = Plan(
    demonstrations=1, rounds=1, episodes_per_round=1, first_steps=2, round_steps=2, last_steps=2, check_episodes=1
)


@pytest.fixture
def collected(samples, monkeypatch):
    """Stands in for the simulator: hands out the same samples and notes what was asked for."""
    calls = []

    def collect(folder, episodes, *, robot, seed, driver=None, workers, progress):
        calls.append((folder.name, episodes, seed, driver and load_manifest(driver).manifest.name))
        folder.mkdir(parents=True, exist_ok=True)
        shard = folder / "shard-0000.npz"
        np.savez(shard, **asdict(samples))
        return (shard,)

    monkeypatch.setattr(training, "BATCH", 2)
    monkeypatch.setattr(recipe, "collect", collect)
    monkeypatch.setattr(recipe, "check", lambda folder, **_: dict.fromkeys(INSTRUCTIONS, 1))
    return calls


def test_a_student_drives_the_second_collection_and_learns_from_both(collected, samples, tmp_path):
    log = distill(tmp_path / "out", seed=5, work=tmp_path / "work", plan=PLAN, threads=1)
    assert collected == [("demonstrations", 1, 5, None), ("corrections-0", 1, 6, "so101-tabletop")]
    assert log.samples == 2 * len(samples)
    assert log.difference < 1e-4
    assert load_manifest(tmp_path / "out").manifest.graphs == {"fp32": "policy.onnx"}
    successes = json.loads((tmp_path / "work" / "seed-5" / "log.json").read_text())["successes"]
    assert successes == dict.fromkeys(INSTRUCTIONS, 1)


def test_a_second_run_finds_the_students_trained(collected, tmp_path, monkeypatch):
    first = distill(tmp_path / "out", work=tmp_path / "work", plan=PLAN, threads=1)
    monkeypatch.setattr(training.Training, "step", lambda *_: pytest.fail("trained again"))
    again = distill(tmp_path / "out", work=tmp_path / "work", plan=PLAN, threads=1)
    assert again.loss == first.loss
