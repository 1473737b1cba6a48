"""INT8 from rows: whole episodes as a calibration set, and a bundle that gains a variant."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the recipe needs torch; the runtime does not")

from rich.progress import Progress  # noqa: E402 - torch may be missing

from edgevla.bundle import load_manifest  # noqa: E402
from edgevla.calibration_set import load_set  # noqa: E402
from edgevla.distill import int8  # noqa: E402
from edgevla.distill.batches import Statistics  # noqa: E402
from edgevla.distill.bundles import export_student  # noqa: E402
from edgevla.distill.int8 import observe, quantise_bundle  # noqa: E402
from edgevla.distill.sentences import vocabulary  # noqa: E402
from edgevla.distill.student import Student  # noqa: E402
from edgevla.quantize.quantise import Settings  # noqa: E402
from edgevla.sim.tasks import EXTENDED  # noqa: E402


@pytest.fixture
def bundle(rows, tmp_path):
    torch.manual_seed(0)
    export_student(tmp_path / "bundle", "student", Student(len(vocabulary())).eval(), Statistics.of(rows))
    return tmp_path / "bundle"


def test_a_set_holds_whole_episodes_in_order(bundle, rows, tmp_path):
    taken = load_set(observe(bundle, rows, count=15, seed=0, folder=tmp_path / "set"))
    assert len(taken) == 20, "two episodes of ten"
    times = np.array([item.t_s for item in taken.manifest.items])
    assert np.diff(times)[np.arange(19) != 9] == pytest.approx(0.1, abs=1e-6)
    assert np.diff(times)[9] > 10.0
    first = taken.observation(0)
    row = int(np.flatnonzero((rows.state_rad == first.state_rad.astype(np.float32)).all(1))[0])
    assert np.array_equal(first.images["front"], rows.front[row])
    assert first.instruction == EXTENDED[rows.task[row]]


def test_another_seed_takes_other_episodes_and_a_set_is_taken_once(bundle, rows, tmp_path, monkeypatch):
    one = load_set(observe(bundle, rows, count=10, seed=0, folder=tmp_path / "one")).manifest.items
    two = load_set(observe(bundle, rows, count=10, seed=2, folder=tmp_path / "two")).manifest.items
    assert {item.sha256 for item in one}.isdisjoint({item.sha256 for item in two})
    monkeypatch.setattr(int8, "save_item", lambda *_: pytest.fail("taken again"))
    observe(bundle, rows, count=10, seed=0, folder=tmp_path / "one")


def test_a_bundle_gains_its_int8_variant(bundle, rows, tmp_path, monkeypatch):
    monkeypatch.setattr(int8, "Settings", lambda **_: Settings(method="minmax", smoothing=0.0, searched_on=4))
    sets = [observe(bundle, rows, count=40, seed=seed, folder=tmp_path / str(seed)) for seed in (0, 1)]
    with Progress(disable=True) as progress:
        (outcome,) = quantise_bundle(bundle, ["int8"], *sets, search_on=4, progress=progress)
    assert set(load_manifest(bundle).manifest.graphs) == {"fp32", "int8"}
    assert outcome.bytes_int8 < 0.5 * outcome.bytes_float
