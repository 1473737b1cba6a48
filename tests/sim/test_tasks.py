"""The instructions and the judge: what counts as done, what as wrong, and what is never counted."""

import numpy as np
import pytest

from edgevla.sim.tasks import INSTRUCTIONS, TASKS, Judge, Task, TaskError


class Scene:
    """A world reduced to what the judge looks at."""

    def __init__(self):
        self.blocks = {name: np.array([0.2, y, 0.015]) for name, y in (("red", -0.1), ("green", 0.0), ("blue", 0.1))}
        self.gaps = dict.fromkeys(self.blocks, np.inf)

    def block_positions(self):
        return {name: at.copy() for name, at in self.blocks.items()}

    def jaw_gaps_m(self):
        return dict(self.gaps)


@pytest.fixture
def scene():
    return Scene()


def verdict(judge):
    judge.update()
    return judge.success, judge.failed


def test_there_are_nine_instructions():
    assert len(INSTRUCTIONS) == 9
    assert INSTRUCTIONS[0] == "touch the red block"
    assert "push the blue block left" in INSTRUCTIONS


@pytest.mark.parametrize("sentence", INSTRUCTIONS)
def test_a_sentence_and_its_task_say_the_same(sentence):
    assert Task.parse(sentence).sentence == sentence
    assert Task.parse(f"  {sentence.upper()}. ") == TASKS[sentence]


@pytest.mark.parametrize("sentence", ["", "touch the pink block", "push the red block", "touch the red block left"])
def test_anything_else_is_refused_by_name(sentence):
    with pytest.raises(TaskError, match="touch the red block"):
        Task.parse(sentence)


def test_idle_is_neither_success_nor_failure(scene):
    for sentence in INSTRUCTIONS:
        assert verdict(Judge(scene, TASKS[sentence])) == (False, False)


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


@pytest.mark.parametrize("sentence", ["touch the red block", "push the red block left"])
def test_moving_another_block_by_two_centimetres_fails(scene, sentence):
    judge = Judge(scene, TASKS[sentence])
    scene.blocks["blue"][0] += 0.021
    scene.blocks["red"][1] -= 0.05
    scene.gaps["red"] = 0.0
    assert verdict(judge) == (False, True)
