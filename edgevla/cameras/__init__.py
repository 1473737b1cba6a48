"""Camera sources that hand out the newest frame and its age."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgevla.cameras.mjpeg import MjpegCapture
from edgevla.cameras.newest import NewestFrame
from edgevla.cameras.opencv import open_capture
from edgevla.plugins import find

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgevla.cameras.newest import Capture
    from edgevla.cameras.source import CameraSource
    from edgevla.config.robot import Camera


def opencv(camera: Camera) -> CameraSource:
    """A V4L2 device, an http(s) MJPEG address or a video file, whichever `camera.source` is."""
    is_address = camera.source.startswith(("http://", "https://"))
    kind: Callable[[Camera], Capture] = MjpegCapture if is_address else open_capture
    return NewestFrame(camera.name, lambda: kind(camera))


KINDS: Mapping[str, Callable[[Camera], CameraSource]] = {"opencv": opencv}


def open_camera(camera: Camera) -> CameraSource:
    """Open the camera that robot.yaml describes; other packages add kinds by the entry point group `edgevla.cameras`.

    Raises:
        PluginUnknown: no such kind.
        CameraError: it cannot be opened, delivers nothing, or has another size.
    """
    return find("edgevla.cameras", KINDS, camera.kind)(camera)
