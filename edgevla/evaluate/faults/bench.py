"""`Bench`: a session whose operator watches closely, may fall silent, and survives the death of what it watches."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

from edgevla.messages import Instruct
from edgevla.runtime.arguments import REFERENCE
from edgevla.runtime.session import ProcessFailed, Session

if TYPE_CHECKING:
    import socket
    import subprocess
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from edgevla.messages import Status
    from edgevla.runtime.link import Link
    from edgevla.runtime.session import FromControl, FromPolicy


class Bench(Session):
    """An ordinary session, with every status kept and its ends within reach of whoever breaks something.

    Args:
        robot_path: robot.yaml.
        overrides: as `--set` gives them.
        report: the folder for tick and flight logs.
        mimic: keep a second hold of the policy's end of the line to control, to speak in its place. The line does then
            not close with the policy process.
    """

    def __init__(self, robot_path: Path, overrides: Mapping[str, str], report: Path, mimic: bool) -> None:
        self.alive: Callable[[float], bool] = lambda now_s: True  # whether the operator shows signs of life
        self.pulses: list[Callable[[float], None]] = []  # what repeats while a fault lasts
        self.heard: list[Status] = []
        self.gone_s: float | None = None
        self.policy_end: socket.socket | None = None
        self._mimic = mimic
        super().__init__(robot_path, overrides, report, REFERENCE)

    def _start(
        self, module: str, peer: socket.socket, incoming: object, recorder: socket.socket | None
    ) -> tuple[Link[Any], subprocess.Popen[bytes]]:
        if self._mimic and module == "policy_process":
            self.policy_end = peer.dup()
            self.policy_end.setblocking(False)
        return super()._start(module, peer, incoming, recorder)

    @property
    def operator_end(self) -> socket.socket:
        """The operator's end of the line to control, for bytes that are no messages."""
        assert self._control is not None
        return self._control._socket

    def poll(self) -> list[FromControl | FromPolicy]:
        """Hear what there is; a control process that is gone is noted, not raised.

        Raises:
            ProcessFailed: a process says that it cannot go on.
        """
        now_s = time.monotonic()
        heard: list[FromControl | FromPolicy] = []
        if self.gone_s is None:
            try:
                if self.alive(now_s):
                    heard = super().poll()
                else:
                    self._listen()
            except ProcessFailed:
                if self._control is None or not self._control.closed or self.status is None:
                    raise
            if self.control_process is not None and self.control_process.poll() is not None:
                self.gone_s = now_s
            if self.status is not None and (not self.heard or self.heard[-1] is not self.status):
                self.heard.append(self.status)
        for pulse in self.pulses:
            pulse(now_s)
        return heard

    def _listen(self) -> None:
        """Hear, and give no sign of life."""
        if self._control is not None:
            self._hear_the_last(self._control)

    def follow(self, seconds: float, step_s: float = 0.01) -> None:
        """Poll for so long."""
        ends_s = time.monotonic() + seconds
        while time.monotonic() < ends_s:
            self.poll()
            time.sleep(step_s)

    def say(self, text: str) -> None:
        """Give the policy a sentence."""
        self.instruct(Instruct(text=text))

    def send_signal(self, process: subprocess.Popen[bytes] | None, number: int) -> None:
        """Signal one of the processes, unless it has ended."""
        if process is not None and process.poll() is None:
            os.kill(process.pid, number)

    def close(self, why: str) -> None:
        """Wake what was stopped, then end everything as ever."""
        self.pulses.clear()
        for process in (self.policy_process, self.control_process):
            self.send_signal(process, signal.SIGCONT)
        if self.policy_end is not None:
            self.policy_end.close()
            self.policy_end = None
        super().close(why)
