"""A set grows on disk, is whole at every moment, and goes on where it was left."""

import json

import numpy as np
import pytest

from edgevla.calibrate.collector import Collector
from edgevla.calibrate.errors import CalibrationError
from edgevla.calibration_set import CalibrationSetError, Resolution, check_set_fits, load_set
from tests.calibrate.conftest import SIDE, observation

STARTED = "2026-01-01T00:00:00+00:00"


@pytest.fixture
def begin(tmp_path, bundle, cameras):
    def make(folder="set", keep=4, source="recorded", cameras=cameras):
        return Collector(tmp_path / folder, bundle, cameras, source, keep, STARTED)

    return make


def test_what_is_offered_is_kept_as_it_was(begin, tmp_path, bundle):
    collector = begin()
    offered = [observation(seed) for seed in range(3)]
    assert [collector.offer(each).kept for each in offered] == [True] * 3
    found = load_set(tmp_path / "set")
    check_set_fits(found, bundle)
    assert found.manifest.source == "recorded"
    assert found.manifest.started == STARTED
    for kept, original in zip(found, offered, strict=True):
        assert np.array_equal(kept.images["front"], original.images["front"])
        assert np.array_equal(kept.state_rad, original.state_rad)
        assert (kept.t_obs_s, kept.instruction) == (original.t_obs_s, original.instruction)


def test_a_full_set_stays_full_and_leaves_nothing_beside_it(begin, tmp_path):
    collector = begin(keep=4)
    for seed in range(40):
        collector.offer(observation(seed))
    assert (collector.kept, collector.seen) == (4, 40)
    found = load_set(tmp_path / "set")
    assert len(list(found)) == 4
    assert {path.name for path in (tmp_path / "set").iterdir()} == {
        "manifest.json",
        *(item.file for item in found.manifest.items),
    }


def test_refusals_are_counted_by_reason_and_written_down(begin, tmp_path):
    collector = begin()
    collector.offer(observation(0))
    black = {"front": np.zeros((SIDE, SIDE, 3), np.uint8)}
    assert collector.offer(observation(1, images=black)).refused == "front: black"
    collector.offer(observation(2, state_rad=np.full(6, np.nan)))
    collector.save()
    assert load_set(tmp_path / "set").manifest.refused == {"front: black": 1, "joints: not finite": 1}
    assert load_set(tmp_path / "set").manifest.seen == 3


def test_an_interrupted_capture_goes_on(begin, tmp_path):
    first = begin(keep=6)
    for seed in range(3):
        first.offer(observation(seed))
    (tmp_path / "set" / "item-000099.npz").write_bytes(b"written, and then the power was cut")
    second = begin(keep=6)
    assert (second.kept, second.seen) == (3, 3)
    second.offer(observation(2))  # the same again adds nothing
    for seed in range(3, 5):
        second.offer(observation(seed))
    found = load_set(tmp_path / "set")
    assert [item.t_s for item in found.manifest.items] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert len(list(found)) == 5
    assert not (tmp_path / "set" / "item-000099.npz").exists()


@pytest.mark.parametrize(
    ("again", "words"),
    [
        ({"source": "robot"}, "its source is recorded, not robot"),
        ({"cameras": {"front": Resolution(height=SIDE, width=96)}}, "its cameras is front 48x48, not front 96x48"),
        ({"keep": 2}, "holds 3 observations, more than 2"),
    ],
)
def test_a_set_of_another_kind_is_left_alone(begin, tmp_path, again, words):
    collector = begin()
    for seed in range(3):
        collector.offer(observation(seed))
    before = (tmp_path / "set" / "manifest.json").read_bytes()
    with pytest.raises(CalibrationError, match=words):
        begin(**again)
    assert (tmp_path / "set" / "manifest.json").read_bytes() == before


def test_a_set_for_other_inputs_is_left_alone(begin, tmp_path):
    begin().offer(observation(0))
    path = tmp_path / "set" / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "inputs_sha256": "0" * 64}))
    with pytest.raises(CalibrationSetError, match="was taken for inputs 000000000000"):
        begin()


def test_a_folder_with_something_else_in_it_is_left_alone(begin, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "thesis.tex").write_text("precious")
    with pytest.raises(CalibrationError, match=r"is not empty and holds no manifest\.json"):
        begin()


def test_a_camera_that_the_policy_needs_and_nobody_has_is_named(begin):
    with pytest.raises(CalibrationError, match="looks through camera front; there are: wrist"):
        begin(cameras={"wrist": Resolution(height=SIDE, width=SIDE)})


def test_a_set_is_whole_even_when_taking_it_up_is_interrupted(begin, tmp_path, monkeypatch):
    """Two items alike, of which one is dropped: its file goes only after the manifest has forgotten it."""
    first = begin(keep=6)
    for seed in range(3):
        first.offer(observation(seed))
    path = tmp_path / "set" / "manifest.json"
    manifest = json.loads(path.read_text())
    copy = {**manifest["items"][0], "file": "item-000007.npz"}
    (tmp_path / "set" / copy["file"]).write_bytes((tmp_path / "set" / manifest["items"][0]["file"]).read_bytes())
    path.write_text(json.dumps({**manifest, "items": [*manifest["items"], copy]}))

    def interrupted(collector):
        raise KeyboardInterrupt

    monkeypatch.setattr(Collector, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        begin(keep=6)
    assert len(list(load_set(tmp_path / "set"))) == 4
    monkeypatch.undo()
    assert begin(keep=6).kept == 3
    assert not (tmp_path / "set" / copy["file"]).exists()
