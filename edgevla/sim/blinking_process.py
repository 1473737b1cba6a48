"""The blinking robot as a process of its own, and how to talk to it. Needs none of what the simulation needs."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import msgspec

from edgevla.sim.blink import Blink, Order
from edgevla.sim.child import Child, SimulatorError

if TYPE_CHECKING:
    from types import TracebackType

_BLINK_BYTES = 4096


class BlinkingProcess:
    """The running process, see edgevla/sim/blinking.py. It ends with `close`, or with this process.

    `port`: the servo bus. `cameras`: name -> MJPEG address. `realtime`: whether it runs under SCHED_FIFO.

    Raises:
        SimulatorError: it did not start; the message carries its reason.
    """

    def __init__(self, seed: int, image_size: int = 288) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._child = Child("edgevla.sim.blinking", [str(seed), str(image_size)], theirs.fileno())
        self._socket.setblocking(False)
        self.port: str = self._child.found["port"]
        self.cameras: dict[str, str] = self._child.found["cameras"]
        self.realtime: bool = self._child.found["realtime"]

    def __enter__(self) -> BlinkingProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def order(self, count: int, seed: int) -> None:
        """Have it blink `count` times from now on."""
        self._socket.send(msgspec.json.encode(Order(count=count, seed=seed)))

    def drain(self) -> list[Blink]:
        """The blinks that were answered, or given up, since the last call.

        Raises:
            SimulatorError: the process is gone.
        """
        blinks: list[Blink] = []
        while True:
            try:
                data = self._socket.recv(_BLINK_BYTES)
            except BlockingIOError:
                return blinks
            if not data:
                raise SimulatorError("the simulated robot is gone", fix="run `python -m edgevla.sim` to see why")
            blinks.append(msgspec.json.decode(data, type=Blink))

    def close(self) -> None:
        """End the process."""
        self._socket.close()
        self._child.close()
