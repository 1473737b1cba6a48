"""Single key presses from the operator's terminal, without waiting for them."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType


class Keys:
    """Puts the terminal into key-by-key mode while it is entered; without a terminal there are no keys."""

    def __init__(self) -> None:
        self._fd = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else -1
        self._before: list[int | list[bytes | int]] = []

    @property
    def available(self) -> bool:
        """Whether there is a terminal to press keys at."""
        return self._fd >= 0

    def __enter__(self) -> Keys:
        if self.available:
            self._before = termios.tcgetattr(self._fd)
            tty.setcbreak(self._fd)
            termios.tcflush(self._fd, termios.TCIFLUSH)  # what was typed before is not meant for the arm
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.available:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)

    def pressed(self) -> str:
        """All keys since the last call, in their order; none is kept back for later."""
        if not self.available or not select.select([self._fd], [], [], 0.0)[0]:
            return ""
        return os.read(self._fd, 1024).decode(errors="ignore")
