"""`episode.mp4`: what the cameras saw, side by side, with the sentence and the mode underneath.

The recorder opens streams of its own, like any other onlooker: it can be slow or fail without the robot noticing.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edgevla.errors import EdgeVLAError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from edgevla.cameras.source import CameraSource

_FPS = 15
_HEIGHT = 288
_CAPTION_HEIGHT = 40
_MAX_FRAMES = _FPS * 600  # ten minutes; at 15 kB a frame they fit into memory
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 90]


class VideoFailed(EdgeVLAError):
    """The video could not be written."""


class VideoRecorder:
    """Keeps compressed frames in memory while the robot runs, and encodes them when it has stopped.

    Args:
        sources: running cameras, drawn from left to right.
    """

    def __init__(self, sources: Mapping[str, CameraSource]) -> None:
        self._sources = dict(sources)
        self._frames: list[NDArray[np.uint8]] = []
        self._stop = threading.Event()
        self.caption = ""
        self._thread = threading.Thread(target=self._record, name="video", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Record no more, and let go of the cameras."""
        self._stop.set()
        self._thread.join()
        for source in self._sources.values():
            source.close()

    def write(self, path: Path) -> None:
        """Encode everything as VP9, which browsers play.

        Raises:
            VideoFailed: nothing was recorded, or this OpenCV cannot encode.
        """
        if not self._frames:
            raise VideoFailed("no camera delivered a frame to record")
        first = _decode(self._frames[0])
        size = (first.shape[1], first.shape[0])
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"vp09"), _FPS, size)
        if not writer.isOpened():
            raise VideoFailed(f"{path}: this OpenCV has no VP9 encoder", fix="install the opencv-python wheel")
        for frame in self._frames:
            writer.write(_decode(frame))
        writer.release()

    def _record(self) -> None:
        while not self._stop.wait(1.0 / _FPS):
            frames = [source.latest() for source in self._sources.values()]
            pictures = [frame.image for frame in frames if frame is not None]
            if len(pictures) == len(self._sources) and len(self._frames) < _MAX_FRAMES:
                self._frames.append(cv2.imencode(".jpg", _compose(pictures, self.caption), _JPEG)[1])


def _compose(pictures: list[NDArray[np.uint8]], caption: str) -> NDArray[np.uint8]:
    """One BGR picture of all cameras at the same height, the caption below."""
    scaled = [cv2.resize(p, (p.shape[1] * _HEIGHT // p.shape[0] // 2 * 2, _HEIGHT)) for p in pictures]
    row = cv2.cvtColor(np.hstack(scaled), cv2.COLOR_RGB2BGR)
    below = np.full((_CAPTION_HEIGHT, row.shape[1], 3), 24, np.uint8)
    cv2.putText(below, caption, (10, 26), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (235, 235, 235), 1, cv2.LINE_AA)
    return np.vstack([row, below])


def _decode(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.imdecode(frame, cv2.IMREAD_COLOR), np.uint8)
