"""Recordings become a dataset in LeRobot's layout: every frame, every pixel, and where the policy was overruled."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

pytest.importorskip("pyarrow")

import pyarrow.parquet as pq

from edgevla.messages import Event, TickRecord
from edgevla.runtime.recording import log as logs
from edgevla.runtime.recording.export import ExportRefused, export
from edgevla.runtime.recording.log import LogError
from edgevla.runtime.recording.pictures import decode
from tests.recording.conftest import BEGIN_S, RecordedArm

JOINTS = ["shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper"]


@pytest.fixture(scope="module")
def dataset(episode, tmp_path_factory):
    out = tmp_path_factory.mktemp("export") / "dataset"
    results = export([episode[1]], out, None, lambda episode: None)
    return episode[0], out, results


def table(out, pattern):
    (path,) = out.glob(pattern)
    return pq.read_table(path).to_pylist()


def engaged(arm):
    """What was seen while the arm was engaged, by an independent look at the ticks."""
    on = {round(tick.t_s, 3) for tick in arm.records if tick.mode.value == "engaged"}
    return [seen for seen in arm.observations if round(seen.t_obs_s, 3) in on]


def test_every_observation_of_an_engaged_arm_is_a_frame(dataset):
    arm, out, results = dataset
    frames = table(out, "data/*/*.parquet")
    seen = engaged(arm)
    assert len(seen) > 20
    assert results["frames"] == len(frames) == len(seen)
    for frame, observation in zip(frames, seen, strict=True):
        np.testing.assert_array_equal(frame["observation.state"], observation.state_rad.astype(np.float32))
        picture = decode(frame["observation.images.front"]["bytes"])
        np.testing.assert_array_equal(picture, observation.images["front"])


def test_the_action_of_a_frame_is_where_the_joints_were_told_to_be_then(dataset):
    arm, out, _ = dataset
    told = {round(tick.t_s, 3): tick.setpoint_rad for tick in arm.records}
    for frame, observation in zip(table(out, "data/*/*.parquet"), engaged(arm), strict=True):
        np.testing.assert_allclose(frame["action"], told[round(observation.t_obs_s, 3)], atol=1e-6)


def test_frames_are_numbered_and_timed_as_lerobot_counts_them(dataset):
    _, out, results = dataset
    frames = table(out, "data/*/*.parquet")
    assert results["fps"] == 10
    assert [frame["index"] for frame in frames] == list(range(len(frames)))
    for number in (0, 1):
        mine = [frame for frame in frames if frame["episode_index"] == number]
        assert [frame["frame_index"] for frame in mine] == list(range(len(mine)))
        np.testing.assert_allclose([frame["timestamp"] for frame in mine], np.arange(len(mine)) / 10, atol=1e-6)
        np.testing.assert_allclose([frame["time_s"] for frame in mine], np.arange(len(mine)) / 10, atol=1e-4)


def test_a_person_s_hand_marks_the_frame_in_which_it_came(dataset):
    _, out, _ = dataset
    frames = table(out, "data/*/*.parquet")
    last = [[frame for frame in frames if frame["episode_index"] == number][-1]["index"] for number in (0, 1)]
    assert [frame["index"] for frame in frames if frame["intervention"]] == last


def test_episodes_say_what_was_to_be_done_where_it_lies_and_how_it_ended(dataset):
    _, out, results = dataset
    first, second = table(out, "meta/episodes/*/*.parquet")
    assert (first["tasks"], second["tasks"]) == (["touch the red block"], ["push the blue block left"])
    assert first["dataset_to_index"] == second["dataset_from_index"] == first["length"]
    assert second["dataset_to_index"] == results["frames"]
    assert first["ended"] == "stopping: stop: a test"
    (path,) = out.glob("data/*/*.parquet")
    assert pq.ParquetFile(path).num_row_groups == 2


def test_info_names_every_feature_and_its_shape(dataset):
    _, out, results = dataset
    info = json.loads((out / "meta/info.json").read_text())
    assert (info["codebase_version"], info["fps"], info["total_episodes"], info["total_tasks"]) == ("v3.0", 10, 2, 2)
    assert info["total_frames"] == results["frames"]
    assert info["features"]["action"] == {"dtype": "float32", "shape": [6], "names": JOINTS}
    assert info["features"]["intervention"] == {"dtype": "bool", "shape": [1], "names": None}
    assert info["features"]["observation.images.front"]["shape"] == [48, 48, 3]
    assert set(table(out, "data/*/*.parquet")[0]) == set(info["features"])


def test_statistics_are_those_of_all_frames_and_pixels(dataset):
    arm, out, _ = dataset
    stats = json.loads((out / "meta/stats.json").read_text())
    seen = engaged(arm)
    states = np.array([observation.state_rad for observation in seen], np.float32).astype(np.float64)
    levels = np.stack([observation.images["front"] for observation in seen]) / 255.0
    np.testing.assert_allclose(stats["observation.state"]["std"], states.std(0), atol=1e-9)
    np.testing.assert_allclose(stats["observation.state"]["q90"], np.quantile(states, 0.9, axis=0), atol=1e-9)
    images = stats["observation.images.front"]
    for name, expected in (("mean", levels.mean((0, 1, 2))), ("std", levels.std((0, 1, 2))), ("max", np.ones(3))):
        np.testing.assert_allclose(np.array(images[name]).ravel(), expected, atol=5e-3 if name == "max" else 1e-9)
    np.testing.assert_allclose(np.ravel(images["q50"]), np.quantile(levels, 0.5, axis=(0, 1, 2)), atol=1 / 255)
    assert images["count"] == [len(seen)]


def test_what_the_bounds_held_back_is_marked(tmp_path, monkeypatch):
    arm = RecordedArm(tmp_path / "log")
    arm.engage("touch the red block").run(40)
    arm.close()
    read = logs.read
    held_s = BEGIN_S + 0.91  # and a little more than one frame on

    def some(files):
        for record in read(files):
            held = isinstance(record, TickRecord) and held_s <= record.t_s < held_s + 0.14
            yield msgspec.structs.replace(record, held=True) if held else record

    monkeypatch.setattr("edgevla.runtime.recording.episodes.read", some)
    export([tmp_path / "log"], tmp_path / "out", None, lambda episode: None)
    frames = table(tmp_path / "out", "data/*/*.parquet")
    seen = engaged(arm)
    marked = [observation.t_obs_s for frame, observation in zip(frames, seen, strict=True) if frame["intervention"]]
    assert marked == pytest.approx([BEGIN_S + 0.9, BEGIN_S + 1.0])


def test_another_sentence_and_a_gap_begin_another_episode(tmp_path):
    arm = RecordedArm(tmp_path / "log")
    arm.engage("touch the red block").run(30)
    arm.instruct("touch the green block")
    arm.run(30)
    arm.instruction, kept = "", arm.instruction
    arm.run(14)  # nothing is seen for 280 ms; the plan in hand is still good
    arm.instruction = kept
    arm.run(30).close()
    export([tmp_path / "log"], tmp_path / "out", None, lambda episode: None)
    episodes = table(tmp_path / "out", "meta/episodes/*/*.parquet")
    assert [each["tasks"][0].split()[2] for each in episodes] == ["red", "green", "green"]
    assert episodes[0]["ended"] == "another sentence, or a gap"
    assert episodes[2]["ended"] == "the recording ends"


def test_several_recordings_become_one_dataset(episode, tmp_path):
    arm = RecordedArm(tmp_path / "log")
    arm.engage("push the blue block left").run(30).ask(Event.STOP).run(5).close()
    results = export([episode[1], tmp_path / "log"], tmp_path / "out", 10, lambda episode: None)
    assert results["tasks"] == {"touch the red block": 1, "push the blue block left": 2}


def test_a_recording_in_which_nothing_was_carried_out_is_refused_and_leaves_nothing(tmp_path):
    arm = RecordedArm(tmp_path / "log")
    arm.run(10).close()
    with pytest.raises(LogError, match="nothing was carried out"):
        export([tmp_path / "log"], tmp_path / "out", None, lambda episode: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log"]


def test_what_exists_is_not_touched(episode, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ExportRefused, match="exists already"):
        export([episode[1]], tmp_path, None, lambda episode: None)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_failure_on_the_way_leaves_nothing(episode, tmp_path):
    def fail(_):
        raise OSError(28, "No space left on device")

    with pytest.raises(ExportRefused, match="No space left"):
        export([episode[1]], tmp_path / "out", None, fail)
    assert list(tmp_path.iterdir()) == []


def test_lerobot_itself_opens_it(dataset):
    """With EDGEVLA_LEROBOT naming a Python that has lerobot >= 0.4, or with lerobot installed here."""
    arm, out, results = dataset
    python = os.environ.get("EDGEVLA_LEROBOT", sys.executable)
    script = Path(__file__).with_name("open_in_lerobot.py")
    offline = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([python, script, out], capture_output=True, check=False, env=offline)
    if done.returncode == 77:
        pytest.skip("lerobot is not installed")
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    found = np.load(io.BytesIO(done.stdout))
    seen = engaged(arm)
    assert int(found["episodes"]) == results["episodes"]
    np.testing.assert_array_equal(found["front"], np.stack([each.images["front"] for each in seen]))
    np.testing.assert_array_equal(found["state"], np.array([each.state_rad for each in seen], np.float32))
    assert found["task"].tolist() == [each.instruction for each in seen]
    assert found["intervention"].sum() == 2
