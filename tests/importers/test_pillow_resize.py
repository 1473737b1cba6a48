"""Our two matrix products beside Pillow itself."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install 'edgevla[distill]'")
Image = pytest.importorskip("PIL.Image")

from edgevla.importers.pillow_resize import PillowResize, weights  # noqa: E402 - torch first


@pytest.mark.parametrize(
    ("height", "width", "size"), [(48, 64, (32, 32)), (30, 20, (64, 48)), (33, 47, (33, 24)), (224, 224, (224, 224))]
)
def test_the_pixels_are_pillows(height, width, size):
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    expected = np.array(Image.fromarray(image).resize(size[::-1], Image.Resampling.BICUBIC))
    given = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    found = PillowResize(height, width, size)(given)[0].permute(1, 2, 0).numpy() * 255
    off = np.abs(found - expected)
    assert off.max() <= 1.001  # a tie that 22-bit weights round the other way
    assert (off > 0.01).mean() < 1e-3


def test_the_weights_of_a_pixel_add_up_to_one():
    np.testing.assert_allclose(weights(480, 224).sum(axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(weights(50, 224).sum(axis=1), 1.0, atol=1e-6)
