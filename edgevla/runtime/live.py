"""The live status table of `demo` and `run`; without a terminal, one line for each change of mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.live import Live
from rich.markup import escape
from rich.table import Table

from edgevla.messages import Mode

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console

    from edgevla.runtime.session import Session

_COLOURS = {
    Mode.DISARMED: "dim",
    Mode.HOLDING: "cyan",
    Mode.ENGAGED: "green",
    Mode.STOPPING: "yellow",
    Mode.FAULT: "bold red",
}


class LiveStatus:
    """Shows a session; call `show` after every poll."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=10, transient=True) if console.is_terminal else None
        self._last: tuple[Mode, str] | None = None

    def __enter__(self) -> LiveStatus:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, line: str) -> None:
        """One line that stays."""
        self._console.print(line, highlight=False)

    def show(self, session: Session, asked: str = "") -> None:
        """Bring the table up to date, or print a change of mode."""
        status = session.status
        if status is None:
            return
        if self._live is not None:
            self._live.update(_table(session, asked))
        elif (status.mode, status.reason) != self._last:
            self._console.print(f"{status.mode.value}: {status.reason}", highlight=False, markup=False)
        self._last = (status.mode, status.reason)


def _table(session: Session, asked: str) -> Table:
    status = session.status
    table = Table(show_header=False, box=None, padding=(0, 2))
    if status is None:
        return table
    colour = _COLOURS[status.mode]
    policy = escape(session.policy_status.detail) if session.policy_status is not None else "starting"
    age = f", plan {status.chunk_age_ms:.0f} ms old" if status.chunk_age_ms >= 0.0 else ""
    table.add_row("mode", f"[{colour}]{status.mode.value}[/]  [dim]{escape(status.reason)}[/]")
    table.add_row("instruction", escape(asked or status.instruction) or "[dim]none[/]")
    table.add_row("ticks", f"{status.rate_hz:g} Hz, {status.missed} missed, p99 {status.lateness_p99_us:.0f} us late")
    table.add_row("policy", f"{status.policy_ms:.0f} ms from picture to chunk{age}  [dim]{policy}[/]")
    bounds = status.bounds
    table.add_row("bounds", f"{bounds.limited} ticks limited, {bounds.held} held, {bounds.blocked} blocked")
    return table
