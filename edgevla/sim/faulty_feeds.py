"""Cameras with the faults of edgevla/sim/faults.py in them: which picture a watcher gets instead of the newest."""

from __future__ import annotations

import random
import threading
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgevla.sim.faults import Fault
    from edgevla.sim.feed import Picture

_HISTORY = 90  # pictures of one camera, three seconds of them
_OTHER_SIZE = (48, 64, 3)


class FaultyFeeds:
    """Without faults every picture passes as it is. May be used from several threads."""

    def __init__(self) -> None:
        self._faults: tuple[Fault, ...] = ()
        self._lock = threading.Lock()
        self._random = random.Random(0)
        self._stuck: dict[str, bytes] = {}
        self._past: dict[str, deque[Picture]] = {}
        self._shown_s: dict[str, float] = {}

    def break_(self, faults: Sequence[Fault]) -> None:
        """Have these faults of the part `camera` from now on, and no others."""
        with self._lock:
            self._stuck.clear()
            self._past.clear()
            self._shown_s.clear()
            self._faults = tuple(fault for fault in faults if fault.part == "camera")

    def off(self, camera: str) -> bool:
        """Whether a camera gives no stream at all."""
        return any(fault.kind == "off" and fault.camera in ("", camera) for fault in self._faults)

    def show(self, camera: str, picture: Picture) -> Picture | None:
        """Return the picture to send for the newest one; None for no picture this time."""
        with self._lock:
            shown: Picture | None = picture
            for fault in self._faults:
                if shown is not None and fault.camera in ("", camera):
                    shown = self._disturb(camera, shown, fault)
            return shown

    def _disturb(self, camera: str, picture: Picture, fault: Fault) -> Picture | None:
        if fault.kind == "stuck":
            return replace(picture, jpeg=self._stuck.setdefault(camera, picture.jpeg))
        if fault.kind == "garbage":
            return replace(picture, jpeg=self._random.randbytes(len(picture.jpeg)))
        if fault.kind == "wrong":
            return replace(picture, jpeg=cv2.imencode(".jpg", np.zeros(_OTHER_SIZE, np.uint8))[1].tobytes())
        if fault.kind == "slow":
            due = picture.t_s - self._shown_s.get(camera, -fault.by_s) >= fault.by_s
            self._shown_s[camera] = picture.t_s if due else self._shown_s[camera]
            return picture if due else None
        if fault.kind == "delayed":
            past = self._past.setdefault(camera, deque(maxlen=_HISTORY))
            past.append(picture)
            old = [each for each in past if each.t_s <= picture.t_s - fault.by_s]
            return old[-1] if old else None
        return None if picture.seq % fault.every == 0 else picture
