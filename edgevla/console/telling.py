"""Turns what the robot says into lines for the operator: each change once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from edgevla.messages import Granted, Hello, Mode, PolicyStatus, RecorderStatus, Refused, Status

if TYPE_CHECKING:
    from edgevla.console.journal import Journal, Level
    from edgevla.runtime.sockets import ToClient

_LEVELS: dict[Mode, Level] = {Mode.FAULT: "error", Mode.STOPPING: "warn"}


class Teller:
    """Listens to the robot and writes the journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._said: dict[str, object] = {}

    def hear(self, message: ToClient | None) -> None:
        """What the robot said; None when it is gone."""
        if message is None:
            self._said.clear()
            self._journal.add("the robot is gone: it stops by itself, and comes back disarmed", "error")
        elif isinstance(message, Status):
            reason = f": {message.reason}" if message.reason else ""
            self._once("mode", message.mode, f"{message.mode.value}{reason}", _LEVELS.get(message.mode, "info"))
        elif isinstance(message, PolicyStatus):
            kind = re.sub(r"\d+(\.\d+)?", "#", message.detail)  # an age that only grows is not said again and again
            self._once("policy", kind, f"policy: {message.detail}", "info")
            self._once("blind", message.blind, _blind(message.blind), "warn" if message.blind else "info")
        elif isinstance(message, RecorderStatus):
            level: Level = "info" if message.recording else "warn"
            self._once("recorder", (message.recording, message.detail), f"recorder: {message.detail}", level)
        elif isinstance(message, Granted) and message.refused:
            self._once("granted", message.refused, message.refused, "warn")
        elif isinstance(message, Refused):
            self._journal.add(f"refused: {message.why}", "warn")
        elif isinstance(message, Hello):
            self._said["blind"] = ()
            self._journal.add(f"{message.robot} is running: {message.variant} on {message.engine}")

    def _once(self, about: str, what: object, text: str, level: Level) -> None:
        if self._said.get(about) != what:
            self._said[about] = what
            self._journal.add(text, level)


def _blind(cameras: tuple[str, ...]) -> str:
    return f"no fresh picture from {', '.join(cameras)}" if cameras else "all cameras are back"
