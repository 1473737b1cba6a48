"""A recording gives the same actions again, whatever the policy remembers; another policy shows its difference."""

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from edgevla.bundle import TensorSpec, load_manifest, write_manifest
from edgevla.commands.replay import EXACT_RAD
from edgevla.config.policy_families import Execution, Recurrent
from edgevla.messages import Chunk, Event
from edgevla.policy.policy import Policy
from edgevla.runtime.recording import log as logs
from edgevla.runtime.recording.log import LogError
from edgevla.runtime.replay import ReplayOptions, replay
from tests.policy.lanes import adding_graph
from tests.recording.conftest import RecordedArm
from tests.runtime.conftest import ROBOT_YAML

SHIPPED = ROBOT_YAML.parent


def run(folder, *, bundle=None, variant="", tolerance_rad=EXACT_RAD):
    return replay(ReplayOptions([folder], bundle, variant, "", tolerance_rad), lambda done: None)["results"]


@pytest.fixture
def joined(tmp_path):
    """The shipped policy, with its chunks joined to those before."""

    def build(kind):
        folder = tmp_path / kind
        shutil.copytree(SHIPPED, folder)
        manifest = msgspec.structs.replace(load_manifest(SHIPPED).manifest, execution=Execution(kind=kind))
        write_manifest(folder, manifest)
        return folder

    return build


@pytest.fixture
def recurrent(tmp_path):
    """A policy that adds up what it has seen, six joints of it."""
    folder = tmp_path / "recurrent"
    folder.mkdir()
    shutil.copy(SHIPPED / "vocabulary.txt", folder)
    adding_graph(folder / "graph.onnx", window=4, rows=4, size=6)
    shipped = load_manifest(SHIPPED).manifest
    write_manifest(
        folder,
        msgspec.structs.replace(
            shipped,
            family="recurrent",
            graphs={"fp32": "graph.onnx"},
            inputs=(TensorSpec(name="state", dtype="float32", shape=(1, 6), source="state"),),
            action=msgspec.structs.replace(shipped.action, output="answer", horizon=4),
            recurrent=Recurrent(window=4, hidden=6),
            files={},
        ),
    )
    return folder


def record(folder, bundle):
    arm = RecordedArm(folder, bundle)
    arm.engage("touch the red block").run(30).ask(Event.STOP).run(15)
    arm.engage("push the blue block left").run(30).ask(Event.RELEASE).run(15)
    arm.close()
    return arm


def test_the_same_policy_does_the_same(episode):
    arm, folder = episode
    results = run(folder)
    assert results["compared"] == results["observations"] == len(arm.chunks)
    assert results["worst_rad"] <= 1e-6
    assert results["passed"]
    assert [joint["name"] for joint in results["joints"]] == list(arm.rig.robot.joint_names)


@pytest.mark.parametrize("kind", ["ensemble", "blend", "fade"])
def test_chunks_that_were_joined_to_those_before_are_joined_again(joined, tmp_path, kind):
    arm = record(tmp_path / "log", joined(kind))
    results = run(tmp_path / "log")
    assert results["compared"] == len(arm.chunks)
    assert results["worst_rad"] <= 1e-6
    assert not run(tmp_path / "log", bundle=SHIPPED)["passed"], "without the joining they differ"


def test_without_what_the_clock_said_a_fade_is_another_one(joined, tmp_path, monkeypatch):
    record(tmp_path / "log", joined("fade"))
    monkeypatch.setattr("edgevla.runtime.replay.ToldClock.tell", lambda self, readings: None)
    assert not run(tmp_path / "log")["passed"]


def test_a_recurrent_policy_remembers_and_forgets_where_it_did(recurrent, tmp_path):
    arm = record(tmp_path / "log", recurrent)
    assert run(tmp_path / "log")["worst_rad"] <= 1e-6
    assert run(tmp_path / "log")["compared"] == len(arm.chunks)


def test_a_policy_that_is_not_told_to_forget_gives_other_actions(recurrent, tmp_path, monkeypatch):
    record(tmp_path / "log", recurrent)
    monkeypatch.setattr(Policy, "_forget", lambda self: None)
    assert not run(tmp_path / "log")["passed"]


def without(number, kinds, monkeypatch):
    read = logs.read

    def some(files):
        return (each for each in read(files) if not (type(each).__name__ in kinds and each.seq == number))

    monkeypatch.setattr("edgevla.runtime.replay.read", some)


