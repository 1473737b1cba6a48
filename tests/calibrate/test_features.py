"""What makes two observations different: picture, pose or sentence, each by itself."""

import numpy as np
import pytest

from edgevla.calibrate.features import Features
from tests.calibrate.conftest import observation, picture

SENTENCES = ("touch the red block", "push it left")


@pytest.fixture
def distance():
    features = Features(("front",), 6, SENTENCES)
    first = features(observation(1))
    assert first.shape == (features.width,)
    return lambda **changes: float(np.linalg.norm(features(observation(1, **changes)) - first))


def test_the_same_is_no_distance_apart_whatever_the_time(distance):
    assert distance(t_s=99.0) == 0.0


def test_another_sentence_is_1_apart_and_unknown_ones_are_one_more(distance):
    assert distance(instruction=SENTENCES[1]) == pytest.approx(1.0)
    assert distance(instruction="sing") == distance(instruction="dance") == pytest.approx(1.0)


def test_half_a_radian_in_every_joint_is_1_apart(distance):
    assert distance(state_rad=observation(1).state_rad + 0.5) == pytest.approx(1.0)


def test_a_tenth_of_the_brightness_everywhere_is_about_1_apart(distance):
    image = picture(1).astype(float)
    lighter = {"front": (image + 25.5).clip(0, 255).astype(np.uint8)}
    assert distance(images=lighter) == pytest.approx(1.0, rel=0.1)
