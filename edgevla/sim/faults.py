"""The ways in which the simulated robot can be broken: what POST /fault takes, to its stage and to its cameras.

The words are PX4's (off, stuck, garbage, wrong, slow, delayed, intermittent). A request names all faults that there
shall be from now on; an empty list is a robot in order.

bus       off           no byte passes, either way
          stuck         every answer repeats an earlier one of its length
          garbage       answers are random bytes of their length
          wrong         one bit of every answer is flipped
          slow          answers come `by_s` later
          delayed       every answer is held back until the next request, and comes instead of the answer to that
          intermittent  of every `every` answers one is missing
port      off           the adapter is unplugged; a new port, on another path, is there once the fault is lifted
servo     off           it is silent, and keeps its last goal
          stuck         it reports the position it had; it goes on moving
          garbage       it reports random positions, up to `by_rad` off
          wrong         it reports positions that are `by_rad` off
          delayed       it reports positions that are `by_s` old
power     off           every servo loses its power: silent and limp; with power, limp until armed
          wrong         the supply is at `value` volts
          intermittent  the supply alternates between `value` volts and the right one, every `by_s`
heat      wrong         the servo is at `value` degrees Celsius
camera    off           the stream ends, and no new one is granted
          stuck         the same picture for ever, with new time stamps
          garbage       pictures are random bytes
          wrong         pictures have another size
          slow          a picture only every `by_s`
          delayed       pictures are `by_s` old; their time stamps tell
          intermittent  of every `every` pictures one is missing
"""

# Annotations are not postponed in this file: msgspec reads them.

from typing import Literal

import msgspec

Kind = Literal["off", "stuck", "garbage", "wrong", "slow", "delayed", "intermittent"]
Part = Literal["bus", "port", "servo", "power", "heat", "camera"]


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One broken part. `device`: a servo id, or 0 for all; `camera`: its name, or empty for all."""

    part: Part
    kind: Kind
    device: int = 0
    camera: str = ""
    by_s: float = 0.0
    by_rad: float = 0.0
    value: float = 0.0
    every: int = 1


class FaultRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Body of POST /fault."""

    faults: tuple[Fault, ...]
