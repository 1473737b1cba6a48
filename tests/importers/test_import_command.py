"""`edgevla import` up to the point where upstream's code is needed: what it recognises, asks for and refuses."""

import json
import sys

import pytest

from edgevla.cli import app
from edgevla.errors import EdgeVLAError
from edgevla.importers.recognise import recognise
from tests.importers.checkpoints import config, write_checkpoint

ASKED = ("--rate", "30", "--instruction", "push")


def run(folder, out, *options):
    app(["import", str(folder), "--out", str(out), *ASKED, *options], standalone_mode=False)


@pytest.fixture
def checkpoint(tmp_path):
    return write_checkpoint(tmp_path / "act")


@pytest.mark.parametrize("kind", ["act", "smolvla", "pi0", "pi05"])
def test_lerobots_kinds_are_known_by_their_config(tmp_path, kind):
    assert recognise(write_checkpoint(tmp_path / kind, config(type=kind))) == f"lerobot-{kind}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is not a folder"),
        ({}, "has no config.json"),
        ({"config.json": []}, "its config.json is no mapping"),
        (
            {"config.json": {"type": "vqbet", "input_features": {}}},
            "lerobot-vqbet; there are importers for lerobot-act",
        ),
        ({"config.json": {"model_type": "llama"}}, "is not of a policy that is known here"),
    ],
)
def test_other_folders_are_refused_with_what_they_seem_to_be(tmp_path, content, message):
    folder = tmp_path / "folder"
    if content is not None:
        folder.mkdir()
        for name, data in content.items():
            (folder / name).write_text(json.dumps(data))
    with pytest.raises(EdgeVLAError, match=message):
        recognise(folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "the unit of any joint in the checkpoint is not said"),
        (("--joint", "pan"), "--joint pan: must be NAME=VALUE"),
        (("--joint", "pan=deg", "--joint", "pan=rad"), "--joint pan=rad: must be NAME=VALUE, each name once"),
        (("--joint", "pan=", "--joint", "lift=deg"), "the unit of pan in the checkpoint is not said"),
        (("--joint", "pan=mm"), 'joint pan: cannot read the unit "mm"'),
        (("--kind", "groot", "--joint", "pan=deg"), '--kind: "groot" is not known'),
        (("--kind", "lerobot-pi0", "--joint", "pan=deg"), "is of LeRobot ACT, not of LeRobot pi0 - --kind lerobot-act"),
        (("--joint", "pan=deg"), "state has 2 numbers, and 1 joints are named: pan"),
    ],
)
def test_what_a_checkpoint_does_not_say_is_asked_for(checkpoint, tmp_path, options, message):
    with pytest.raises(EdgeVLAError, match=message):
        run(checkpoint, tmp_path / "bundle", *options)
    assert not (tmp_path / "bundle").exists()


def test_a_robots_joints_and_cameras_are_taken_from_its_file(checkpoint, tmp_path, monkeypatch):
    from edgevla.importers import run as importers
    from edgevla.shipped import shipped

    seen = []
    monkeypatch.setattr(importers, "import_checkpoint", lambda *given: seen.append(given) or ("lerobot-act", 0.0))
    robot = shipped("so101-tabletop") / "robot.yaml"
    gripper = "gripper=0..100:-10 deg..95 deg"
    run(checkpoint, tmp_path / "bundle", "--robot", str(robot), "--unit", "deg", "--joint", gripper)
    answers = seen[0][2]
    assert next(joint.name for joint in answers.joints) == "shoulder_pan"
    assert answers.joints[-1].scale_rad == pytest.approx(105 / 100 * 3.14159265 / 180)
    assert answers.name == "act"
    assert set(answers.sizes) >= {"front"}


def test_a_joint_that_the_robot_does_not_have_is_refused(checkpoint, tmp_path):
    from edgevla.shipped import shipped

    robot = shipped("so101-tabletop") / "robot.yaml"
    with pytest.raises(EdgeVLAError, match="--joint tail: the robot's joints are shoulder_pan"):
        run(checkpoint, tmp_path / "bundle", "--robot", str(robot), "--unit", "deg", "--joint", "tail=deg")


def test_without_upstreams_code_one_line_says_what_is_missing(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith("edgevla.importers.lerobot.")]:
        if name.rpartition(".")[2] not in {"files", "scaling", "run"}:
            monkeypatch.delitem(sys.modules, name)
    with pytest.raises(EdgeVLAError, match="built by its own code, and torch is not installed"):
        run(checkpoint, tmp_path / "bundle", "--joint", "pan=deg", "--joint", "lift=deg")
    assert list(tmp_path.iterdir()) == [checkpoint]
