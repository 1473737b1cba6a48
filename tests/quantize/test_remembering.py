"""A policy that remembers, from recorded episodes to a signed INT8 engine: in order, nothing carried across a start."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from edgevla.bundle import write_manifest
from edgevla.calibrate.collector import Collector
from edgevla.calibration_set import Resolution, load_set
from edgevla.config.policy_families import Recurrent
from edgevla.config.quantisation import Quantisation
from edgevla.engine.cache import EngineCache
from edgevla.evaluate import verify as verify_module
from edgevla.evaluate.verify import VerifyOptions, verify
from edgevla.messages import Observation
from edgevla.policy.loading import load_policy
from edgevla.quantize.dataset import load_dataset, remembering
from edgevla.quantize.feeds import overheard
from edgevla.quantize.install import install
from edgevla.quantize.pieces import GRAPH, listening_policy
from edgevla.quantize.quantise import INT8_CPU, Settings, quantise, sets_of
from edgevla.quantize.trial import Trial
from tests.quantize.conftest import HORIZON, LENGTH, PX, SIDE
from tests.quantize.graphs import INT64, node, save

WINDOW, HIDDEN = 4, 8
EPISODE = 30  # observations
STARTED = "2026-01-01T00:00:00+00:00"


def save_remembering(path, rng):
    """hidden = tanh(hidden before + what is seen), one lane for each start in the window; lane 0 answers."""
    constants = {
        "kernel": rng.normal(size=(8, 3, 3, 3)).astype(np.float32) * 0.5,
        "rows": rng.normal(size=(4, 2)).astype(np.float32),
        "first": rng.normal(size=(8 + 2 + 2, HIDDEN)).astype(np.float32) * 0.5,
        "second": rng.normal(size=(HIDDEN, HORIZON * 2)).astype(np.float32) * 0.3,
        "shape": np.array([1, HORIZON, 2]),
        "zero": np.array([0]),
        "one": np.array([1]),
        "end": np.array([WINDOW]),
        "fresh": np.zeros((1, 1, HIDDEN), np.float32),
    }
    nodes = [
        node("Conv", "front kernel", "edges", name="look"),
        node("Relu", "edges", "seen"),
        node("ReduceMean", "seen", "pooled", axes=[2, 3], keepdims=0),
        node("Gather", "rows words", "read"),
        node("ReduceMean", "read", "meant", axes=[1], keepdims=0),
        node("Concat", "pooled meant state", "all", axis=1),
        node("Gemm", "all first", "thought", name="think"),
        node("Slice", "hidden one end one", "kept"),
        node("Concat", "kept fresh", "down", axis=1),
        node("Add", "down thought", "sum"),
        node("Tanh", "sum", "hidden_next"),
        node("Identity", "cell", "cell_next"),
        node("Slice", "hidden_next zero one one", "oldest"),
        node("Squeeze", "oldest zero", "lane"),
        node("MatMul", "lane second", "flat", name="answer"),
        node("Reshape", "flat shape", "actions"),
    ]
    memory = (1, WINDOW, HIDDEN)
    inputs = {"front": (1, 3, SIDE, SIDE), "state": (1, 2), "words": ((1, LENGTH), INT64)}
    outputs = {"actions": (1, HORIZON, 2), "hidden_next": memory, "cell_next": memory}
    return save(path, nodes, {**inputs, "hidden": memory, "cell": memory}, outputs, constants)


@pytest.fixture
def policy(bundle, rng):
    plain = bundle()
    save_remembering(plain.folder / "policy.onnx", rng)
    recurrent = Recurrent(window=WINDOW, hidden=HIDDEN)
    budget = Quantisation(mean_rad=0.1, p99_rad=0.3, worst_rad=0.5)  # random weights, a handful of numbers
    return write_manifest(
        plain.folder,
        msgspec.structs.replace(plain.manifest, family="recurrent", recurrent=recurrent, quantisation=budget),
    )


def episode(seed, count=EPISODE):
    """Pictures with a slope in them and states that drift, at 10 Hz from 0 s."""
    rng = np.random.default_rng(seed)
    shade, state = rng.uniform(0.3, 0.9, 3), rng.normal(0.0, 0.1, 2)
    for step in range(count):
        slope = np.linspace(0, rng.uniform(60, 250), PX)[:, np.newaxis, np.newaxis]
        state = state + rng.normal(0.0, 0.02, 2)
        yield Observation(
            0.1 * step, {"front": (slope * shade * np.ones((1, PX, 1))).astype(np.uint8)}, state, "go left"
        )


@pytest.fixture
def capture(policy, tmp_path):
    def take(folder, seeds, keep=1024, stop_after=None):
        cameras = {"front": Resolution(height=PX, width=PX)}
        collector = Collector(tmp_path / folder, policy, cameras, "recorded", keep, STARTED)
        offered = 0
        for seed in seeds:
            collector.begin_episode()
            for observation in episode(seed):
                if offered == stop_after:
                    return tmp_path / folder
                collector.offer(observation)
                offered += 1
        return tmp_path / folder

    return take


def same(found, expected):
    return (
        found.t_obs_s == expected.t_obs_s
        and np.array_equal(found.state_rad, expected.state_rad)
        and np.array_equal(found.images["front"], expected.images["front"])
    )


def test_every_frame_is_kept_in_its_order(capture):
    kept = list(load_set(capture("set", range(3))))
    offered = [each for seed in range(3) for each in episode(seed)]
    assert len(kept) == len(offered)
    assert all(map(same, kept, offered))


def test_full_is_full_and_what_is_there_stays(capture):
    kept = list(load_set(capture("set", range(3), keep=40)))
    offered = [each for seed in range(2) for each in episode(seed)][:40]
    assert len(kept) == 40
    assert all(map(same, kept, offered))


def test_an_interrupted_capture_begins_anew_and_keeps_nothing_twice(capture):
    capture("set", range(3), stop_after=EPISODE + 7)
    kept = list(load_set(capture("set", range(3))))
    assert all(map(same, kept, [each for seed in range(3) for each in episode(seed)]))
    assert len(kept) == 3 * EPISODE


def test_the_memory_is_full_but_for_the_first_of_each_episode(capture, policy):
    part = load_dataset(capture("set", range(4)), policy)
    assert remembering(part, policy.manifest) == 4 * (EPISODE - WINDOW + 1)


def test_the_float_policy_answers_as_if_each_episode_were_the_only_one(capture, policy):
    part = load_dataset(capture("set", range(3)), policy)
    found = Trial(policy, part).reference_rad
    alone = []
    for seed in range(3):
        fresh = load_policy(policy.folder)
        alone += [fresh.act(observation, number).actions_rad for number, observation in enumerate(episode(seed))]
    assert np.array_equal(found, np.array(alone))
    forgetful = []
    for number, observation in enumerate(each for seed in range(3) for each in episode(seed)):
        forgetful.append(load_policy(policy.folder).act(observation, number).actions_rad)
    assert not np.allclose(found, np.array(forgetful)), "a memory that is never used would pass the above as well"


def test_scales_are_set_with_the_memory_carried_and_reset_at_starts(capture, policy):
    part = load_dataset(capture("set", range(2)), policy)
    acting, listeners = listening_policy(policy)
    for _ in range(2):  # the quantiser passes over a set more than once
        memories = [np.abs(heard["hidden"]).max() for heard in overheard(acting, listeners[GRAPH], part)]
        assert [number for number, memory in enumerate(memories) if memory == 0.0] == [0, EPISODE]


def test_int8_is_made_and_signed_on_whole_episodes(capture, policy, tmp_path, monkeypatch):
    monkeypatch.setattr(verify_module, "SIGNABLE", 80)
    sets = sets_of(policy, capture("set", range(6)))
    work = tmp_path / "work"
    work.mkdir()
    outcome = quantise(policy, INT8_CPU, sets, Settings(), work, lambda stage, steps: None)
    assert 0.0 < outcome.held_out.worst_rad < policy.manifest.quantisation.worst_rad
    quantised = install(policy, [outcome])
    others = capture("other", range(100, 103))
    options = VerifyOptions(quantised.folder, INT8_CPU, "cpu", others, limit=500)
    found = verify(options, lambda done, total: None, EngineCache(tmp_path / "cache"))["results"]
    assert (found["passed"], found["unsigned"]) == (True, ""), found
    assert found["signed"] is not None


def test_the_command_takes_recorded_episodes_whole_and_says_when_they_have_gaps(policy, tmp_path):
    from edgevla.commands.calibrate import app
    from edgevla.shipped import shipped

    robot = tmp_path / "robot.yaml"
    text = (shipped("so101-tabletop") / "robot.yaml").read_text()
    robot.write_text(text.replace("bundle: .", f"bundle: {policy.folder}"))
    for name, every in (("whole", 1), ("gaps", 3)):
        files = []
        for seed in range(3):
            rows = list(episode(seed, 120))[::every]
            files += ["--recorded", str(tmp_path / f"{name}-{seed}.npz")]
            np.savez(
                files[-1],
                t_s=np.array([each.t_obs_s for each in rows]),
                state_rad=np.array([each.state_rad for each in rows]),
                instruction=np.array("go left"),
                **{"camera:front": np.array([each.images["front"] for each in rows])},
            )
        result = CliRunner().invoke(app, ["capture", str(robot), "--out", str(tmp_path / name), *files])
        if every == 1:
            assert result.exit_code == 0, result.output
            assert len(load_set(tmp_path / name)) == 360, "more than what others keep by default"
        else:
            assert result.exception.exit_code == 1
            assert "0 of 120 here end an unbroken row of 4 at 10 Hz" in str(result.exception)
