"""Evaluation: reproducible episodes, honest intervals, resumable runs, and ablations that take something away."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgevla.evaluate import episodes as episodes_module
from edgevla.evaluate.closed_loop import evaluate, summary, wilson
from edgevla.evaluate.episodes import Episode, Settings, play
from edgevla.evaluate.journal import Journal
from edgevla.evaluate.planners import ablated, told, wrong_colour
from edgevla.messages import Chunk, Observation
from edgevla.shipped import shipped
from edgevla.sim.sentences import held_out_paraphrases
from edgevla.sim.tasks import INSTRUCTIONS, Task

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
    return evaluate([settings], workers=1, done=done, progress=seen.append)[0], seen


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # Newcombe (1998), Statistics in Medicine 17, 857-872, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_wilson_s(successes, trials, low, high):
    assert wilson(successes, trials) == pytest.approx((low, high), abs=1e-4)


def test_the_same_seed_gives_the_same_episodes_and_another_seed_others():
    first, _ = run(EXPERT)
    again, other = (
        [play((msgspec.structs.replace(EXPERT, seed=seed), index)) for index in range(4)] for seed in (11, 12)
    )
    assert first == again
    assert [episode.duration_s for episode in first] != [episode.duration_s for episode in other]


def test_an_interrupted_run_goes_on_where_it_was_and_ends_the_same(tmp_path):
    done = tmp_path / "out.partial"
    whole, _ = run(EXPERT, done)
    lines = done.read_bytes().splitlines(keepends=True)
    done.write_bytes(b"".join(lines[:2]) + lines[2][:20])
    resumed, _ = run(EXPERT, done)
    assert resumed == whole
    assert run(EXPERT, done)[0] == whole, "what the resumed run appended can be read again"


FAKE = Episode(
    index=0, instruction=INSTRUCTIONS[0], success=False, ended="?", duration_s=0.0, limited=0, blocked=0, held=0
)


@pytest.mark.parametrize("change", [{"seed": 99}, {"content": "another policy.yaml"}, {"condition": "light"}])
def test_what_is_left_of_other_settings_is_not_taken_over(tmp_path, change):
    done = tmp_path / "out.partial"
    Journal(done).add(msgspec.structs.replace(EXPERT, **change), FAKE)
    assert Journal(done).finished(EXPERT) == []


def test_more_episodes_of_the_same_go_on_from_those_there_are(tmp_path):
    done = tmp_path / "out.partial"
    run(msgspec.structs.replace(EXPERT, episodes=2), done)
    Journal(done).add(EXPERT, msgspec.structs.replace(FAKE, index=2))
    more, _ = run(msgspec.structs.replace(EXPERT, episodes=4), done)
    assert [episode.ended == "?" for episode in more] == [False, False, True, False]
    fewer, _ = run(msgspec.structs.replace(EXPERT, episodes=2), done)
    assert fewer == more[:2]


def test_what_two_runs_have_written_at_once_counts_once(tmp_path):
    done = tmp_path / "out.partial"
    for index in (0, 1, 1, 0):
        Journal(done).add(EXPERT, msgspec.structs.replace(FAKE, index=index))
    assert [episode.index for episode in Journal(done).finished(EXPERT)] == [0, 1]


def test_what_is_no_journal_is_begun_anew(tmp_path):
    done = tmp_path / "out.partial"
    done.write_text('{"suite": "of an older version"}\n')
    assert Journal(done).finished(EXPERT) == []
    assert done.read_bytes() == b""


def test_cells_are_played_side_by_side_and_each_gets_its_own(tmp_path):
    cells = [msgspec.structs.replace(EXPERT, episodes=2, seed=seed) for seed in (11, 12)]
    together = evaluate(cells, workers=2, done=None, progress=lambda _: None)
    assert together == [[play((cell, index)) for index in range(2)] for cell in cells]


def test_a_ray_cluster_plays_the_same_episodes():
    pytest.importorskip("ray", reason="no Ray here: pip install 'edgevla[ray]'")
    cells = [msgspec.structs.replace(EXPERT, episodes=2)]
    found = evaluate(cells, workers=2, ray="local", progress=lambda _: None)
    assert found == [[play((cells[0], index)) for index in range(2)]]


def test_the_expert_carries_too():
    grasped = play((msgspec.structs.replace(EXPERT, suite="so101-tabletop-extended"), 9))
    assert grasped.instruction == "grasp the red block"
    assert grasped.success


class Shown(Exception):
    """Ends an episode at the first observation."""


class Watcher:
    """In a policy's place: tells what it is shown."""

    engine = None

    def reset(self):
        self.forgot = True

    def act(self, observation, seq):
        raise Shown(observation, self.forgot)


@pytest.fixture
def shown(monkeypatch):
    monkeypatch.setattr(episodes_module, "load_policy", lambda *args, **kwargs: Watcher())
    monkeypatch.setattr(episodes_module._Player, "close", lambda player: None)
    monkeypatch.setattr(episodes_module, "_player", None)

    def show(condition, index=0):
        settings = msgspec.structs.replace(EXPERT, planner="policy", condition=condition)
        with pytest.raises(Shown) as first:
            play((settings, index))
        return first.value.args

    yield show
    episodes_module._player.world.close()


def test_a_condition_changes_the_words_or_the_picture_and_nothing_else(shown):
    plain, forgot = shown("nominal")
    assert forgot, "nothing is carried over from the episode before"
    for condition in ("paraphrase", "light", "camera-shift", "distractor"):
        seen, _ = shown(condition)
        assert np.array_equal(seen.state_rad, plain.state_rad)
        same_picture = np.array_equal(seen.images["front"], plain.images["front"])
        assert same_picture == (condition == "paraphrase")
        assert (seen.instruction == plain.instruction) == (condition != "paraphrase")
    again, _ = shown("nominal")
    assert np.array_equal(again.images["front"], plain.images["front"]), "a look does not outlive its episode"


def test_every_sentence_that_was_held_out_gets_its_turn(shown):
    said = {shown("paraphrase", index)[0].instruction for index in (0, 9, 18)}
    assert said == set(held_out_paraphrases(Task.parse(INSTRUCTIONS[0])))
    assert INSTRUCTIONS[0] not in said


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


def test_told_otherwise_it_hears_those_words_and_sees_the_same():
    spy = Spy()
    told(spy.act, "reach red")(OBSERVATION, 1)
    assert spy.seen.instruction == "reach red"
    assert spy.seen.images is OBSERVATION.images


@pytest.mark.parametrize("ablation", ["none", "wrong-colour"])
def test_the_shipped_policy_in_short(ablation):
    settings = msgspec.structs.replace(EXPERT, planner="policy", ablation=ablation, episodes=9)
    episodes, _ = run(settings)
    successes = sum(episode.success for episode in episodes)
    assert successes >= 7 if ablation == "none" else successes <= 2


def test_robot_yaml_of_the_suite_is_the_one_that_ships():
    assert Path(EXPERT.robot).is_file()
