"""What a bundle says of execution and kinematics is in force when the policy is loaded for a robot, and only then."""

from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgevla.bundle import BundleError, Normalisation, write_manifest
from edgevla.config.load import load_robot
from edgevla.config.policy_families import EndEffector, Execution
from edgevla.engine.ort import OrtEngine
from edgevla.messages import Observation
from edgevla.policy.kinematics import KinematicsError
from edgevla.policy.loading import load_policy
from edgevla.policy.policy import Policy
from tests.policy.conftest import HORIZON

replace = msgspec.structs.replace
SO101 = load_robot(Path(__file__).parents[2] / "engines/so101-tabletop/robot.yaml")
MODEL = Path(__file__).parents[2] / "edgevla/sim/assets/so101_tabletop.xml"


def two_chunks(policy, observation):
    """From a dark picture and, a twentieth of a second later, from a bright one."""
    first = policy.act(observation(grey=51), seq=0)
    second = policy.act(observation(grey=204, t_obs_s=100.05), seq=1)
    return np.array(first.actions_rad), np.array(second.actions_rad)


def test_chunks_are_joined_as_the_bundle_says_for_a_robot(bundle, manifest, observation, robot):
    folder = bundle(replace(manifest, execution=Execution(kind="ensemble"))).folder
    as_decoded = two_chunks(load_policy(folder), observation)
    joined = two_chunks(load_policy(folder, robot=robot("pan", "lift"), clock=lambda: 100.1), observation)
    np.testing.assert_array_equal(joined[0], as_decoded[0])  # the rehearsal has left nothing behind
    low, high = np.minimum(*as_decoded), np.maximum(*as_decoded)
    assert ((joined[1] > low) & (joined[1] < high))[0].all()


def test_latest_sends_each_chunk_as_it_is(bundle, observation, robot):
    folder = bundle().folder
    as_decoded = two_chunks(load_policy(folder), observation)
    np.testing.assert_array_equal(two_chunks(load_policy(folder, robot=robot("pan", "lift")), observation), as_decoded)


def test_a_policy_that_fails_its_rehearsal_holds_nothing(bundle, monkeypatch):
    closed = []
    monkeypatch.setattr(OrtEngine, "close", lambda engine: closed.append(engine))
    with pytest.raises(BundleError, match="rehearsing"):
        load_policy(bundle(ramp=np.full((1, 3, 1), np.nan)).folder)
    assert len(closed) == 1


def test_a_rehearsal_is_forgotten(bundle, monkeypatch):
    calls, act, reset = [], Policy.act, Policy.reset
    monkeypatch.setattr(Policy, "act", lambda *args, **named: calls.append("act") or act(*args, **named))
    monkeypatch.setattr(Policy, "reset", lambda policy: calls.append("reset") or reset(policy))
    load_policy(bundle().folder)
    assert calls == ["act", "act", "reset"]  # two sentences


@pytest.fixture
def reaching(tmp_path, manifest):
    """A bundle for the SO-101 whose tool goes up by a centimetre, whatever it sees; the gripper closes to -0.1 rad."""
    joints = SO101.joint_names
    rows = np.zeros((1, HORIZON, 7), np.float32)
    rows[..., 2], rows[..., 6] = 0.01, -0.1
    nodes = [
        helper.make_node("ReduceMax", ["state"], ["most"], keepdims=0),
        helper.make_node("Mul", ["most", "zero"], ["nothing"]),
        helper.make_node("Add", ["rows", "nothing"], ["actions"]),
    ]
    graph = helper.make_graph(
        nodes,
        "up",
        [helper.make_tensor_value_info("state", TensorProto.FLOAT, [1, len(joints)])],
        [helper.make_tensor_value_info("actions", TensorProto.FLOAT, [1, HORIZON, 7])],
        [numpy_helper.from_array(rows, "rows"), numpy_helper.from_array(np.float32(0), "zero")],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "graph.onnx")
    (tmp_path / "vocabulary.txt").write_text("<pad>\ngo\nleft\nright\n")
    state = next(spec for spec in manifest.inputs if spec.source == "state")
    homes = tuple(float(joint.home) for joint in SO101.joints)

    def write(site="tip"):
        changed = replace(
            manifest,
            inputs=(replace(state, shape=(1, len(joints))),),
            state=Normalisation(kind="mean_std", mean=homes, std=(1.0,) * len(joints)),
            action=replace(
                manifest.action,
                rate_hz=5.0,
                names=("x", "y", "z", "roll", "pitch", "yaw", "jaw"),
                absolute=("jaw",),
                space="end_effector",
                normalisation=Normalisation(kind="mean_std", mean=(0.0,) * 7, std=(1.0,) * 7),
            ),
            end_effector=EndEffector(joints=joints, site=site, rotation="rpy"),
        )
        return write_manifest(tmp_path, changed).folder

    write.homes = np.array(homes)
    return write


def test_what_moves_an_end_effector_becomes_joints_by_the_robots_model(reaching):
    policy = load_policy(reaching(), robot=SO101, model=MODEL)
    chunk = policy.act(Observation(0.0, {}, reaching.homes, "go left"), seq=0)
    assert chunk.valid, chunk.reason
    rows_rad = np.array(chunk.actions_rad)
    assert rows_rad.shape == (HORIZON, 6)
    np.testing.assert_allclose(rows_rad[:, 5], -0.1, atol=1e-6)
    moved_rad = np.abs(rows_rad[-1, :5] - reaching.homes[:5])
    assert 0.01 < moved_rad.max() < 0.5


def test_without_a_robot_nothing_turns_it_into_joints_and_the_way_out_is_named(reaching):
    with pytest.raises(BundleError, match=r"a bundle alone cannot run: give a robot\.yaml with workspace\.model"):
        load_policy(reaching())


def test_a_robot_without_a_model_is_told_to_name_one(reaching):
    with pytest.raises(BundleError, match=rf"no model of robot {SO101.name} .* - name workspace\.model in robot\.yaml"):
        load_policy(reaching(), robot=SO101)


def test_a_tool_that_compares_sees_the_joints_of_each_chunk_by_itself(reaching, bundle, manifest, observation, robot):
    policy = load_policy(reaching(), robot=SO101, model=MODEL, joined=False)
    assert policy.act(Observation(0.0, {}, reaching.homes, "go left"), seq=0).valid
    folder = bundle(replace(manifest, execution=Execution(kind="ensemble"))).folder
    alone = load_policy(folder, robot=robot("pan", "lift"), joined=False, clock=lambda: 100.1)
    np.testing.assert_array_equal(two_chunks(alone, observation), two_chunks(load_policy(folder), observation))


def test_a_site_the_model_lacks_is_refused(reaching):
    with pytest.raises(KinematicsError, match='has no site "nose"'):
        load_policy(reaching(site="nose"), robot=SO101, model=MODEL)
