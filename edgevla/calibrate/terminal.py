"""The operator of a sweep, at a terminal: a live table, and Enter."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.live import Live
from rich.table import Table

from edgevla.calibrate.errors import CalibrationError
from edgevla.calibrate.sweep import TURN
from edgevla.runtime.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from rich.console import Console

    from edgevla.calibrate.sweep import Sweep

_ENTER = ("\n", "\r")
_LOOK_S = 0.05


class TerminalOperator:
    """Asks on `console` and listens to the keyboard while it is entered.

    Raises:
        CalibrationError: there is no keyboard to press Enter at.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._keys = Keys()
        self._live = Live(console=console, auto_refresh=False)
        if not self._keys.available:
            raise CalibrationError("the sweep needs a person at a terminal", fix="run it there, or use --from-lerobot")

    def __enter__(self) -> TerminalOperator:
        self._keys.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
        self._keys.__exit__(kind, error, trace)

    def step(self, words: str) -> None:
        """Say what to do and wait for Enter."""
        self._console.print(words)
        while not self.finished():
            time.sleep(_LOOK_S)

    def tell(self, words: str) -> None:
        """Say what to do."""
        self._console.print(words)

    def show(self, sweeps: Mapping[str, Sweep]) -> None:
        """One line a joint: lowest, present and highest position, and how far that is."""
        table = Table("joint", "lowest", "now", "highest", "moved, deg", box=None, padding=(0, 2))
        for name, sweep in sweeps.items():
            degrees = f"{360.0 * sweep.span / TURN:.0f}"
            table.add_row(name, str(sweep.low), str(sweep.position), str(sweep.high), degrees)
        self._live.start()
        self._live.update(table, refresh=True)

    def finished(self) -> bool:
        """Whether Enter was pressed since the last call."""
        return any(key in _ENTER for key in self._keys.pressed())
