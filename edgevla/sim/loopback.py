"""The line to the simulated servos within one process: the same bytes and the same guard, no time passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgevla.motors.bus import Guard
    from edgevla.sim.servos import SimulatedServos


class LoopbackTransport:
    """A `Transport` for lockstep simulation.

    Args:
        servos: who answers.
        guard: sees every frame before it is handed over.
    """

    wait_s = 0.0

    def __init__(self, servos: SimulatedServos, guard: Guard) -> None:
        self._servos = servos
        self._guard = guard
        self._received = b""

    def send(self, frame: bytes) -> None:
        """Forget what was received so far and hand over one frame, if the guard lets it pass."""
        self._guard(frame)
        self._received = self._servos.handle(frame).data

    def receive(self, at_least: int, deadline_s: float) -> bytes:
        """Return the whole reply, which is there already; then nothing."""
        received, self._received = self._received, b""
        return received

    def close(self) -> None:
        """Nothing to let go of."""
