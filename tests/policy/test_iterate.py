"""Prefix and step graphs as one engine: what runs how often, on what, and what is refused."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgevla.config.policy_families import Diffusion, Flow
from edgevla.engine.base import GraphRefused, Tensor
from edgevla.policy.decode.noise import noise_key, normals
from edgevla.policy.iterate import DenoisingEngine
from tests.policy.two_graphs import Graph, tensors_of

replace = msgspec.structs.replace
H, D, WIDTH = 3, 2, 5  # of tests/policy/conftest.py; the width is that of a padded model
SAMPLE = Tensor("sample", "float32", (1, H, WIDTH))
VELOCITY = Tensor("velocity", "float32", (1, H, WIDTH))
TIME = Tensor("time", "float32", (1,))
CONTEXT = Tensor("context", "float32", (1, WIDTH))


@pytest.fixture
def flowing(manifest):
    return replace(
        manifest, family="flow", steps={"fp32": "step.onnx"}, flow=Flow(steps=4, direction="noise_at_1", width=WIDTH)
    )


def prefix_of(manifest):
    inputs = tensors_of(manifest, "front", "words")
    return Graph(inputs, [CONTEXT], lambda given: {"context": given["front"].mean() * np.ones((1, WIDTH), np.float32)})


def step_of(manifest, *, inputs=None, outputs=(VELOCITY,), name="velocity"):
    """Velocity: the straight way to what `context` and `state` say."""

    def function(given):
        target = given["context"][:, np.newaxis] + given["state"].sum()
        return {name: ((given["sample"] - target) / given["time"][0]).astype(np.float32)}

    return Graph(inputs or [SAMPLE, TIME, CONTEXT, *tensors_of(manifest, "state")], outputs, function)


def given(manifest, *, chunk=0):
    values = {spec.name: np.full(spec.shape, 0.25, spec.dtype) for spec in manifest.inputs}
    return {**values, "noise_key": noise_key(0, chunk)}


def engine_of(manifest, prefix=None, step=None):
    prefix, step = prefix or prefix_of(manifest), step or step_of(manifest)
    return DenoisingEngine(manifest, prefix, step, Path("step.onnx")), prefix, step


def test_it_takes_the_policys_inputs_and_a_noise_key_and_answers_the_policys_output(flowing):
    engine, _, _ = engine_of(flowing)
    promised = {Tensor(spec.name, spec.dtype, spec.shape) for spec in flowing.inputs}
    assert set(engine.inputs) == promised | {Tensor("noise_key", "uint32", (4,))}
    assert engine.outputs == (Tensor("actions", "float32", (1, H, D)),)
    assert engine.provider == "python"


def test_the_loop_ends_where_the_field_points_without_the_padding(flowing):
    engine, _, _ = engine_of(flowing)
    actions = engine.run(given(flowing))["actions"]
    assert (actions.shape, actions.dtype) == ((1, H, D), np.float32)
    np.testing.assert_allclose(actions, 0.25 + 2 * 0.25, atol=1e-6)


def test_the_prefix_runs_once_and_the_step_once_for_each_step(flowing):
    engine, prefix, step = engine_of(flowing)
    engine.run(given(flowing))
    assert len(prefix.runs) == 1
    assert [run["time"].tolist() for run in step.runs] == [[1.0], [0.75], [0.5], [0.25]]
    assert all((run["context"] == 0.25).all() for run in step.runs)


def test_the_first_sample_is_the_chunks_noise(flowing):
    engine, _, step = engine_of(flowing)
    for chunk in (0, 1, 0):
        engine.run(given(flowing, chunk=chunk))
    first, second, again = (run["sample"] for run in step.runs[::4])
    np.testing.assert_array_equal(first, normals((1, H, WIDTH), noise_key(0, 0), 0))
    np.testing.assert_array_equal(second, normals((1, H, WIDTH), noise_key(0, 1), 0))
    np.testing.assert_array_equal(again, first)


@pytest.mark.parametrize("dtype", ["float32", "int64", "int32"])
@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_time_is_shown_in_the_type_and_shape_the_graph_takes(flowing, dtype, shape):
    manifest = replace(flowing, flow=replace(flowing.flow, direction="noise_at_0", time="buckets"))
    time = Tensor("time", dtype, shape)
    seen = []

    def function(values):
        seen.append(values["time"])
        return {"velocity": np.zeros_like(values["sample"])}

    step = Graph([SAMPLE, time, CONTEXT, *tensors_of(manifest, "state")], [VELOCITY], function)
    engine_of(manifest, step=step)[0].run(given(manifest))
    assert [float(value.item()) for value in seen] == [0, 250, 500, 750]
    assert {(str(value.dtype), value.shape) for value in seen} == {(dtype, shape)}


@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
def test_a_diffusion_policy_is_told_the_training_step_and_answers_noise(manifest, sampler):
    section = Diffusion(schedule="cosine", train_steps=6, sampler=sampler, width=WIDTH)
    manifest = replace(manifest, family="diffusion", steps={"fp32": "step.onnx"}, diffusion=section)
    seen = []

    def function(values):
        seen.append(values["time"].item())
        return {"noise": np.zeros_like(values["sample"])}

    inputs = [SAMPLE, Tensor("time", "int64", (1,)), CONTEXT, *tensors_of(manifest, "state")]
    step = Graph(inputs, [Tensor("noise", "float32", (1, H, WIDTH))], function)
    actions = engine_of(manifest, step=step)[0].run(given(manifest))["actions"]
    assert seen == [5, 4, 3, 2, 1, 0]
    np.testing.assert_array_equal(step.runs[0]["sample"], normals((1, H, WIDTH), noise_key(0, 0), 0))
    assert np.isfinite(actions).all()


def test_a_guide_changes_the_velocity_of_every_step_and_is_told_the_time(flowing):
    engine, _, _ = engine_of(flowing)
    told = []

    def still(x, velocity, time):
        told.append((x.shape, velocity.shape, time))
        return np.zeros_like(velocity)

    engine.guide = still
    actions = engine.run(given(flowing))["actions"]
    assert told == [((1, H, WIDTH), (1, H, WIDTH), time) for time in (1.0, 0.75, 0.5, 0.25)]
    np.testing.assert_array_equal(actions, normals((1, H, WIDTH), noise_key(0, 0), 0)[..., :D])


def test_a_fault_in_one_step_is_still_there_at_the_end(flowing):
    step = step_of(flowing)
    healthy = step.function

    def function(values):
        answer = healthy(values)["velocity"]
        if values["time"][0] == 0.75:
            answer[0, 1, 1] = np.inf
        return {"velocity": answer}

    step.function = function
    actions = engine_of(flowing, step=step)[0].run(given(flowing))["actions"]
    assert not np.isfinite(actions[0, 1, 1])


def test_inputs_are_checked(flowing):
    engine, prefix, _ = engine_of(flowing)
    values = given(flowing)
    del values["noise_key"]
    with pytest.raises(ValueError, match=r"noise_key uint32\[4\]"):
        engine.run(values)
    assert prefix.runs == []


def test_closing_closes_both(flowing):
    engine, prefix, step = engine_of(flowing)
    engine.close()
    assert prefix.closed
    assert step.closed


def test_a_step_graph_of_another_width_is_refused(flowing):
    narrow = Tensor("sample", "float32", (1, H, D))
    step = step_of(flowing, inputs=[narrow, TIME, CONTEXT])
    with pytest.raises(GraphRefused, match=r"must take sample float32\[1, 3, 5\] .* found sample float32\[1, 3, 2\]"):
        engine_of(flowing, step=step)


def test_a_step_graph_that_answers_under_another_name_is_refused(flowing):
    step = step_of(flowing, outputs=[Tensor("noise", "float32", (1, H, WIDTH))])
    with pytest.raises(GraphRefused, match=r"answer velocity float32\[1, 3, 5\]; found .*noise"):
        engine_of(flowing, step=step)


@pytest.mark.parametrize("time", [Tensor("t", "float32", (1,)), Tensor("time", "float32", (2,))])
def test_a_step_graph_without_one_number_for_time_is_refused(flowing, time):
    step = step_of(flowing, inputs=[SAMPLE, time, CONTEXT])
    with pytest.raises(GraphRefused, match="must take time, one number"):
        engine_of(flowing, step=step)


def test_a_step_graph_that_needs_what_nobody_gives_is_refused(flowing):
    step = step_of(flowing, inputs=[SAMPLE, TIME, Tensor("cache", "float32", (1, 7))])
    with pytest.raises(GraphRefused, match=r"only what the prefix and the policy give; found cache float32\[1, 7\]"):
        engine_of(flowing, step=step)


def test_an_input_of_policy_yaml_that_no_graph_takes_is_refused(flowing):
    step = step_of(flowing, inputs=[SAMPLE, TIME, CONTEXT])  # and the prefix does not take the state either
    with pytest.raises(GraphRefused, match=r"the inputs of policy\.yaml, .*state float32\[1, 2\]"):
        engine_of(flowing, step=step)
