"""Real-time chunking through a whole policy: the loop is drawn to the plan sent before, and the seam is closed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgevla.config.policy_families import Execution, Flow
from edgevla.engine.base import Tensor
from edgevla.policy.execution import execution_of
from edgevla.policy.iterate import DenoisingEngine
from edgevla.policy.policy import Policy

HORIZON, WIDTH, RATE_HZ, LATENCY_S = 12, 4, 10.0, 0.15
SAMPLE = Tensor("sample", "float32", (1, HORIZON, WIDTH))


class Engine:
    """A graph that a function stands for."""

    provider = "toy"

    def __init__(self, inputs, outputs, function):
        self.inputs, self.outputs, self._function = tuple(inputs), tuple(outputs), function

    def run(self, inputs):
        return self._function(inputs)

    def close(self):
        pass


@pytest.fixture
def policy(bundle, manifest):
    """A flow policy that jumps: every chunk wants to be one unit higher than the one before. Its clock says 150 ms."""

    def build(kind):
        made = bundle(
            msgspec.structs.replace(
                manifest,
                family="flow",
                steps={"fp32": "graph.onnx"},
                action=msgspec.structs.replace(manifest.action, horizon=HORIZON, rate_hz=RATE_HZ, kind="absolute"),
                flow=Flow(steps=10, direction="noise_at_1", width=WIDTH),
                execution=Execution(kind=kind, guided_rows=8),
            )
        )
        inputs = [Tensor(spec.name, spec.dtype, spec.shape) for spec in made.manifest.inputs]
        chunks = iter(range(1, 100))

        def encode(_):
            return {"goal": np.full((1, 1, WIDTH), next(chunks), np.float32)}

        def velocity(given):
            return {"velocity": (given["sample"] - given["goal"]) / given["time"]}

        goal = Tensor("goal", "float32", (1, 1, WIDTH))
        engine = DenoisingEngine(
            made.manifest,
            Engine(inputs, [goal], encode),
            Engine(
                [SAMPLE, Tensor("time", "float32", (1,)), goal], [Tensor("velocity", "float32", SAMPLE.shape)], velocity
            ),
            Path("toy.onnx"),
        )
        seen = []

        def clock():
            return seen[-1] + LATENCY_S if seen else 0.0

        policy = Policy(made, engine, execution=execution_of(made.manifest, clock=clock), clock=clock)
        return policy, seen

    return build


def act(policy, seen, observation, t_obs_s, **shown):
    seen.append(t_obs_s)
    return policy.act(observation(t_obs_s=t_obs_s, **shown), seq=len(seen))


def unit(policy):
    """One normalised unit of each joint, rad."""
    return np.array(policy.manifest.action.normalisation.std)


def test_the_rows_that_are_past_on_arrival_are_those_of_the_plan_before(policy, observation):
    made, seen = policy("rtc")
    first = np.array(act(made, seen, observation, 100.0).actions_rad)
    second = np.array(act(made, seen, observation, 100.2).actions_rad)
    np.testing.assert_allclose(second[:3], first[2:5], atol=1e-6)
    np.testing.assert_allclose(second[8:], first[10:].repeat(2, axis=0) + unit(made), atol=1e-6)
    assert (np.diff(second[2:9], axis=0) > 0.0).all()


def test_a_chunk_without_a_past_is_the_policys_own(policy, observation):
    made, seen = policy("rtc")
    act(made, seen, observation, 100.0)
    second = np.array(act(made, seen, observation, 100.2, instruction="go right").actions_rad)
    np.testing.assert_allclose(second, np.tile(second[-1], (HORIZON, 1)), atol=1e-6)


def test_guidance_reaches_the_loop_itself_not_only_its_result(policy, observation):
    made, seen = policy("rtc")
    act(made, seen, observation, 100.0)
    raw = []
    run = made.engine.run
    made.engine.run = lambda inputs: raw.append(run(inputs)) or raw[-1]
    act(made, seen, observation, 100.2)
    rows = raw[0]["actions"][0]
    assert (np.abs(rows[:3] - 1.0) < 0.1).all()
    np.testing.assert_allclose(rows[8:], 2.0, atol=1e-5)


def test_an_invalid_chunk_ends_the_past_for_the_loop_too(policy, observation):
    made, seen = policy("rtc")
    act(made, seen, observation, 100.0)
    assert not act(made, seen, observation, 100.1, images={}).valid
    third = np.array(act(made, seen, observation, 100.2).actions_rad)
    np.testing.assert_allclose(third, np.tile(third[-1], (HORIZON, 1)), atol=1e-6)


def test_without_execution_every_chunk_stands_for_itself(policy, observation):
    made, seen = policy("latest")
    act(made, seen, observation, 100.0)
    second = np.array(act(made, seen, observation, 100.2).actions_rad)
    np.testing.assert_allclose(second, np.tile(second[-1], (HORIZON, 1)), atol=1e-6)
