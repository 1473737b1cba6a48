"""The instructions and the judge: what counts as done, what as wrong, and what is never counted."""

import numpy as np
import pytest

from edgevla.sim.tasks import EXTENDED, INSTRUCTIONS, TASKS, Judge, Task, TaskError


class Scene:
    """A world reduced to what the judge looks at."""

    def __init__(self):
        self.blocks = {name: np.array([0.2, y, 0.015]) for name, y in (("red", -0.1), ("green", 0.0), ("blue", 0.1))}
        self.gaps = dict.fromkeys(self.blocks, np.inf)
        self.held = set()
        self.t_s = 0.0

    def block_positions(self):
        return {name: at.copy() for name, at in self.blocks.items()}

    def jaw_gaps_m(self):
        return dict(self.gaps)

    def held_blocks(self):
        return set(self.held)


@pytest.fixture
def scene():
    return Scene()


def verdict(judge):
    judge.update()
    return judge.success, judge.failed


def wait(scene, judge, seconds):
    """The verdict after that long, looked at 50 times a second."""
    for _ in range(round(50 * seconds)):
        scene.t_s += 0.02
        judge.update()
    return judge.success, judge.failed


def test_there_are_nine_instructions():
    assert len(INSTRUCTIONS) == 9
    assert INSTRUCTIONS[0] == "touch the red block"
    assert "push the blue block left" in INSTRUCTIONS


def test_there_are_24_with_the_gripper_and_the_nine_come_first():
    assert len(EXTENDED) == len(set(EXTENDED)) == 24
    assert EXTENDED[:9] == INSTRUCTIONS
    assert {"grasp the red block", "put the blue block on the left side", "put the red block on the green block"} < {
        *EXTENDED
    }


@pytest.mark.parametrize("sentence", EXTENDED)
def test_a_sentence_and_its_task_say_the_same(sentence):
    assert Task.parse(sentence).sentence == sentence
    assert Task.parse(f"  {sentence.upper()}. ") == TASKS[sentence]


@pytest.mark.parametrize(
    "sentence",
    [
        "",
        "touch the pink block",
        "push the red block",
        "touch the red block left",
        "put the red block",
        "put the red block on the red block",
        "grasp the red block left",
    ],
)
def test_anything_else_is_refused_by_name(sentence):
    with pytest.raises(TaskError, match="touch the red block"):
        Task.parse(sentence)


def test_idle_is_neither_success_nor_failure(scene):
    for sentence in EXTENDED:
        assert wait(scene, Judge(scene, TASKS[sentence]), 1.0) == (False, False), sentence


def test_touching_the_named_block_succeeds_and_latches(scene):
    judge = Judge(scene, TASKS["touch the red block"])
    scene.gaps["red"] = 0.002
    assert verdict(judge) == (True, False)
    scene.gaps["red"], scene.gaps["blue"] = np.inf, 0.0
    assert verdict(judge) == (True, False)


def test_touching_another_block_first_fails_and_latches(scene):
    judge = Judge(scene, TASKS["touch the red block"])
    scene.gaps["blue"] = 0.0
    assert verdict(judge) == (False, True)
    scene.gaps["red"] = 0.0
    assert verdict(judge) == (False, True)


def test_passing_close_to_another_block_is_allowed(scene):
    judge = Judge(scene, TASKS["touch the red block"])
    scene.gaps["blue"] = 0.002
    assert verdict(judge) == (False, False)


def test_a_block_that_was_touched_at_the_start_counts_only_after_it_was_let_go(scene):
    scene.gaps["blue"] = 0.0
    judge = Judge(scene, TASKS["touch the red block"])
    assert verdict(judge) == (False, False)
    scene.gaps["blue"] = np.inf
    assert verdict(judge) == (False, False)
    scene.gaps["blue"] = 0.0
    assert verdict(judge) == (False, True)


@pytest.mark.parametrize(("direction", "sign"), [("left", -1), ("right", 1)])
def test_a_push_of_four_centimetres_that_way_succeeds(scene, direction, sign):
    judge = Judge(scene, TASKS[f"push the green block {direction}"])
    scene.blocks["green"][1] += sign * 0.039
    assert verdict(judge) == (False, False)
    scene.blocks["green"][1] += sign * 0.002
    assert verdict(judge) == (True, False)


def test_a_push_the_other_way_fails(scene):
    judge = Judge(scene, TASKS["push the green block left"])
    scene.blocks["green"][1] += 0.081
    assert verdict(judge) == (False, True)


