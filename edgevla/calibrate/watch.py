"""The robot's own cameras and joints, watched while a person moves the arm by hand. Nothing is written to a servo."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from edgevla.calibrate.guard import only
from edgevla.cameras import open_camera
from edgevla.motors.errors import ReplyError
from edgevla.motors.registry import bus_class
from edgevla.runtime.observing import StateHistory, observe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from edgevla.config.robot import Robot
    from edgevla.messages import Observation

_READ_S = 0.02  # between two looks at the joints


class Watch:
    """Opens the port, for reading only, and the cameras of `names`; closes them as a context.

    Raises:
        PortError, ReplyError, ServoRefused, CameraError: what cannot be watched, with the fix.
    """

    def __init__(self, robot: Robot, names: Sequence[str]) -> None:
        kind = bus_class(robot.motors.bus)
        cameras = [camera for camera in robot.cameras if camera.name in names]
        self._max_age_s = {camera.name: float(camera.max_age) for camera in cameras}
        self._states = StateHistory()
        with ExitStack() as opened:
            self._bus = kind.open(robot.motors, robot.joints, only((), kind.decode_writes))
            opened.callback(self._bus.close)
            self._bus.check()
            self._sources = {}
            for camera in cameras:
                self._sources[camera.name] = open_camera(camera)
                opened.callback(self._sources[camera.name].close)
            self._opened = opened.pop_all()

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def looks(self, seconds: float, rate_hz: float, sentences: Sequence[str]) -> Iterator[Observation | str]:
        """Yield an observation `rate_hz` times a second, or what is missing for one.

        The sentences take turns over the time, so that every one of them is seen with many poses.
        """
        begun_s = time.monotonic()
        next_look_s = begun_s + _READ_S
        while (now_s := time.monotonic()) < begun_s + seconds:
            problem = self._read()
            if now_s >= next_look_s:
                next_look_s = max(next_look_s + 1.0 / rate_hz, now_s)
                turn = int((now_s - begun_s) / seconds * len(sentences))
                yield problem or observe(self._sources, self._max_age_s, self._states, sentences[turn], now_s)
            time.sleep(max(0.0, _READ_S - (time.monotonic() - now_s)))

    def _read(self) -> str:
        """Add where the joints are; what went wrong, if one reply was lost."""
        try:
            self._states.add(self._bus.read())
        except ReplyError as error:
            return str(error)
        return ""
