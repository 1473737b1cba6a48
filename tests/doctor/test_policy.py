"""The policy of a robot, as `edgevla run` would refuse or take it."""

from __future__ import annotations

import shutil

import pytest

from edgevla.config.load import load_robot
from edgevla.doctor.finding import Level
from edgevla.doctor.policy import check_policy
from edgevla.shipped import shipped

REFERENCE = "engine fp32 on cpu"


@pytest.fixture
def robot_yaml(tmp_path, monkeypatch):
    """The shipped robot and bundle, in a folder where they may be broken; no engine is built or verified."""
    monkeypatch.setenv("EDGEVLA_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "arm"
    shutil.copytree(shipped("so101-tabletop"), folder)
    return folder / "robot.yaml"


def check(robot_yaml, variant="fp32", engine="cpu", **overrides):
    robot = load_robot(robot_yaml, {key.replace("__", "."): value for key, value in overrides.items()})
    return {finding.name: finding for finding in check_policy(robot_yaml, robot, variant, engine)}


def test_the_shipped_policy_is_right(robot_yaml):
    found = check(robot_yaml)
    assert {name: finding.level for name, finding in found.items()} == {
        "workspace": Level.SKIP,
        "bundle": Level.OK,
        REFERENCE: Level.OK,
    }


def test_a_damaged_file_is_found_by_its_hash_and_ends_the_list(robot_yaml):
    graph = sorted(robot_yaml.parent.glob("*.onnx"))[0]
    graph.write_bytes(graph.read_bytes()[:-1] + b"?")
    found = check(robot_yaml)
    assert found["bundle"].level is Level.FAIL
    assert graph.name in found["bundle"].found
    assert "copy the bundle again" in found["bundle"].fix
    assert REFERENCE not in found


def test_a_policy_for_other_timing_does_not_fit(robot_yaml):
    found = check(robot_yaml, control__plan_hold_after="5 s", control__plan_stop_after="6 s")["bundle"]
    assert found.level is Level.FAIL
    assert "plan_hold_after" in found.fix


def test_what_nobody_has_verified_names_the_command_that_does(robot_yaml):
    found = check(robot_yaml, variant="int8-cpu")["engine int8-cpu on cpu"]
    assert found.level is Level.FAIL
    assert "never verified" in found.found
    assert found.fix.startswith(f"edgevla verify {robot_yaml} --variant int8-cpu --target cpu --observations ")


@pytest.mark.parametrize(("variant", "engine"), [("int7", "cpu"), ("fp32", "abacus"), ("int8", "tensorrt")])
def test_what_cannot_run_here_says_why_and_what_to_do(robot_yaml, variant, engine):
    found = check(robot_yaml, variant, engine)[f"engine {variant} on {engine}"]
    assert found.level is Level.FAIL
    assert found.fix


def test_a_workspace_whose_model_is_missing_is_wrong(robot_yaml):
    text = robot_yaml.read_text()
    robot_yaml.write_text(
        text
        + "\nworkspace:\n  model: gone.xml\n  tool: tip\n  tool_low: [-1 m, -1 m, 0 m]\n  tool_high: [1 m, 1 m, 1 m]\n"
        "  tool_speed: 250 mm/s\n  links: [gripper]\n  clearance: 10 mm\n  keep_out: []\n"
    )
    found = check(robot_yaml)["workspace"]
    assert found.level is Level.FAIL
    assert "gone.xml" in found.found
