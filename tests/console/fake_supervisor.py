"""A stand-in for `edgevla serve`: listens on an operator socket, tells what it is told to, and keeps what it hears.

It has the mode table's shape and none of its safety; what a real one does is tested with a real one.
"""

from __future__ import annotations

import select
import threading
import time

from edgevla.messages import (
    Bounds,
    Chunk,
    Confirm,
    Event,
    Granted,
    Heartbeat,
    Hello,
    Mode,
    Picture,
    Pictures,
    Planned,
    PolicyStatus,
    Refused,
    Request,
    ServoHealth,
    Status,
)
from edgevla.runtime.link import Link
from edgevla.runtime.sockets import FromClient, listen

PERIOD_S = 0.05
TICKS = 100


class FakeSupervisor:
    """Runs in a thread until `close`. `heard` is every message of every client, in order."""

    def __init__(self, path, joints):
        self._listener = listen(path)
        self._joints = joints
        self._links = []
        self._ended = threading.Event()
        self._lock = threading.RLock()
        self.heard = []
        self.refuses = ""  # what ENGAGE and CONFIRM are refused with
        self.status = {
            "ticks": TICKS,
            "mode": Mode.DISARMED,
            "reason": "just started",
            "instruction": "touch the red block",
            "chunk_age_ms": 50.0,
            "confirmable_seq": -1,
        }
        self.policy = PolicyStatus(ready=True, detail="touch the red block", instruction="touch the red block")
        self.granted = Granted(scheduler="fifo", mlock=True, affinity=(0,))
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self):
        """Hang up, once."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._thread.join()
        for link in self._links:
            link.close()
        self._listener.close()

    def count(self, kind, event=None):
        """How many messages of a kind were heard; of requests, those for an event."""
        with self._lock:
            return sum(isinstance(each, kind) and (event is None or each.event is event) for each in self.heard)

    def say(self, *messages):
        """Tell every client."""
        with self._lock:
            for link in self._links:
                for message in messages:
                    link.send(message)

    def set(self, **status):
        """Change the status, and tell it at once."""
        with self._lock:
            self.status |= status
            self.say(self._status())

    def plan(self, seq, rows_rad, valid=True):
        """Tell of a plan."""
        chunk = Chunk(seq=seq, t_obs_s=time.monotonic(), rate_hz=10.0, actions_rad=rows_rad, valid=valid)
        self.say(Planned(chunk=chunk))

    def show(self, camera, data):
        """Show a picture that was taken 50 ms ago."""
        picture = Picture(camera=camera, t_s=time.monotonic() - 0.05, format="jpeg", data=data)
        self.say(Pictures(pictures=(picture,)))

    def _run(self):
        due_s = 0.0
        while not self._ended.is_set():
            select.select([self._listener.socket, *self._links], [], [], 0.005)
            with self._lock:
                self._admit()
                for link in self._links:
                    for message in link.drain():
                        self._take(link, message)
                self._links = [link for link in self._links if not link.closed]
                if time.monotonic() > due_s:
                    due_s = time.monotonic() + PERIOD_S
                    self.say(self._status())

    def _admit(self):
        try:
            end, _ = self._listener.socket.accept()
        except OSError:
            return
        link = Link(end, FromClient)
        self._links.append(link)
        hello = Hello(
            version="1",
            robot="so101-tabletop",
            joint_names=tuple(f"joint{n}" for n in range(self._joints)),
            pid=1,
            variant="fp32",
            engine="cpu",
            supervision="supervised",
            recording=False,
        )
        for message in (hello, self.granted, self.policy, self._status()):
            link.send(message)

    def _take(self, link, message):
        self.heard.append(message)
        if isinstance(message, Confirm) or (isinstance(message, Request) and message.event is Event.ENGAGE):
            if self.refuses:
                link.send(Refused(why=self.refuses))
            else:
                self.set(mode=Mode.ENGAGED, reason="engage")
        elif isinstance(message, Request):
            after = {
                Event.ARM: Mode.HOLDING,
                Event.DISARM: Mode.DISARMED,
                Event.RELEASE: Mode.HOLDING if self.status["mode"] is Mode.ENGAGED else self.status["mode"],
                Event.STOP: Mode.HOLDING if self.status["mode"] is Mode.ENGAGED else self.status["mode"],
                Event.RESET: Mode.DISARMED,
            }[message.event]
            self.set(mode=after, reason=f"{message.event.value}: {message.why}")
        elif isinstance(message, Heartbeat):
            assert message.t_s <= time.monotonic()

    def _status(self):
        at = tuple(0.1 * joint for joint in range(self._joints))
        return Status(
            t_s=time.monotonic(),
            missed=1,
            rate_hz=50.0,
            lateness_p99_us=120.0,
            policy_ms=20.0,
            bounds=Bounds(limited=3),
            position_rad=at,
            setpoint_rad=at,
            health=(ServoHealth(joint="joint0", voltage_v=12.0, temperature_c=35.0, load=0.1, status=0),),
            limited_joints=(3,) * self._joints,
            standing=self.status["mode"] is not Mode.ENGAGED,
            **self.status,
        )
