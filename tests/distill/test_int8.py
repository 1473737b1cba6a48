"""INT8 from rows: a calibration set of rows or, where a policy remembers, of episodes; a bundle gains a variant."""

from dataclasses import asdict

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the recipe needs torch; the runtime does not")

from rich.progress import Progress  # noqa: E402 - torch may be missing

from edgevla.bundle import load_manifest  # noqa: E402
from edgevla.calibration_set import load_set  # noqa: E402
from edgevla.distill import int8  # noqa: E402
from edgevla.distill.batches import Statistics  # noqa: E402
from edgevla.distill.bundles import export_family, export_student  # noqa: E402
from edgevla.distill.families.recurrent import RecurrentFamily  # noqa: E402
from edgevla.distill.features import Features  # noqa: E402
from edgevla.distill.int8 import observe, quantise_bundle  # noqa: E402
from edgevla.distill.sentences import vocabulary  # noqa: E402
from edgevla.distill.store import Rows  # noqa: E402
from edgevla.distill.student import FEATURE, Encoder, Student  # noqa: E402
from edgevla.quantize.quantise import Settings  # noqa: E402
from edgevla.sim.tasks import EXTENDED  # noqa: E402


@pytest.fixture
def bundle(rows, tmp_path):
    torch.manual_seed(0)
    export_student(tmp_path / "bundle", "student", Student(len(vocabulary())).eval(), Statistics.of(rows))
    return tmp_path / "bundle"


@pytest.fixture
def remembering(rows, tmp_path):
    torch.manual_seed(0)
    nothing = np.zeros((1, len(rows), FEATURE), np.float16)
    features = Features(nothing, np.ones((1, len(rows), 12, 6), np.float32), nothing[0, :1], np.zeros(len(rows), int))
    family, statistics = RecurrentFamily(features, Statistics.of(rows)), Statistics.of(rows)
    encoder = Encoder(len(vocabulary())).eval()
    export_family(tmp_path / "recurrent", "recurrent", family, encoder, family.head().eval(), statistics)
    return tmp_path / "recurrent"


def seen(taken, rows):
    """Which row each observation of a set is."""
    states = [taken.observation(index).state_rad.astype(np.float32) for index in range(len(taken))]
    return np.array([int(np.flatnonzero((rows.state_rad == state).all(1))[0]) for state in states])


def test_a_set_for_a_policy_that_remembers_holds_whole_episodes_in_order(remembering, rows, tmp_path):
    taken = load_set(observe(remembering, rows, count=15, seed=0, held_out=False, folder=tmp_path / "set"))
    assert len(taken) == 20, "two episodes of ten"
    assert (np.diff(seen(taken, rows))[np.arange(19) != 9] == 1).all()
    times = np.array([item.t_s for item in taken.manifest.items])
    assert np.diff(times)[np.arange(19) != 9] == pytest.approx(0.1, abs=1e-6)
    assert np.diff(times)[9] > 10.0


def test_a_set_for_another_policy_holds_single_rows_from_everywhere(bundle, rows, tmp_path):
    taken = load_set(observe(bundle, rows, count=15, seed=0, held_out=False, folder=tmp_path / "set"))
    found = seen(taken, rows)
    assert len(set(found)) == 15
    assert len(set(rows.episode[found])) > 1
    assert (np.diff([item.t_s for item in taken.manifest.items]) > 10.0).all(), "nobody remembers across"
    first = taken.observation(0)
    assert np.array_equal(first.images["front"], rows.front[found[0]])
    assert first.instruction == EXTENDED[rows.task[found[0]]]


def test_the_two_kinds_of_set_do_not_meet_in_one_folder(bundle, remembering, rows, tmp_path):
    sets = [
        observe(each, rows, count=10, seed=0, held_out=False, folder=tmp_path / "set") for each in (bundle, remembering)
    ]
    assert sets[0] != sets[1]


@pytest.mark.parametrize("which", ["bundle", "remembering"])
def test_what_judges_comes_from_episodes_that_nothing_was_chosen_by(which, rows, tmp_path, request):
    bundle = request.getfixturevalue(which)
    chosen, judging = (
        observe(bundle, rows, count=20, seed=0, held_out=part, folder=tmp_path / str(part)) for part in (False, True)
    )
    episodes = [set(rows.episode[seen(load_set(folder), rows)]) for folder in (chosen, judging)]
    assert not episodes[0] & episodes[1]


def test_another_seed_takes_other_rows_and_a_set_is_taken_once(bundle, rows, tmp_path, monkeypatch):
    one = load_set(observe(bundle, rows, count=10, seed=0, held_out=False, folder=tmp_path / "one")).manifest.items
    two = load_set(observe(bundle, rows, count=10, seed=2, held_out=False, folder=tmp_path / "two")).manifest.items
    assert {item.sha256 for item in one} != {item.sha256 for item in two}
    monkeypatch.setattr(int8, "save_item", lambda *_: pytest.fail("taken again"))
    observe(bundle, rows, count=10, seed=0, held_out=False, folder=tmp_path / "one")


def test_a_bundle_gains_its_int8_variant(bundle, rows, tmp_path, monkeypatch):
    twice = {name: np.concatenate([values, values]) for name, values in asdict(rows).items()}
    rows = Rows(**{**twice, "episode": np.repeat(np.arange(8), 10)})
    monkeypatch.setattr(int8, "Settings", lambda **_: Settings(method="minmax", smoothing=0.0, searched_on=4))
    sets = [
        observe(bundle, rows, count=40, seed=0, held_out=part, folder=tmp_path / str(part)) for part in (False, True)
    ]
    with Progress(disable=True) as progress:
        (outcome,) = quantise_bundle(bundle, ["int8"], *sets, search_on=4, progress=progress)
    assert set(load_manifest(bundle).manifest.graphs) == {"fp32", "int8"}
    assert outcome.bytes_int8 < 0.5 * outcome.bytes_float
