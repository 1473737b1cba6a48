"""What a denoising loop needs at each step, from the published formulae."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevla.config.policy_families import Diffusion, Flow
from edgevla.policy.decode.schedules import betas_of, ddim_schedule, ddpm_schedule, flow_schedule


def test_time_falls_from_noise_at_1_in_ten_steps():
    schedule = flow_schedule(Flow(steps=10, direction="noise_at_1"))
    np.testing.assert_allclose(schedule.times, [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
    assert schedule.dt == np.float32(-0.1)
    assert schedule.shown.dtype == np.float32


def test_accumulated_time_carries_the_rounding_of_every_step_as_openpi_does():
    steps, time = 10, np.float32(1.0)
    expected = []
    while time >= 0.1 / 2:  # openpi's condition for going on
        expected.append(time)
        time = time + np.float32(-0.1)
    summed = flow_schedule(Flow(steps=steps, direction="noise_at_1", accumulate=True)).shown
    np.testing.assert_array_equal(summed, np.array(expected))
    assert (summed != flow_schedule(Flow(steps=steps, direction="noise_at_1")).shown).any()


@pytest.mark.parametrize(("steps", "buckets"), [(4, [0, 250, 500, 750]), (3, [0, 333, 666]), (1, [0])])
def test_rising_time_is_cut_into_whole_buckets_as_gr00t_does(steps, buckets):
    schedule = flow_schedule(Flow(steps=steps, direction="noise_at_0", time="buckets"))
    assert schedule.shown.tolist() == buckets
    assert schedule.shown.dtype == np.int64
    assert schedule.dt == np.float32(1.0 / steps)


def octo(**changes):
    return Diffusion(**{"schedule": "cosine", "train_steps": 20, **changes})


def test_octos_cosine_betas():
    betas = betas_of(octo())
    assert betas[[0, 18, 19]] == pytest.approx([0.00799, 0.7485, 0.999], rel=1e-3)


def test_cosine_and_squaredcos_cap_v2_are_one_schedule():
    # diffusers: beta_i = min(1 - f((i + 1) / n) / f(i / n), 0.999), f(t) = cos^2((t + 0.008) / 1.008 * pi / 2)
    def f(t):
        return math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2

    expected = [min(1 - f((i + 1) / 50) / f(i / 50), 0.999) for i in range(50)]
    for name in ("cosine", "squaredcos_cap_v2"):
        np.testing.assert_allclose(betas_of(octo(schedule=name, train_steps=50)), expected, rtol=1e-9)


def test_linear_betas_run_between_their_ends():
    betas = betas_of(octo(schedule="linear", train_steps=3, beta_start=0.1, beta_end=0.3))
    np.testing.assert_allclose(betas, [0.1, 0.2, 0.3])


def test_explicit_betas_are_taken_as_they_are():
    assert betas_of(octo(schedule="explicit", train_steps=2, betas=(0.25, 0.5))).tolist() == [0.25, 0.5]


def test_ddpm_by_hand_for_two_steps():
    schedule = ddpm_schedule(octo(schedule="explicit", train_steps=2, betas=(0.25, 0.5)))
    assert schedule.shown.tolist() == [1, 0]
    np.testing.assert_allclose(schedule.inverse, [1 / math.sqrt(0.5), 1 / math.sqrt(0.75)], rtol=1e-6)
    np.testing.assert_allclose(schedule.share, [0.5 / math.sqrt(1 - 0.375), 0.25 / math.sqrt(0.25)], rtol=1e-6)
    np.testing.assert_allclose(schedule.spread, [math.sqrt(0.5), 0.0], rtol=1e-6)
    np.testing.assert_allclose(schedule.masked, [math.sqrt(0.625), 0.5], rtol=1e-6)


def test_ddim_takes_leading_time_steps_and_ends_in_the_predicted_actions():
    schedule = ddim_schedule(octo(train_steps=50, steps=10, sampler="ddim"))
    assert schedule.shown.tolist() == [45, 40, 35, 30, 25, 20, 15, 10, 5, 0]
    np.testing.assert_array_equal(schedule.signal_next[:-1], schedule.signal[1:])
    assert (schedule.signal_next[-1], schedule.direction[-1]) == (1.0, 0.0)


def test_ddim_with_a_number_of_steps_that_does_not_divide_leaves_the_noisiest_out():
    assert ddim_schedule(octo(train_steps=50, steps=16, sampler="ddim")).shown.tolist() == list(range(45, -1, -3))


@given(st.sampled_from(["cosine", "squaredcos_cap_v2", "linear"]), st.integers(1, 300), st.data())
def test_every_schedule_is_finite_and_its_betas_lie_between_0_and_1(name, train_steps, data):
    steps = data.draw(st.integers(1, train_steps))
    diffusion = octo(schedule=name, train_steps=train_steps, steps=steps, sampler="ddim")
    betas = betas_of(diffusion)
    assert betas.shape == (train_steps,)
    assert ((betas > 0) & (betas < 1)).all()
    ddpm, ddim = ddpm_schedule(diffusion), ddim_schedule(diffusion)
    for numbers in (ddpm.inverse, ddpm.share, ddpm.spread, ddpm.masked):
        assert numbers.shape == (train_steps,)
        assert numbers.dtype == np.float32
        assert np.isfinite(numbers).all()
    for numbers in (ddim.signal, ddim.noise, ddim.signal_next, ddim.direction):
        assert numbers.shape == (steps,)
        assert numbers.dtype == np.float32
        assert np.isfinite(numbers).all()
    assert (np.diff(ddim.shown) < 0).all()
