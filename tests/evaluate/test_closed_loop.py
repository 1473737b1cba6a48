"""Evaluation: reproducible episodes, honest intervals, resumable runs, and ablations that take something away."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgevla.evaluate.closed_loop import Episode, Settings, evaluate, summary, wilson
from edgevla.evaluate.planners import ablated, wrong_colour
from edgevla.messages import Chunk, Observation
from edgevla.shipped import shipped
from edgevla.sim.tasks import INSTRUCTIONS

BUNDLE = shipped("so101-tabletop")
EXPERT = Settings(
    suite="so101-tabletop",
    robot=str(BUNDLE / "robot.yaml"),
    bundle=str(BUNDLE),
    variant="fp32",
    planner="expert",
    ablation="none",
    episodes=4,
    seed=11,
)


def run(settings, done=None):
    seen = []
    return evaluate(settings, 1, done, seen.append), seen


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # Newcombe (1998), Statistics in Medicine 17, 857-872, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_wilson_s(successes, trials, low, high):
    assert wilson(successes, trials) == pytest.approx((low, high), abs=1e-4)


def test_the_same_seed_gives_the_same_episodes_and_another_seed_others():
    first, _ = run(EXPERT)
    again, _ = run(EXPERT)
    other, _ = run(msgspec.structs.replace(EXPERT, seed=12))
    assert first == again
    assert [episode.duration_s for episode in first] != [episode.duration_s for episode in other]


def test_an_interrupted_run_goes_on_where_it_was_and_ends_the_same(tmp_path):
    done = tmp_path / "out.partial"
    whole, _ = run(EXPERT, done)
    lines = done.read_bytes().splitlines(keepends=True)
    done.write_bytes(b"".join(lines[:3]) + lines[3][:20])
    resumed, _ = run(EXPERT, done)
    assert resumed == whole
    assert run(EXPERT, done)[0] == whole, "what the resumed run appended can be read again"


def test_what_is_left_of_other_settings_is_not_taken_over(tmp_path):
    done = tmp_path / "out.partial"
    fake = Episode(
        index=0, instruction=INSTRUCTIONS[0], success=False, ended="?", duration_s=0.0, limited=0, blocked=0, held=0
    )
    other = msgspec.structs.replace(EXPERT, seed=99)
    done.write_bytes(msgspec.json.encode(other) + b"\n" + msgspec.json.encode(fake) + b"\n")
    episodes, _ = run(msgspec.structs.replace(EXPERT, episodes=1), done)
    assert episodes[0].ended != "?"


def test_the_summary_counts_by_instruction():
    episodes, seen = run(EXPERT)
    results = summary(EXPERT, episodes)
    assert results["episodes"] == len(seen) == 4
    assert results["per_instruction"][INSTRUCTIONS[0]]["episodes"] == 1
    assert results["per_instruction"][INSTRUCTIONS[8]]["success_rate"] is None
    assert results["bounds"]["blocked"] == 0


@pytest.mark.parametrize("sentence", INSTRUCTIONS)
def test_the_wrong_colour_is_another_colour_in_the_same_sentence(sentence):
    changed = wrong_colour(sentence)
    assert changed in INSTRUCTIONS
    assert sum(a != b for a, b in zip(sentence.split(), changed.split(), strict=True)) == 1


class Spy:
    """A policy that remembers what it was shown."""

    def act(self, observation, seq):
        self.seen = observation
        return Chunk(seq=seq, t_obs_s=0.0, rate_hz=10.0, actions_rad=((0.0,),), valid=True)


OBSERVATION = Observation(1.0, {"front": np.full((2, 2, 3), 9, np.uint8)}, np.array([0.1, 0.2]), INSTRUCTIONS[0])


def test_black_image_takes_the_picture_and_nothing_else():
    spy = Spy()
    ablated(spy, "black-image")(OBSERVATION, 1)
    assert not spy.seen.images["front"].any()
    assert spy.seen.instruction == OBSERVATION.instruction
    assert OBSERVATION.images["front"].all()


def test_zero_action_stays_where_the_arm_is():
    chunk = ablated(Spy(), "zero-action")(OBSERVATION, 1)
    assert np.array(chunk.actions_rad) == pytest.approx(np.tile([0.1, 0.2], (12, 1)))


def test_none_is_the_policy_itself():
    spy = Spy()
    ablated(spy, "none")(OBSERVATION, 1)
    assert spy.seen == OBSERVATION


@pytest.mark.parametrize("ablation", ["none", "wrong-colour"])
def test_the_shipped_policy_in_short(ablation):
    settings = msgspec.structs.replace(EXPERT, planner="policy", ablation=ablation, episodes=9)
    episodes, _ = run(settings)
    successes = sum(episode.success for episode in episodes)
    assert successes >= 7 if ablation == "none" else successes <= 2


def test_robot_yaml_of_the_suite_is_the_one_that_ships():
    assert Path(EXPERT.robot).is_file()
