"""Export: a graph that does not compute what the network does is refused."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the recipe needs torch; the runtime does not")

from edgevla.bundle import load_manifest  # noqa: E402 - torch may be missing
from edgevla.distill import export as exporting  # noqa: E402
from edgevla.distill.batches import Statistics  # noqa: E402
from edgevla.distill.bundles import export_student  # noqa: E402
from edgevla.distill.driver import Driver  # noqa: E402
from edgevla.distill.export import ExportError  # noqa: E402
from edgevla.distill.sentences import LENGTH, vocabulary  # noqa: E402
from edgevla.distill.student import Student  # noqa: E402
from edgevla.sim.tasks import EXTENDED, INSTRUCTIONS  # noqa: E402

STATISTICS = Statistics(np.zeros(6), np.ones(6), np.full(6, 0.01), np.full(6, 0.1))


@pytest.fixture(scope="module")
def student():
    torch.manual_seed(0)
    return Student(len(vocabulary()))


def test_the_bundle_is_whole(student, tmp_path):
    assert export_student(tmp_path, "a name", student, STATISTICS) < 1e-4
    manifest = load_manifest(tmp_path).manifest
    assert manifest.name == "a name"
    assert [spec.name for spec in manifest.inputs] == ["front", "state", "tokens"]
    assert (manifest.action.horizon, manifest.action.rate_hz, manifest.action.kind) == (12, 10.0, "delta")
    assert manifest.language.length == LENGTH
    assert manifest.language.instructions == EXTENDED
    assert (tmp_path / "vocabulary.txt").read_text().split("\n")[:-1] == list(vocabulary())


def test_words_of_instructions_that_were_not_taught_are_refused(student, tmp_path):
    export_student(tmp_path, "a name", student, STATISTICS, INSTRUCTIONS)
    entries = (tmp_path / "vocabulary.txt").read_text().splitlines()
    assert len(entries) == len(vocabulary())
    assert entries.index("push") == vocabulary().index("push")
    driver, picture = Driver(tmp_path), np.full((96, 96, 3), 128, np.uint8)
    driver.plan({"front": picture}, np.zeros(6), "push the red block left", 0.0)
    assert driver.invalid == 0
    driver.plan({"front": picture}, np.zeros(6), "grasp the red block", 0.1)
    assert driver.invalid == 1


def test_a_graph_that_differs_is_refused(student, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "_AGREE", -1.0)
    with pytest.raises(ExportError, match="differs"):
        export_student(tmp_path, "a name", student, STATISTICS)


def test_a_student_of_two_cameras_is_a_bundle_that_asks_for_both(tmp_path):
    torch.manual_seed(0)
    assert export_student(tmp_path, "a name", Student(len(vocabulary()), wrist=True), STATISTICS) < 1e-4
    driver = Driver(tmp_path)
    assert driver.cameras == ("front", "wrist")
    dark, light = (np.full((96, 96, 3), value, np.uint8) for value in (20, 230))
    light[:40] = 60
    plans = [
        driver.plan({"front": dark, "wrist": wrist}, np.zeros(6), "grasp the red block", 0.0) for wrist in (dark, light)
    ]
    assert driver.invalid == 0
    assert np.abs(plans[0] - plans[1]).max() > 1e-6
