"""A fault plan as types: which parts can be broken, in which ways, and what is expected of the robot then.

    cells:
      - name: the bus goes silent
        faults: [{target: bus, kind: off}]
        expect: {modes: [fault], reason: serial lost, detected: 200 ms}

Annotations are not postponed in this file: msgspec reads them.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from edgevla.config.allowed import Name, Text, within
from edgevla.config.units import AngleRad, TimeS

Kind = Literal["off", "stuck", "garbage", "wrong", "slow", "delayed", "intermittent"]
Target = Literal[
    "bus", "port", "servo", "power", "heat", "camera",
    "engine", "decoder", "chunks", "policy", "control", "operator", "cpu", "disk", "files",
]  # fmt: skip
End = Literal["engaged", "holding", "stopping", "fault", "gone"]

# What the simulated robot plays, see edgevla/sim/faults.py. The others are played around the real processes, and so
# can be with a real robot too.
SIMULATED = ("bus", "port", "servo", "power", "heat", "camera")

# target -> kind -> what `how` may say; the first word is what is meant when it says nothing.
WAYS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "bus": dict.fromkeys(("off", "stuck", "garbage", "wrong", "slow", "delayed", "intermittent"), ()),
    "port": {"off": ()},
    "servo": dict.fromkeys(("off", "stuck", "garbage", "wrong", "delayed"), ()),
    "power": dict.fromkeys(("off", "wrong", "intermittent"), ()),
    "heat": {"wrong": ()},
    "camera": dict.fromkeys(("off", "stuck", "garbage", "wrong", "slow", "delayed", "intermittent"), ()),
    "engine": {  # the network's answer; played by the graph of a bundle made for it
        "off": (),  # it fails
        "stuck": (),  # the same answer whatever it sees
        "garbage": ("nan", "inf"),
        "wrong": ("beyond", "away", "jumps", "noise"),  # numbers that could be true
        "slow": (),  # about 400 ms longer
        "delayed": (),  # about 60 ms longer
    },
    "decoder": {"garbage": (), "wrong": ()},  # values nobody believes; a tensor of another shape
    "chunks": {  # what arrives at the control process
        "garbage": (),  # bytes that are no message
        "wrong": ("shape", "nan", "future", "rows"),
        "delayed": (),  # plans from a picture of two seconds ago
        "slow": (),  # more of them than anybody can read
        "intermittent": (),  # a single broken one
    },
    "policy": {"off": (), "stuck": (), "intermittent": ()},  # SIGKILL, SIGSTOP, SIGSTOP now and then
    "control": {"off": (), "stuck": ()},  # SIGKILL, SIGSTOP
    "operator": {  # the link, and the heartbeat on it
        "off": (),
        "stuck": (),
        "garbage": (),
        "slow": (),
        "intermittent": (),
    },
    "cpu": {"slow": ()},  # a busy process for every core
    "disk": {"off": ()},  # full
    "files": {"off": ()},  # no file descriptor left
}

# What a kind cannot do without, by target.
NEEDS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("bus", "slow"): ("by",),
    ("bus", "intermittent"): ("every",),
    ("servo", "garbage"): ("angle",),
    ("servo", "wrong"): ("angle",),
    ("servo", "delayed"): ("by",),
    ("power", "wrong"): ("volts",),
    ("power", "intermittent"): ("volts", "by"),
    ("heat", "wrong"): ("celsius",),
    ("camera", "slow"): ("by",),
    ("camera", "delayed"): ("by",),
    ("camera", "intermittent"): ("every",),
    ("policy", "intermittent"): ("by",),
    ("operator", "slow"): ("by",),
    ("operator", "intermittent"): ("by",),
}


class FaultSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One broken part. `lasts`: 0 s is until the end of the cell."""

    target: Target
    kind: Kind
    how: str = ""
    joint: str = ""  # which servo; every one when empty
    camera: str = ""  # which camera; every one when empty
    by: Annotated[TimeS, within(at_least=0, at_most=10, unit="s")] = TimeS(0.0)
    angle: Annotated[AngleRad, within(at_least=-180, at_most=180, unit="deg")] = AngleRad(0.0)
    volts: Annotated[float, within(at_least=0, at_most=60)] = 0.0
    celsius: Annotated[float, within(at_least=0, at_most=150)] = 0.0
    every: Annotated[int, within(at_least=1, at_most=1000)] = 1
    lasts: Annotated[TimeS, within(at_least=0, at_most=10, unit="s")] = TimeS(0.0)


def way_of(fault: FaultSpec) -> str:
    """What `how` says, or means when it says nothing."""
    ways = WAYS[fault.target][fault.kind]
    return fault.how or (ways[0] if ways else "")


class Expect(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How it must end. `detected`: 0 s when nothing needs to notice; without `engaged` the motion must have ended."""

    modes: tuple[End, ...]
    reason: str = ""  # words that the mode's reason must have
    detected: Annotated[TimeS, within(at_least=0, at_most=10, unit="s")] = TimeS(0.0)


class Cell(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One experiment on an arm in motion."""

    name: Text
    faults: tuple[FaultSpec, ...]
    expect: Expect
    watch: Annotated[TimeS, within(above=0, at_most=20, unit="s")] = TimeS(1.5)  # from the fault on


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole plan file."""

    format: Literal["edgevla-faults/1"]
    name: Name
    cells: tuple[Cell, ...]
