"""What a LeRobot checkpoint's files say, and what in them is refused."""

import json

import numpy as np
import pytest

from edgevla.importers.errors import ImportRefused
from edgevla.importers.lerobot.files import read_checkpoint
from tests.importers.checkpoints import EPS, MEAN, NORMAL, STD, config, write_checkpoint, write_tensors

STATE, ACTION = "observation.state", "action"


def test_the_state_has_the_epsilon_on_the_way_in_and_the_action_none_on_the_way_out(tmp_path):
    checkpoint = read_checkpoint(write_checkpoint(tmp_path))
    np.testing.assert_array_equal(checkpoint.scalings[STATE].low, MEAN.astype(float))
    np.testing.assert_array_equal(checkpoint.scalings[STATE].high, STD.astype(float) + EPS)
    np.testing.assert_array_equal(checkpoint.scalings[ACTION].high, STD.astype(float))


def test_each_pipeline_has_its_own_statistics(tmp_path):
    other = {"action.mean": MEAN + 1, "action.std": STD, f"{STATE}.mean": MEAN + 9, f"{STATE}.std": STD}
    checkpoint = read_checkpoint(write_checkpoint(tmp_path, behind=other))
    np.testing.assert_array_equal(checkpoint.scalings[ACTION].low, MEAN + 1.0)
    np.testing.assert_array_equal(checkpoint.scalings[STATE].low, MEAN.astype(float))


@pytest.mark.parametrize(("mode", "kind"), [("MIN_MAX", "min_max"), ("QUANTILES", "quantiles")])
def test_a_range_of_zero_becomes_the_epsilon(tmp_path, mode, kind):
    low, high = {"MIN_MAX": ("min", "max"), "QUANTILES": ("q01", "q99")}[mode]
    flat = {
        f"{key}.{name}": np.array(value, np.float32)
        for key in (STATE, ACTION)
        for name, value in {low: [-1.0, 0.5], high: [3.0, 0.5]}.items()
    }
    mapping = {"STATE": mode, "ACTION": mode}
    settings = config(normalization_mapping=mapping)
    action = read_checkpoint(write_checkpoint(tmp_path, settings, before=flat, behind=flat)).scalings[ACTION]
    assert action.kind == kind
    np.testing.assert_allclose(action.high - action.low, [4.0, EPS], rtol=1e-6)


def test_pictures_that_are_normalised_keep_their_channels(tmp_path):
    colours = {
        "observation.images.front.mean": np.full((3, 1, 1), 0.4, np.float32),
        "observation.images.front.std": np.full((3, 1, 1), 0.2, np.float32),
    }
    flat = {f"{STATE}.{name}": value for name, value in NORMAL.items()}
    settings = config(normalization_mapping={"VISUAL": "MEAN_STD", "STATE": "MEAN_STD", "ACTION": "MEAN_STD"})
    checkpoint = read_checkpoint(write_checkpoint(tmp_path, settings, before={**flat, **colours}))
    assert list(checkpoint.pictures) == ["observation.images.front"]
    np.testing.assert_allclose(checkpoint.pictures["observation.images.front"].high, [0.2 + EPS] * 3, rtol=1e-6)


def test_a_checkpoint_from_before_the_processors_has_its_statistics_among_the_weights(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(config()))
    weights = {
        "normalize_inputs.buffer_observation_state.mean": MEAN,
        "normalize_inputs.buffer_observation_state.std": STD,
        "unnormalize_outputs.buffer_action.mean": MEAN + 2,
        "unnormalize_outputs.buffer_action.std": STD,
        "model.layer.weight": np.zeros((2, 2), np.float32),
    }
    write_tensors(tmp_path / "model.safetensors", weights)
    checkpoint = read_checkpoint(tmp_path)
    np.testing.assert_array_equal(checkpoint.scalings[ACTION].low, MEAN + 2.0)
    np.testing.assert_array_equal(checkpoint.scalings[STATE].low, MEAN.astype(float))


@pytest.mark.parametrize(
    ("step", "relative"),
    [
        ({"enabled": False}, []),
        ({"enabled": True}, [True, True]),
        ({"enabled": True, "exclude_joints": ["gripper"], "action_names": ["pan.pos", "Gripper.pos"]}, [True, False]),
        ({"enabled": True, "exclude_joints": ["gripper"]}, [True, True]),
        ({"enabled": True, "exclude_joints": ["pan"], "action_names": ["pan.pos"]}, [False, True]),
    ],
)
def test_which_actions_are_relative(tmp_path, step, relative):
    steps = [{"registry_name": "relative_actions_processor", "config": step}]
    assert read_checkpoint(write_checkpoint(tmp_path, steps=steps)).relative == relative


def test_a_step_that_nobody_knows_is_refused(tmp_path):
    steps = [{"registry_name": "mirror_the_world", "config": {}}]
    with pytest.raises(ImportRefused, match=r'policy_preprocessor.json: the step "mirror_the_world" is not known'):
        read_checkpoint(write_checkpoint(tmp_path, steps=steps))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "config.json: cannot be read: No such file"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json: is not JSON"),
        (lambda folder: (folder / "config.json").write_text("{}"), '"input_features" is missing'),
        (lambda folder: (folder / "policy_postprocessor.json").unlink(), "policy_postprocessor.json: cannot be read"),
        (lambda folder: (folder / "before.safetensors").unlink(), "before.safetensors: cannot be read"),
        (lambda folder: (folder / "before.safetensors").write_bytes(b"\xff" * 40), "is not a .safetensors file"),
        (lambda folder: write_tensors(folder / "behind.safetensors", {}), "action: .* has no mean and std for it"),
    ],
)
def test_damage_is_one_line_that_says_where(tmp_path, damage, message):
    write_checkpoint(tmp_path)
    damage(tmp_path)
    with pytest.raises(ImportRefused, match=message) as caught:
        read_checkpoint(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"normalization_mapping": {"STATE": "LOG"}}, 'observation.state: the normalisation "LOG" is not known'),
        ({"output_features": {"speech": {"type": "ACTION", "shape": [2]}}}, "must take .* and answer action"),
        ({"output_features": {"action": {"type": "ACTION", "shape": [3]}}}, "must be 3 finite numbers"),
        (
            {"input_features": {"observation.environment_state": {"type": "ENV", "shape": [2]}}},
            "it also takes observation.environment_state, which a robot does not measure",
        ),
    ],
)
def test_what_a_bundle_cannot_repeat_is_refused(tmp_path, changes, message):
    with pytest.raises(ImportRefused, match=message):
        read_checkpoint(write_checkpoint(tmp_path, config(**changes)))


def test_statistics_that_were_never_computed_are_refused(tmp_path):
    flat = {f"{STATE}.mean": MEAN * np.inf, f"{STATE}.std": STD}
    with pytest.raises(ImportRefused, match="must be 2 finite numbers"):
        read_checkpoint(write_checkpoint(tmp_path, before=flat))
