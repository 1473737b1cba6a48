"""A camera as the policy sees it: the newest frame, never a queue, and typed reasons when there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from edgevla.errors import EdgeVLAError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edgevla.config.robot import Camera


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture. `t_s` is when it was captured, in CLOCK_MONOTONIC seconds; `seq` counts from 1."""

    t_s: float
    image: NDArray[np.uint8]  # (height, width, 3) RGB, read-only
    seq: int


class CameraError(EdgeVLAError):
    """Something is wrong with one camera, which the message names together with its source."""

    def __init__(self, camera: Camera, what: str, *, fix: str = "") -> None:
        super().__init__(f"camera {camera.name} ({camera.source}): {what}", fix=fix)


class CameraMissing(CameraError):
    """It cannot be opened."""


class CameraMode(CameraError):
    """It does not deliver the size that robot.yaml asks for."""


class CameraLost(CameraError):
    """It was open and delivers no more frames."""


class CameraEnded(CameraLost):
    """A video file has been played to its end; opening it again would show the past."""


class CameraSource(Protocol):
    """A running camera. Reading it never blocks; whether a frame is too old is for the reader to judge."""

    @property
    def identical_frames(self) -> int:
        """How many frames, up to the newest, repeat the picture before them bit for bit: 0 when it changed."""
        ...

    @property
    def fault(self) -> CameraError | None:
        """Why no frames arrive at the moment; None while they do."""
        ...

    def latest(self) -> Frame | None:
        """Return the newest frame, however old; None before the first."""
        ...

    def close(self) -> None:
        """Stop reading and let go of the device."""
        ...


def check_size(camera: Camera, width: int, height: int) -> None:
    """Compare the size of a frame with the one that robot.yaml asks for.

    Raises:
        CameraMode: they differ. A stretched or cut picture is not what the policy was trained on.
    """
    if (width, height) != (camera.width, camera.height):
        raise CameraMode(
            camera,
            f"delivers {width}x{height}, robot.yaml asks for {camera.width}x{camera.height}",
            fix="write the size it delivers, or another mode of this camera",
        )
