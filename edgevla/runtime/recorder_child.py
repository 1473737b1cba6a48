"""The recorder's process as the supervisor sees it: started, started again when it dies, otherwise left alone.

The sockets that lead to it stay open here while it is away, so that control and policy never notice: what they send
then is lost, or read by the next one.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import subprocess
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from edgevla.messages import Failure, RecorderStatus, Shutdown
from edgevla.runtime.link import Link, socket_pair
from edgevla.runtime.session import ProcessFailed, RecorderEnds, child_environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgevla.runtime.arguments import PolicyChoice

MODULE = "edgevla.runtime.recording.recorder_process"
_FIRST_WORD_S = 20.0
_STARTS, _WITHIN_S = 3, 60.0
_PAUSE_S = 1.0  # before it is started again
_END_S = 3.0
_NICE = 10


class RecorderOptions(NamedTuple):
    """What it is told: `folder` and `quota_bytes` are where to and how much, the rest is what the recording is of."""

    robot_path: Path
    overrides: Mapping[str, str]
    policy: PolicyChoice
    folder: Path
    quota_bytes: int


class RecorderChild:
    """At most one recorder process at a time. `ends` are for the session, which closes them."""

    def __init__(self, options: RecorderOptions) -> None:
        self._options = options
        (self._from_control, control), (self._from_policy, policy) = socket_pair(), socket_pair()
        self.ends = RecorderEnds(control, policy)
        self.status = RecorderStatus(recording=False, detail="not started")
        self.link: Link[RecorderStatus | Failure] | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self.start_s = -math.inf  # when it is to be started, infinite while it runs
        self._starts: deque[float] = deque(maxlen=_STARTS)

    def begin(self) -> None:
        """Start it, and wait for its first word.

        Raises:
            ProcessFailed: it cannot record at all. Later that is told and tried again.
        """
        deadline_s = time.monotonic() + _FIRST_WORD_S
        self._start(time.monotonic())
        while self.link is not None and (left_s := deadline_s - time.monotonic()) > 0.0:
            select.select([self.link], [], [], left_s)
            for word in self.link.drain():
                if isinstance(word, Failure):
                    raise ProcessFailed(word.message, word.exit_code)
                self.status = word
                return
            if self.link.closed:
                break
        raise ProcessFailed("the recorder does not start", 3)

    def tend(self, now_s: float) -> list[RecorderStatus]:
        """Hear it, or start it when it is time. Returns what is new about it."""
        heard = [self._status(word) for word in self.link.drain()] if self.link is not None else []
        if self.link is not None and self.link.closed:
            heard.append(self._bury(now_s))
        if self.link is None and now_s >= self.start_s:
            try:
                self._start(now_s)
            except OSError as error:  # no memory or process left: the robot goes on without
                self.start_s = now_s + _WITHIN_S
                heard.append(RecorderStatus(recording=False, detail=f"the recorder cannot be started: {error}"))
        self.status = heard[-1] if heard else self.status
        return heard

    def _status(self, word: RecorderStatus | Failure) -> RecorderStatus:
        if isinstance(word, Failure):
            return RecorderStatus(recording=False, detail=word.message, dropped=self.status.dropped)
        return word

    def _bury(self, now_s: float) -> RecorderStatus:
        """It has hung up. It may still be ending, but it is not waited for."""
        if self.link is not None:
            self.link.close()
            self.link = None
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        code = self.process.returncode if self.process is not None else None
        crowded = len(self._starts) == _STARTS and now_s - self._starts[0] < _WITHIN_S
        self.start_s = self._starts[0] + _WITHIN_S if crowded else now_s + _PAUSE_S
        detail = f"the recorder ended with code {code}; it is started again in {self.start_s - now_s:.0f} s"
        return RecorderStatus(recording=False, detail=detail, dropped=self.status.dropped)

    def _start(self, now_s: float) -> None:
        ours, theirs = socket_pair()
        handed = (self._from_control.fileno(), self._from_policy.fileno(), theirs.fileno())
        options = self._options
        words = ["--robot", str(options.robot_path), "--folder", str(options.folder)]
        words += ["--quota", str(options.quota_bytes)]
        words += ["--variant", options.policy.variant, "--engine", options.policy.engine]
        for name, descriptor in zip(("control", "policy", "operator"), handed, strict=True):
            words += [f"--{name}-fd", str(descriptor)]
        for key, value in options.overrides.items():
            words += ["--set", f"{key}={value}"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", MODULE, *words],
            pass_fds=handed,
            start_new_session=True,
            env=child_environment(),
        )
        theirs.close()
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, self.process.pid, _NICE)
        self.link = Link(ours, RecorderStatus | Failure)
        self.start_s = math.inf
        self._starts.append(now_s)

    def close(self, why: str) -> None:
        """Let it write what it has, then end it."""
        if self.link is not None and self.process is not None:
            self.link.send(Shutdown(why=why))
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_END_S)
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.link.close()
        self._from_control.close()
        self._from_policy.close()
