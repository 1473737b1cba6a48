"""What an OpenVLA checkpoint's files say, and what in them is refused."""

import json

import pytest

from edgevla.importers.answers import Answers, joint_scale
from edgevla.importers.errors import ImportRefused
from edgevla.importers.openvla.files import read_checkpoint
from edgevla.importers.recognise import recognise
from edgevla.importers.run import import_checkpoint

STATISTICS = {"q01": [-1.0] * 7, "q99": [1.0] * 7, "mask": [True] * 6 + [False]}


def write(folder, statistics=None, strategy="resize-naive"):
    config = {"model_type": "openvla", "norm_stats": statistics or {"toy": {"action": STATISTICS}}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_resize_strategy": strategy}))
    return folder


def answers(**more):
    joints = tuple(joint_scale(name, "rad") for name in "abcdef")
    return Answers(name="x", joints=joints, rate_hz=5.0, instructions=("push",), **more)


def test_the_only_data_set_needs_no_name(tmp_path):
    checkpoint = read_checkpoint(write(tmp_path), None)
    assert checkpoint.low == (-1.0,) * 7
    assert checkpoint.scaled == (True,) * 6 + (False,)
    assert recognise(tmp_path) == "openvla"


@pytest.mark.parametrize("dataset", [None, "bridge"])
def test_one_of_several_must_be_chosen(tmp_path, dataset):
    write(tmp_path, {"toy": {"action": STATISTICS}, "libero": {"action": STATISTICS}})
    with pytest.raises(ImportRefused, match=r"has statistics of libero, toy; .* is chosen - --dataset NAME"):
        read_checkpoint(tmp_path, dataset)
    assert read_checkpoint(tmp_path, "libero").high == (1.0,) * 7


def test_actions_that_are_no_tool_and_gripper(tmp_path):
    write(tmp_path, {"aloha": {"action": {"q01": [0.0] * 14, "q99": [1.0] * 14}}})
    with pytest.raises(ImportRefused, match="aloha has 14 actions; a tool and its gripper have 7"):
        read_checkpoint(tmp_path, None)


def test_another_way_to_fit_pictures(tmp_path):
    with pytest.raises(ImportRefused, match="pictures are fitted by letterbox; only resize-naive is known"):
        read_checkpoint(write(tmp_path, strategy="letterbox"), None)


def test_the_oft_variant_is_told_apart(tmp_path):
    write(tmp_path)
    (tmp_path / "action_head--100_checkpoint.pt").touch()
    with pytest.raises(ImportRefused, match="is of OpenVLA-OFT; there are importers for"):
        recognise(tmp_path)


def test_what_is_moved_and_by_whose_code_is_asked_for(tmp_path):
    from edgevla.config.policy_families import EndEffector

    write(tmp_path)
    out = tmp_path / "bundle"
    with pytest.raises(ImportRefused, match="its actions move a tool, and which, it does not say - --site"):
        import_checkpoint(tmp_path, out, answers())
    tool = EndEffector(joints=tuple("abcdef"), site="tip", rotation="rpy")
    with pytest.raises(ImportRefused, match="looks through one camera - name the robot's: --camera image=NAME"):
        import_checkpoint(tmp_path, out, answers(end_effector=tool))
    assert not out.exists()
