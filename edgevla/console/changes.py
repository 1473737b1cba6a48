"""What may be changed. Each is asked for by POST, written to the audit log, and answered with {ok, mode, why}."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from starlette.responses import Response

from edgevla.console.desk import STOPPING
from edgevla.console.errors import Refusal
from edgevla.console.view import encode
from edgevla.messages import Event, Instruct

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from edgevla.console.hub import Hub
    from edgevla.console.sessions import Session

    Act = Callable[["Hub", Session, Request], Awaitable[dict[str, Any]]]

MAX_TEXT = 500
Body = TypeVar("Body", bound=msgspec.Struct)


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A body without anything."""


class Sentence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sentence for the policy, or the rest pose; `once`: one plan, to be looked at before it is played."""

    text: str = ""
    once: bool = False
    home: bool = False


class Hold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The person presses, and `ticks` is what their page knew of the robot then; see `Desk.engage`."""

    ticks: int


class Play(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same for `seq`, the chunk that the person has seen and wants to be played."""

    ticks: int
    seq: int


def _ask(event: Event) -> Act:
    async def act(hub: Hub, session: Session, request: Request) -> dict[str, Any]:
        if event not in STOPPING:  # for these nobody waits for a body, whatever is in it
            await _decode(request, Nothing)
        hub.desk.ask(session, event)
        return {}

    return act


async def _instruct(hub: Hub, session: Session, request: Request) -> dict[str, Any]:
    sentence = await _decode(request, Sentence)
    text = " ".join(sentence.text.split())
    if bool(text) == sentence.home or len(text) > MAX_TEXT:
        raise Refusal(400, f"an instruction is a text of 1 to {MAX_TEXT} characters, or home")
    hub.desk.instruct(session, Instruct(text=text, once=sentence.once, home=sentence.home))
    hub.journal.add(f"{session.name}: {text or 'home'}" + (", one plan at a time" if sentence.once else ""))
    return {"text": text or "home"}


async def _engage(hub: Hub, session: Session, request: Request) -> dict[str, Any]:
    press = await _decode(request, Hold)
    return {"lease": await hub.desk.engage(session, lambda: hub.crowd.has(session), press.ticks)}


async def _confirm(hub: Hub, session: Session, request: Request) -> dict[str, Any]:
    press = await _decode(request, Play)
    return {"lease": await hub.desk.confirm(session, lambda: hub.crowd.has(session), press.ticks, press.seq)}


CHANGES: dict[str, Act] = {
    **{event.value: _ask(event) for event in (Event.ARM, Event.DISARM, Event.RESET, Event.RELEASE, Event.STOP)},
    "instruct": _instruct,
    "engage": _engage,
    "confirm": _confirm,
}


def route(hub: Hub, name: str) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint of POST /api/NAME."""
    act = CHANGES[name]

    async def endpoint(request: Request) -> Response:
        session: Session = request.scope["session"]
        mode, status = hub.desk.mode, 200
        more: dict[str, Any] = {}
        try:
            more = await act(hub, session, request)
        except Refusal as refusal:
            status, more = refusal.status, {"ok": False, "why": refusal.why}
            if refusal.checks:
                more["preflight"] = refusal.checks
        answer = {"ok": True, "mode": hub.desk.mode, "why": hub.desk.why, **more}
        facts = {"ok": answer["ok"], "mode_when_asked": mode, "why": answer["why"]}
        if "text" in answer:
            facts["text"] = answer.pop("text")
        address = str(request.scope["client"][0])
        hub.audit.write(session.number, session.name, address, f"POST /api/{name}", **facts)
        if not answer["ok"]:
            hub.journal.add(f"{session.name}: {name} refused: {answer['why']}", "warn")
        return Response(encode(answer), status, media_type="application/json")

    return endpoint


async def _decode(request: Request, kind: type[Body]) -> Body:
    try:
        return msgspec.json.decode(await request.body() or b"{}", type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Refusal(400, f"the body cannot be understood: {error}") from None
