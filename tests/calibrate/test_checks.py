"""What no quantiser should see is refused by name; what a camera really sends is not."""

import cv2
import numpy as np
import pytest

from edgevla.calibrate.checks import Checks, picture_fault
from edgevla.calibration_set import Resolution
from tests.calibrate.conftest import SIDE, observation, picture

RNG = np.random.default_rng(11)


def noise(low=0, high=256, grain=1):
    coarse = RNG.integers(low, high, (SIDE // grain, SIDE // grain, 3), np.uint8)
    return np.kron(coarse, np.ones((grain, grain, 1), np.uint8))


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((SIDE, SIDE, 3), np.uint8), "black"),
        (RNG.integers(0, 12, (SIDE, SIDE, 3), np.uint8), "black"),
        (np.full((SIDE, SIDE, 3), 255, np.uint8), "overexposed"),
        (np.full((SIDE, SIDE, 3), 128, np.uint8), "blank"),
        (RNG.integers(126, 130, (SIDE, SIDE, 3), np.uint8), "blank"),
        (noise(), "noise"),
        (noise(100, 160), "noise"),
        (noise(grain=2), "noise"),
    ],
)
def test_a_picture_that_shows_nothing_is_named(image, words):
    assert picture_fault(image).startswith(words)


@pytest.mark.parametrize("seed", range(12))
def test_a_picture_of_something_passes_even_when_dim_bright_noisy_or_from_a_jpeg(seed):
    image = picture(seed)
    dim = (image * 0.25).astype(np.uint8)
    bright = (255 - (255 - image.astype(int)) * 0.4).astype(np.uint8)
    grainy = (image + RNG.normal(0.0, 12.0, image.shape)).clip(0, 255).astype(np.uint8)
    jpeg = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 50])[1], cv2.IMREAD_COLOR)
    assert [picture_fault(each) for each in (image, dim, bright, grainy, jpeg)] == [""] * 5


@pytest.fixture
def checks(cameras):
    return Checks(cameras, joints=6)


def test_different_pictures_of_a_moving_arm_pass(checks):
    assert [checks.refusal(observation(seed)) for seed in range(5)] == [""] * 5


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state_rad": np.zeros(5)}, "joints: of another number"),
        ({"state_rad": np.array([0, 0, np.nan, 0, 0, 0])}, "joints: not finite"),
        ({"state_rad": np.array([0, 0, np.inf, 0, 0, 0])}, "joints: not finite"),
        ({"state_rad": np.full(6, 100.0)}, "joints: more than a turn"),
        ({"t_obs_s": float("nan")}, "joints: not finite"),
        ({"images": {}}, "front: no picture"),
        ({"images": {"front": picture(1)[:-1]}}, "front: not uint8 RGB of 48x48"),
        ({"images": {"front": picture(1).astype(np.float32)}}, "front: not uint8 RGB"),
        ({"images": {"front": picture(1)[..., 0]}}, "front: not uint8 RGB"),
        ({"images": {"front": np.zeros((SIDE, SIDE, 3), np.uint8)}}, "front: black"),
    ],
)
def test_a_bad_observation_is_refused_with_its_reason(checks, changes, words):
    assert checks.refusal(observation(1, **changes)).startswith(words)
    assert checks.refusal(observation(2)) == ""


def test_the_same_picture_twice_is_a_frozen_stream(checks):
    first = observation(1)
    assert checks.refusal(first) == ""
    assert checks.refusal(observation(2, images=first.images)).startswith("front: frozen")
    assert checks.refusal(observation(3)) == ""


def test_joints_that_jump_faster_than_a_servo_turns_are_refused_until_they_go_on_from_there(checks):
    assert checks.refusal(observation(1, t_s=1.0, state_rad=np.zeros(6))) == ""
    assert checks.refusal(observation(2, t_s=1.1, state_rad=np.full(6, 2.0))).startswith("joints: jump")
    assert checks.refusal(observation(3, t_s=1.2, state_rad=np.full(6, 2.1))) == ""


def test_time_must_go_on_within_an_episode_and_starts_anew_with_the_next(checks):
    assert checks.refusal(observation(1, t_s=5.0)) == ""
    assert checks.refusal(observation(2, t_s=5.0)) == "time: does not go on"
    checks.begin_episode()
    assert checks.refusal(observation(3, t_s=0.0)) == ""


def test_a_stream_of_random_numbers_does_not_get_in():
    checks = Checks({"front": Resolution(height=SIDE, width=SIDE)}, joints=6)
    refused = [
        checks.refusal(observation(i, t_s=0.1 * i, images={"front": noise()}, state_rad=RNG.normal(0.0, 1.0, 6)))
        for i in range(50)
    ]
    assert all(refused)
