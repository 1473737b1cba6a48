"""Camera image to tensor: channels first, 0..1, cut and not stretched."""

import numpy as np
import pytest

from edgevla.policy.errors import InputRefused
from edgevla.policy.picture import Picture


def test_channels_come_first_and_values_end_at_one():
    image = np.zeros((4, 4, 3), np.uint8)
    image[0, 1] = (255, 51, 0)
    tensor = Picture(4, 4)(image)
    assert (tensor.dtype, tensor.shape) == (np.float32, (1, 3, 4, 4))
    np.testing.assert_allclose(tensor[0, :, 0, 1], [1.0, 0.2, 0.0], rtol=1e-6)
    assert tensor.sum() == pytest.approx(1.2)


def test_shrinking_averages_areas():
    image = np.zeros((8, 8, 3), np.uint8)
    image[::2] = 200
    np.testing.assert_allclose(Picture(4, 4)(image), 100 / 255, rtol=1e-6)


def test_a_wide_picture_loses_its_sides_and_is_not_stretched():
    image = np.zeros((12, 20, 3), np.uint8)
    image[:, 4:16] = 255
    np.testing.assert_array_equal(Picture(6, 6)(image), 1.0)


def test_a_tall_picture_loses_top_and_bottom():
    image = np.zeros((20, 12, 3), np.uint8)
    image[4:16] = 255
    np.testing.assert_array_equal(Picture(6, 6)(image), 1.0)


def test_a_smaller_picture_is_enlarged_smoothly():
    image = np.zeros((2, 2, 3), np.uint8)
    image[:, 1] = 255
    row = Picture(4, 4)(image)[0, 0, 0]
    assert np.all(np.diff(row) >= 0)
    assert len(set(row.tolist())) > 2


def test_the_result_is_one_buffer():
    picture = Picture(4, 4)
    assert picture(np.zeros((4, 4, 3), np.uint8)) is picture(np.zeros((8, 8, 3), np.uint8))


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((3, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_what_is_no_rgb_image_is_refused(image):
    with pytest.raises(InputRefused, match=r"must be uint8 \(height, width, 3\), not"):
        Picture(4, 4)(image)
