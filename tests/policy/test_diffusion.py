"""Denoising steps against an oracle that knows the noise, and their faults."""

import numpy as np
import pytest

from edgevla.config.policy_families import Diffusion
from edgevla.policy.decode.diffusion import DdimUpdate, DdpmUpdate, ddim_step, ddpm_step
from edgevla.policy.decode.noise import noise_key, normals
from edgevla.policy.decode.schedules import betas_of, ddim_schedule, ddpm_schedule

KEY = noise_key(3, 9)
TARGET = np.linspace(-0.9, 0.9, 12, dtype=np.float32).reshape(1, 4, 3)
NO_CLIP = np.float32(np.inf)


def diffusion(**changes):
    return Diffusion(**{"schedule": "cosine", "train_steps": 20, **changes})


def noise_in(x, time, section):
    """The noise that takes TARGET to x at a training time step."""
    alpha_bar = np.cumprod(1.0 - betas_of(section))[int(time)]
    return ((x - np.sqrt(alpha_bar) * TARGET) / np.sqrt(1.0 - alpha_bar)).astype(np.float32)


def denoised(update, section):
    noise = normals(TARGET.shape, KEY, update.draws)
    x = noise[0]
    for step, time in enumerate(update.shown):
        x = update(step, x, noise_in(x, time, section), noise)
    return x


@pytest.mark.parametrize("steps", [1, 2, 7, 20])
def test_ddim_with_a_network_that_sees_the_noise_ends_at_the_actions(steps):
    section = diffusion(sampler="ddim", steps=steps, clip=1.0)
    np.testing.assert_allclose(denoised(DdimUpdate(section), section), TARGET, atol=1e-5)


def test_ddpm_with_a_network_that_sees_the_noise_ends_at_the_actions():
    section = diffusion(clip=5.0)
    np.testing.assert_allclose(denoised(DdpmUpdate(section, 3), section), TARGET, atol=1e-5)


def test_ddpm_adds_the_noise_of_its_step_and_none_in_the_last():
    schedule = ddpm_schedule(diffusion())
    x, epsilon = normals((1, 2, 3), KEY, 50), normals((1, 2, 3), KEY, 51)
    z = np.full((1, 2, 3), 2.0, np.float32)
    for step, spread in ((0, np.sqrt(betas_of(diffusion())[19])), (19, 0.0)):
        with_noise = ddpm_step(schedule, step, x, epsilon, z, NO_CLIP)
        without = ddpm_step(schedule, step, x, epsilon, np.zeros_like(z), NO_CLIP)
        np.testing.assert_allclose(with_noise - without, 2.0 * spread, atol=1e-5)


def test_ddpm_takes_other_noise_in_every_step():
    update = DdpmUpdate(diffusion(), 3)
    zeros, noise = np.zeros((1, 4, 3), np.float32), normals((1, 4, 3), KEY, update.draws)
    assert update.draws.tolist() == list(range(21))
    for step in (0, 7):
        spread = np.sqrt(betas_of(diffusion())[19 - step])
        np.testing.assert_allclose(update(step, zeros, zeros, noise), spread * noise[1 + step], rtol=1e-6)


@pytest.mark.parametrize("steps", [1, 7])
def test_ddim_needs_the_first_sample_only(steps):
    assert DdimUpdate(diffusion(sampler="ddim", steps=steps)).draws.tolist() == [0]


def test_ddpm_clips_each_new_sample():
    schedule = ddpm_schedule(diffusion())
    far = np.full((1, 2, 3), 1e3, np.float32)
    zeros = np.zeros_like(far)
    assert (ddpm_step(schedule, 5, far, zeros, zeros, np.float32(5.0)) == 5.0).all()
    assert (ddpm_step(schedule, 5, -far, zeros, zeros, np.float32(5.0)) == -5.0).all()
    assert (ddpm_step(schedule, 5, far, zeros, zeros, NO_CLIP) > 1e3).all()


def test_ddim_clips_the_predicted_actions_and_not_the_sample():
    section = diffusion(sampler="ddim", steps=10)
    schedule = ddim_schedule(section)
    x = np.full((1, 2, 3), 50.0, np.float32)
    epsilon = np.full_like(x, 0.5)
    expected = schedule.signal_next[4] * np.float32(1.0) + schedule.direction[4] * np.float32(0.5)
    np.testing.assert_allclose(ddim_step(schedule, 4, x, epsilon, np.float32(1.0)), expected, rtol=1e-6)


@pytest.mark.parametrize("fault", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
def test_a_clip_never_makes_a_number_of_a_fault(sampler, fault):
    section = diffusion(sampler=sampler, clip=1.0)
    update = DdimUpdate(section) if sampler == "ddim" else DdpmUpdate(section, 3)
    answer = np.zeros((1, 2, 3), np.float32)
    answer[0, 1, 2] = fault
    after = update(7, np.zeros_like(answer), answer, normals(answer.shape, KEY, update.draws))
    np.testing.assert_array_equal(np.isfinite(after[0]), [[True, True, True], [True, True, False]])


def test_padding_columns_are_the_noise_that_training_showed_there():
    update = DdpmUpdate(diffusion(clip=5.0), 3)
    answer = np.full((1, 4, 5), 3.0, np.float32)
    after = update(6, np.ones_like(answer), answer, normals(answer.shape, KEY, update.draws))
    alpha_bar = np.cumprod(1.0 - betas_of(diffusion()))[19 - 6]
    z = normals((1, 4, 5), KEY, 7)
    np.testing.assert_allclose(after[..., 3:], np.sqrt(1.0 - alpha_bar) * z[..., 3:], rtol=1e-5)
    assert (np.abs(after[..., :3]) > 0).all()
