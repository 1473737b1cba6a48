"""A real console on a real port, and a supervisor that is none."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="starlette is not installed: make test installs it")

from edgevla.config.load import load_robot
from edgevla.console.address import Address, allowed_names
from edgevla.console.app import make_app
from edgevla.console.audit import AuditLog
from edgevla.console.connections import Connections, bind
from edgevla.console.hub import Hub
from edgevla.console.journal import Journal
from tests.console.client import Client
from tests.console.fake_supervisor import FakeSupervisor

ROBOT_YAML = Path(__file__).parents[2] / "engines" / "so101-tabletop" / "robot.yaml"
SCRAPER = "scraper-key"


def wait_for(condition, timeout_s=10.0):
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


class Console:
    """What `edgevla console` runs, in a thread of this process."""

    def __init__(self, folder, tls=None):
        self.robot = load_robot(ROBOT_YAML, {})
        self.path = folder / "robot.sock"
        self.audit_path = folder / "audit.jsonl"
        self.journal = Journal()
        self._audit = AuditLog(self.audit_path)
        self.hub = Hub(self.robot, self.path, self.journal, self._audit, None, "edgevla serve robot.yaml")
        self.connections = Connections(tls)
        self._listener = bind(Address("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._supervisors = []
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._work()))
        self._thread.start()
        self._started.wait()

    def supervise(self):
        """Start a supervisor for it."""
        self._supervisors.append(FakeSupervisor(self.path, len(self.robot.joints)))
        wait_for(lambda: self.hub.link.heard.status is not None)
        return self._supervisors[-1]

    def client(self, name="Ann"):
        """Somebody who has opened a link."""
        client = Client(self.port)
        assert client.log_in(self.link(name)).status == 303
        return client

    def link(self, name="Ann"):
        return f"http://127.0.0.1:{self.port}/login?key={self.hub.sessions.new_link(name)}"

    def audited(self):
        """The audit log, whole."""
        self._audit.close()
        return self.audit_path.read_text()

    def close(self):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._listener.close()
        self._audit.close()
        for supervisor in self._supervisors:
            supervisor.close()

    async def _work(self):
        names = allowed_names(Address("127.0.0.1", self.port), ["robot.local"])
        app = make_app(self.hub, names, SCRAPER, self.connections.trust, self.connections.cut)
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        working = asyncio.gather(self.hub.run(), self.connections.run(self._listener, app))
        self._started.set()
        await self._stop.wait()
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working


@pytest.fixture
def console(tmp_path):
    console = Console(tmp_path)
    yield console
    console.close()


@pytest.fixture
def supervisor(console):
    return console.supervise()
