"""What makes two observations different, as a vector: small grey pictures, joints, and the sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgevla.messages import Observation

THUMBNAIL_PX = 12
# What counts as a difference of 1, so that no part drowns the others: the root mean square between two pictures of one
# scene in 0..1, and joints that all stand somewhere else.
_PICTURE = 0.1
_JOINTS_RAD = 0.5
_SENTENCE = 1.0


class Features:
    """Turns observations into vectors.

    Args:
        cameras: which pictures count, in this order.
        joints: how many numbers the state has.
        sentences: what may be said; any other sentence counts as one more.
    """

    def __init__(self, cameras: Sequence[str], joints: int, sentences: Sequence[str]) -> None:
        self._cameras = tuple(cameras)
        self._joints = joints
        self._sentence = {sentence: index for index, sentence in enumerate(dict.fromkeys(sentences))}
        self.width = THUMBNAIL_PX**2 * len(self._cameras) + joints + len(self._sentence) + 1

    def __call__(self, observation: Observation) -> NDArray[np.float64]:
        """Return the vector of one observation, (width,)."""
        pictures = [thumbnail(observation.images[camera]).ravel() for camera in self._cameras]
        seen = np.concatenate(pictures) / np.sqrt(max(1, len(self._cameras))) if pictures else np.zeros(0)
        spoken = np.zeros(len(self._sentence) + 1)
        spoken[self._sentence.get(observation.instruction, len(self._sentence))] = _SENTENCE / np.sqrt(2.0)
        return np.concatenate(
            [
                seen / THUMBNAIL_PX / _PICTURE,
                observation.state_rad / np.sqrt(self._joints) / _JOINTS_RAD,
                spoken,
            ]
        )


def thumbnail(image: NDArray[np.uint8], edge_px: int = THUMBNAIL_PX) -> NDArray[np.float64]:
    """A (h, w, 3) RGB picture as a small grey one, (edge_px, edge_px) in 0..1."""
    return np.asarray(cv2.resize(image, (edge_px, edge_px), interpolation=cv2.INTER_AREA).mean(axis=2) / 255.0)
