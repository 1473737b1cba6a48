"""V4L2 devices and video files through OpenCV."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from edgevla.cameras.source import CameraEnded, CameraLost, CameraMissing, check_size
from edgevla.cameras.stamp import Stamp

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from edgevla.config.robot import Camera

RATE_TOLERANCE = 0.05  # drivers report 29.97 for 30


class DeviceCapture:
    """A V4L2 device. It is asked for MJPG, because two raw streams are more than a USB 2 hub carries.

    The kernel stamps each buffer with CLOCK_MONOTONIC; OpenCV hands that stamp out as the stream position.

    Raises:
        CameraMissing: it is busy, or is no camera.
    """

    def __init__(self, camera: Camera, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._camera = camera
        self._clock = clock
        self._stamp = Stamp()
        self._video = cv2.VideoCapture(camera.source, cv2.CAP_V4L2)
        if not self._video.isOpened():
            raise CameraMissing(camera, "does not open", fix="close the program that uses it, or choose another device")
        self._video.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        self._video.set(cv2.CAP_PROP_FRAME_WIDTH, camera.width)
        self._video.set(cv2.CAP_PROP_FRAME_HEIGHT, camera.height)
        self._video.set(cv2.CAP_PROP_FPS, camera.rate)
        # One buffer is filled while the other is decoded. With a single one drivers drop every second frame; more of
        # them only keep older frames.
        self._video.set(cv2.CAP_PROP_BUFFERSIZE, 2)
        self.notes = rate_notes(camera, self._video.get(cv2.CAP_PROP_FPS))

    def read(self) -> tuple[float, NDArray[np.uint8]]:
        """Wait for the next frame."""
        got, image = self._video.read()
        if not got:
            raise CameraLost(self._camera, "stopped delivering", fix="check the cable")
        t_s = self._stamp.capture_s(self._video.get(cv2.CAP_PROP_POS_MSEC) * 1e-3, self._clock())
        return t_s, to_rgb(self._camera, image)

    def close(self) -> None:
        """Let go of the device."""
        self._video.release()


class FileCapture:
    """A video file, played once at the rate it was recorded at, as if its frames were captured now.

    Raises:
        CameraMissing: OpenCV cannot read it.
    """

    def __init__(self, camera: Camera, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._camera = camera
        self._clock = clock
        self._video = cv2.VideoCapture(camera.source)
        if not self._video.isOpened():
            raise CameraMissing(camera, "is not a video that OpenCV can read", fix="convert it to MJPG")
        rate_hz = self._video.get(cv2.CAP_PROP_FPS)
        self.notes = rate_notes(camera, rate_hz)
        self._period_s = 1.0 / rate_hz if rate_hz > 0 else 1.0 / camera.rate
        self._due_s = clock()

    def read(self) -> tuple[float, NDArray[np.uint8]]:
        """Wait until the next frame is due."""
        got, image = self._video.read()
        if not got:
            raise CameraEnded(self._camera, "the video has ended")
        now_s = self._clock()
        time.sleep(max(0.0, self._due_s - now_s))
        self._due_s = max(self._due_s, now_s) + self._period_s
        return self._clock(), to_rgb(self._camera, image)

    def close(self) -> None:
        """Close the file."""
        self._video.release()


def open_capture(camera: Camera) -> DeviceCapture | FileCapture:
    """Open a device or a file, whichever `camera.source` is.

    Raises:
        CameraMissing: there is no such device or file, or it may not be read.
    """
    path = Path(camera.source)
    if not path.exists():
        raise CameraMissing(camera, "does not exist", fix="plug it in; `ls /dev/v4l/by-id` lists what is there")
    is_device = stat.S_ISCHR(path.stat().st_mode)
    if not os.access(path, os.R_OK | os.W_OK if is_device else os.R_OK):
        fix = "add yourself to the group video and log in again" if is_device else "give yourself read permission"
        raise CameraMissing(camera, "permission denied", fix=fix)
    return DeviceCapture(camera) if is_device else FileCapture(camera)


def to_rgb(camera: Camera, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return OpenCV's (height, width, 3) BGR image as a new RGB one.

    Raises:
        CameraMode: it has not the size that robot.yaml asks for.
    """
    height, width = image.shape[:2]
    check_size(camera, width, height)
    rgb: NDArray[np.uint8] = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return rgb


def rate_notes(camera: Camera, granted_hz: float) -> tuple[str, ...]:
    """Say in one line that the frame rate is not the one asked for. Sources that report none (0) are not judged."""
    if granted_hz <= 0 or abs(granted_hz - camera.rate) <= RATE_TOLERANCE * camera.rate:
        return ()
    return (f"asked {camera.source} for {camera.rate:g} Hz, it delivers {granted_hz:g} Hz",)
