"""The thread that keeps a camera's newest frame, and opens the camera again after it was lost."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Protocol

import numpy as np

from edgevla.cameras.source import CameraEnded, CameraError, Frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

REOPEN_FIRST_S = 0.25
REOPEN_LONGEST_S = 4.0
CLOSE_TIMEOUT_S = 1.0

log = logging.getLogger(__name__)


class Capture(Protocol):
    """An open device or connection that is read from one thread. `notes`: what it did not grant, a line each."""

    notes: tuple[str, ...]

    def read(self) -> tuple[float, NDArray[np.uint8]]:
        """Wait for the next frame: capture time in CLOCK_MONOTONIC seconds, and a new (height, width, 3) RGB image.

        Raises:
            CameraLost: no frame came in time, or the source is gone.
            CameraMode: the frame has another size than was asked for.
        """
        ...

    def close(self) -> None:
        """Let go of the device or connection."""
        ...


class NewestFrame:
    """A `CameraSource` over any `Capture`.

    The first opening and the first frame happen in the constructor, so a camera that is missing or in the wrong mode
    is an error where it can be shown. Later losses are retried with growing pauses, while `latest()` keeps handing
    out the last frame, whose age grows. A read that never returns cannot be ended from outside: hence a daemon thread.

    Args:
        open_capture: opens the camera; called again after a loss.

    Raises:
        CameraError: the camera cannot be opened, or its first frame does not come or has the wrong size.
    """

    def __init__(self, name: str, open_capture: Callable[[], Capture]) -> None:
        self._name = name
        self._open_capture = open_capture
        self._newest: Frame | None = None
        self._identical = 0
        self._fault: CameraError | None = None
        self._said: set[str] = set()
        self._closing = threading.Event()
        capture = self._open()
        self._thread = threading.Thread(target=self._run, args=(capture,), name=f"camera-{name}", daemon=True)
        self._thread.start()

    @property
    def identical_frames(self) -> int:
        """How many frames, up to the newest, repeat the picture before them bit for bit."""
        return self._identical

    @property
    def fault(self) -> CameraError | None:
        """Why no frames arrive at the moment."""
        return self._fault

    def latest(self) -> Frame | None:
        """Return the newest frame, however old."""
        return self._newest

    def close(self) -> None:
        """Stop the thread, which closes the camera on its way out."""
        self._closing.set()
        self._thread.join(CLOSE_TIMEOUT_S)

    def _run(self, opened: Capture) -> None:
        capture: Capture | None = opened
        pause_s = REOPEN_FIRST_S
        while not self._closing.is_set():
            try:
                if capture is None:
                    capture = self._open()
                else:
                    self._publish(*capture.read())
                pause_s = REOPEN_FIRST_S
            except CameraError as error:
                self._fault = error
                if capture is not None:
                    capture.close()
                    capture = None
                if isinstance(error, CameraEnded):
                    return
                self._closing.wait(pause_s)
                pause_s = min(2 * pause_s, REOPEN_LONGEST_S)
        if capture is not None:
            capture.close()

    def _open(self) -> Capture:
        """Open the camera and take its first frame: what does not deliver is not open."""
        capture = self._open_capture()
        try:
            self._publish(*capture.read())
        except BaseException:
            capture.close()
            raise
        for note in capture.notes:
            if note not in self._said:
                self._said.add(note)
                log.warning("camera %s: %s", self._name, note)
        return capture

    def _publish(self, t_s: float, image: NDArray[np.uint8]) -> None:
        before = self._newest
        same = before is not None and np.array_equal(before.image, image)
        self._identical = self._identical + 1 if same else 0
        image.flags.writeable = False
        self._newest = Frame(t_s, image, 1 if before is None else before.seq + 1)
        self._fault = None
