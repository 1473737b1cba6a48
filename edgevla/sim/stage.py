"""The simulated robot's state and tasks over HTTP: what a real robot has a person for.

GET  /state   joints, blocks, verdict of the judge, simulated time
POST /task    {"instruction": "...", "seed": 1}: new block poses, a new judge; the arm stays
POST /reset   {"seed": 1}: arm and blocks as after power-up
POST /fault   {"faults": [...]}: break servos, line and port, see edgevla/sim/faults.py
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from edgevla.errors import EdgeVLAError
from edgevla.sim.faults import FaultRequest
from edgevla.sim.loopback_http import LoopbackHandler, LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgevla.sim.faults import Fault


class TaskRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Body of POST /task."""

    instruction: str
    seed: int


class ResetRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Body of POST /reset."""

    seed: int


class Stage(Protocol):
    """What the requests act on, each from a thread of its own."""

    def state(self) -> dict[str, Any]:
        """Return a JSON-ready snapshot."""
        ...

    def start_task(self, instruction: str, seed: int) -> None:
        """Place the blocks anew and judge `instruction` from now on."""
        ...

    def reset(self, seed: int) -> None:
        """Put everything back as after power-up."""
        ...

    def break_(self, faults: Sequence[Fault]) -> None:
        """Have these faults from now on, and no others."""
        ...


class StageServer(LoopbackServer):
    """Serves one stage."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        super().__init__(_StageHandler)


class _StageHandler(LoopbackHandler):
    server: StageServer

    def do_GET(self) -> None:  # noqa: N802 - http.server looks for this name
        if self.path == "/state":
            self.reply(HTTPStatus.OK, self.server.stage.state())
        else:
            self.refuse(HTTPStatus.NOT_FOUND, f"no {self.path} here")

    def do_POST(self) -> None:  # noqa: N802
        body = self.take_body()
        if body is None:
            return
        try:
            if self.path == "/task":
                task = msgspec.json.decode(body, type=TaskRequest)
                self.server.stage.start_task(task.instruction, task.seed)
            elif self.path == "/reset":
                self.server.stage.reset(msgspec.json.decode(body, type=ResetRequest).seed)
            elif self.path == "/fault":
                self.server.stage.break_(msgspec.json.decode(body, type=FaultRequest).faults)
            else:
                self.refuse(HTTPStatus.NOT_FOUND, f"no {self.path} here")
                return
        except (msgspec.DecodeError, EdgeVLAError) as error:
            self.refuse(HTTPStatus.BAD_REQUEST, str(error))
            return
        self.reply(HTTPStatus.OK, self.server.stage.state())