def test_a_push_mostly_sideways_does_not_succeed(scene):
    judge = Judge(scene, TASKS["push the green block left"])
    scene.blocks["green"] += [0.05, -0.045, 0.0]
    assert verdict(judge) == (False, False)


@pytest.mark.parametrize(
    "sentence",
    [
        "touch the red block",
        "push the red block left",
        "grasp the red block",
        "put the red block on the left side",
        "put the red block on the blue block",
    ],
)
def test_moving_another_block_by_two_centimetres_fails(scene, sentence):
    judge = Judge(scene, TASKS[sentence])
    scene.blocks["blue"][0] += 0.021
    scene.blocks["red"][1] -= 0.05
    scene.gaps["red"] = 0.0
    assert verdict(judge) == (False, True)


def grasped(scene, height=0.05):
    """A judge, and the red block between the jaws at that height."""
    judge = Judge(scene, TASKS["grasp the red block"])
    scene.blocks["red"][2] = height
    scene.held.add("red")
    return judge


def test_a_block_lifted_clear_and_held_for_half_a_second_is_grasped(scene):
    judge = grasped(scene)
    assert wait(scene, judge, 0.4) == (False, False)
    assert wait(scene, judge, 0.2) == (True, False)


def test_a_block_held_lower_than_its_own_height_is_not_grasped(scene):
    assert wait(scene, grasped(scene, height=0.044), 2.0) == (False, False)


def test_a_block_thrown_up_is_not_grasped(scene):
    judge = grasped(scene)
    scene.held.clear()
    assert wait(scene, judge, 2.0) == (False, False)


def test_a_grasp_that_slips_starts_anew(scene):
    judge = grasped(scene)
    wait(scene, judge, 0.4)
    scene.held.clear()
    wait(scene, judge, 0.1)
    scene.held.add("red")
    assert wait(scene, judge, 0.4) == (False, False)


def test_another_block_in_the_hand_is_no_success(scene):
    judge = Judge(scene, TASKS["grasp the red block"])
    scene.held.add("blue")
    assert wait(scene, judge, 1.0) == (False, False)


PUTS = ("put the red block on the right side", "put the red block on the blue block")


def put(scene, sentence, off=(0.0, 0.0, 0.0)):
    """A judge that saw the red block lifted, and the block then laid where it should be, but for `off`."""
    judge = Judge(scene, TASKS[sentence])
    scene.blocks["red"][2] = 0.06
    judge.update()
    there = np.array([0.2, 0.16, 0.015]) if "side" in sentence else scene.blocks["blue"] + [0.0, 0.0, 0.03]
    scene.blocks["red"][:] = there + off
    return judge


@pytest.mark.parametrize("sentence", PUTS)
def test_a_block_that_rests_there_by_itself_is_put(scene, sentence):
    judge = put(scene, sentence)
    assert wait(scene, judge, 0.2) == (False, False)
    assert wait(scene, judge, 0.2) == (True, False)


@pytest.mark.parametrize("sentence", PUTS)
def test_a_block_still_in_the_hand_is_not_put(scene, sentence):
    scene.gaps["red"] = 0.001
    assert wait(scene, put(scene, sentence), 1.0) == (False, False)


@pytest.mark.parametrize("sentence", PUTS)
def test_a_block_that_still_moves_is_not_put(scene, sentence):
    judge = put(scene, sentence)
    for _ in range(50):
        scene.blocks["red"][0] += 0.0002
        assert wait(scene, judge, 0.02) == (False, False)


def test_a_block_that_never_left_the_table_was_pushed(scene):
    judge = Judge(scene, TASKS["put the red block on the right side"])
    scene.blocks["red"][:] = 0.2, 0.16, 0.015
    assert wait(scene, judge, 1.0) == (False, False)


@pytest.mark.parametrize(
    ("sentence", "off"),
    [
        (PUTS[0], (0.0, -0.012, 0.0)),  # short of the border
        (PUTS[0], (0.0, -0.32, 0.0)),  # on the other side
        (PUTS[0], (0.0, 0.0, 0.006)),  # tilted, or on something
        (PUTS[1], (0.016, 0.0, 0.0)),  # half over the edge
        (PUTS[1], (0.0, 0.0, -0.03)),  # beside it
    ],
)
def test_a_block_that_lies_elsewhere_is_not_put(scene, sentence, off):
    assert wait(scene, put(scene, sentence, off), 1.0) == (False, False)
