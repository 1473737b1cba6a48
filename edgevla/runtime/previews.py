"""Small pictures for whoever watches: made in the policy process, which has the frames, when it has nothing to plan."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import cv2

from edgevla.messages import Picture, Pictures

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from edgevla.cameras.source import CameraSource
    from edgevla.runtime.link import Link

MAX_HZ = 15.0
WIDTH = 320
_QUALITY = 70


class Previews:
    """Sends the newest picture of each camera, at most so often.

    Args:
        sources: running cameras, by name.
        operator: takes the pictures, or loses them.
    """

    def __init__(self, sources: Mapping[str, CameraSource], operator: Link[Any]) -> None:
        self._sources = sources
        self._operator = operator
        self._period_s: float | None = None
        self._sent_s = dict.fromkeys(sources, -math.inf)  # when it was sent
        self._shown_s = dict.fromkeys(sources, -math.inf)  # when what was sent was captured

    def set_rate(self, rate_hz: float) -> None:
        """How often each camera is shown, Hz; at most `MAX_HZ`, and never for what is no rate."""
        self._period_s = 1.0 / min(rate_hz, MAX_HZ) if rate_hz > 0.0 else None

    def send_due(self, now_s: float) -> None:
        """Send the picture that has waited longest, if one is due: one, so that a plan never waits for more."""
        if self._period_s is None:
            return
        for name in sorted(self._sources, key=self._sent_s.__getitem__):
            frame = self._sources[name].latest()
            if now_s - self._sent_s[name] < self._period_s or frame is None or frame.t_s <= self._shown_s[name]:
                continue
            self._sent_s[name], self._shown_s[name] = now_s, frame.t_s
            picture = Picture(camera=name, t_s=frame.t_s, format="jpeg", data=small_jpeg(frame.image))
            self._operator.send(Pictures(pictures=(picture,)))
            return


def small_jpeg(image: NDArray[np.uint8]) -> bytes:
    """An RGB picture, (height, width, 3), as a JPEG of at most `WIDTH` columns."""
    height, width = image.shape[:2]
    if width > WIDTH:
        size = (WIDTH, max(1, round(height * WIDTH / width)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))
    assert done, f"OpenCV cannot encode {image.shape} as JPEG"
    return bytes(data)