def test_after_a_lost_observation_a_policy_that_remembers_is_not_compared_until_it_forgets(
    joined, tmp_path, monkeypatch
):
    arm = record(tmp_path / "log", joined("ensemble"))
    second = 1 + next(at for at, chunk in enumerate(arm.chunks) if chunk.instruction.startswith("push"))
    without(4, {"Observed"}, monkeypatch)
    results = run(tmp_path / "log")
    assert results["without_observation"] == 1
    assert results["adrift"] == second - 5
    assert results["compared"] == len(arm.chunks) - (second - 4)
    assert results["passed"]


def test_a_lost_observation_is_nothing_to_a_policy_that_remembers_nothing(episode, monkeypatch):
    arm, folder = episode
    without(4, {"Observed"}, monkeypatch)
    results = run(folder)
    assert (results["adrift"], results["without_observation"]) == (0, 1)
    assert results["compared"] == len(arm.chunks) - 1


def test_another_variant_shows_its_difference(episode):
    _, folder = episode
    results = run(folder, variant="int8-cpu", tolerance_rad=10.0)
    assert 1e-4 < results["worst_rad"] < 1.0
    assert results["passed"]
    assert results["recorded"]["variant"] == "fp32"


def test_a_chunk_that_is_valid_only_once_is_a_disagreement(episode, monkeypatch):
    _, folder = episode
    act = Policy.act

    def broken(self, observation, seq):
        chunk = act(self, observation, seq)
        return msgspec.structs.replace(chunk, valid=False, reason="broken", actions_rad=()) if seq == 7 else chunk

    monkeypatch.setattr(Policy, "act", broken)
    results = run(folder)
    assert not results["passed"]
    assert results["disagreements"] == ["chunk 7: recorded 12 rows, replayed invalid (broken)"]


def test_the_difference_of_each_joint_is_its_own(episode, monkeypatch):
    _, folder = episode
    act = Policy.act

    def shifted(self, observation, seq):
        chunk = act(self, observation, seq)
        rows = np.array(chunk.actions_rad)
        rows[-1, 2] += 0.5 if seq == 3 else 0.0
        return msgspec.structs.replace(chunk, actions_rad=tuple(map(tuple, rows.tolist())))

    monkeypatch.setattr(Policy, "act", shifted)
    joints = run(folder)["joints"]
    assert [joint["worst"] > 0.1 for joint in joints] == [False, False, True, False, False, False]
    assert joints[2]["worst"] == pytest.approx(0.5)


def test_recordings_of_different_policies_are_not_mixed(episode, joined, tmp_path):
    _, folder = episode
    record(tmp_path / "log", joined("blend"))
    with pytest.raises(LogError, match=r"was recorded with another policy\.yaml"):
        replay(ReplayOptions([folder, tmp_path / "log"], None, "", "", 1e-6), lambda done: None)


def test_a_recording_without_plans_has_nothing_to_compare(tmp_path):
    arm = RecordedArm(tmp_path)
    arm.run(5).close()
    with pytest.raises(LogError, match="nothing to compare: 0 observations"):
        run(tmp_path)


def test_a_bundle_that_is_gone_must_be_named(joined, tmp_path):
    folder = joined("blend")
    record(tmp_path / "log", folder)
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(LogError, match="name one with --bundle"):
        run(tmp_path / "log")
    assert run(tmp_path / "log", bundle=tmp_path / "elsewhere")["passed"]


def test_the_command_says_what_differs_and_ends_with_1(episode, tmp_path):
    import typer

    from edgevla.commands.replay import replay as command

    app = typer.Typer()
    app.command()(command)
    _, folder = episode
    report = tmp_path / "replay.json"
    good = CliRunner().invoke(app, [str(folder), "--json", str(report)], catch_exceptions=False)
    assert good.exit_code == 0
    assert "22 of" in good.output or "compared: fp32 on cpu" in good.output
    assert msgspec.json.decode(report.read_bytes())["command"] == "replay"
    bad = CliRunner().invoke(app, [str(folder), "--variant", "int8-cpu"])
    assert bad.exception.exit_code == 1
    assert "rad from what was recorded; 1e-06 are allowed" in str(bad.exception)


def test_chunks_of_the_recording_are_what_was_planned(episode):
    arm, folder = episode
    assert [each for each in logs.read(logs.find_logs([Path(folder)])) if isinstance(each, Chunk)] == arm.chunks
