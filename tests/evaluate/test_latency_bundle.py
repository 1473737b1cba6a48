"""The policy that answers a covered lens: the robot's own graph, another answer."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from edgevla.bundle import Bundle, load_manifest
from edgevla.config.load import load_robot
from edgevla.evaluate.latency_bundle import STEP_RAD, ProbeRefused, write_probe_bundle
from edgevla.messages import Observation
from edgevla.policy.loading import load_policy
from edgevla.policy.preprocess import cameras_of
from edgevla.shipped import shipped

ROBOT_YAML = shipped("so101-tabletop") / "robot.yaml"


@pytest.fixture(scope="module")
def source():
    return load_manifest(shipped("so101-tabletop"))


@pytest.fixture(scope="module")
def robot():
    return load_robot(ROBOT_YAML, {})


@pytest.fixture(scope="module")
def probe(source, robot, tmp_path_factory):
    folder = tmp_path_factory.mktemp("probe")
    write_probe_bundle(source, "fp32", robot.joints, "front", folder)
    return load_policy(folder, "fp32", robot)


def answer(policy, brightness):
    picture = np.full((288, 288, 3), brightness, np.uint8)
    sentence = policy.manifest.language.instructions[0]
    chunk = policy.act(Observation(0.0, dict.fromkeys(cameras_of(policy.manifest), picture), np.zeros(6), sentence), 1)
    assert chunk.valid, chunk.reason
    return np.array(chunk.actions_rad)


def test_only_the_last_joint_answers_up_in_the_dark_and_down_in_the_light(probe, robot):
    home = [float(joint.home) for joint in robot.joints]
    dark, bright = answer(probe, 70), answer(probe, 180)
    np.testing.assert_allclose(dark, np.tile([*home[:-1], home[-1] + STEP_RAD], (12, 1)), atol=1e-6)
    np.testing.assert_allclose(bright, np.tile([*home[:-1], home[-1] - STEP_RAD], (12, 1)), atol=1e-6)


def test_the_policys_own_work_is_still_done(source, probe, robot):
    """Its inputs are all there, and its nodes: a graph that had been cut down would not ask for them."""
    names = {tensor.name for tensor in probe.engine.inputs}
    assert names == {tensor.name for tensor in source.manifest.inputs}
    assert probe.manifest.graphs["fp32"] in probe.manifest.files


def test_a_joint_at_its_limit_answers_inside_it(source, robot, tmp_path):
    low_rad = robot.joints[-1].position_soft[0]
    joints = (*robot.joints[:-1], msgspec.structs.replace(robot.joints[-1], home=low_rad))
    written = write_probe_bundle(source, "fp32", joints, "front", tmp_path)
    centre_rad = written.manifest.action.normalisation.mean[-1]
    assert math.isclose(centre_rad - STEP_RAD, low_rad)


@pytest.mark.parametrize(("change", "word"), [({"family": "diffusion"}, "diffusion"), ({"inputs": ()}, "front")])
def test_a_bundle_that_cannot_answer_is_refused(source, robot, tmp_path, change, word):
    other = Bundle(source.folder, msgspec.structs.replace(source.manifest, **change))
    with pytest.raises(ProbeRefused, match=word):
        write_probe_bundle(other, "fp32", robot.joints, "front", tmp_path)


def test_a_joint_without_room_is_refused_by_name(source, robot, tmp_path):
    low_rad = robot.joints[-1].position_soft[0]
    narrow = msgspec.structs.replace(robot.joints[-1], position_soft=(low_rad, type(low_rad)(low_rad + STEP_RAD)))
    with pytest.raises(ProbeRefused, match="gripper"):
        write_probe_bundle(source, "fp32", (*robot.joints[:-1], narrow), "front", tmp_path)
