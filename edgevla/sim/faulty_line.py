"""The bus line with the faults of edgevla/sim/faults.py in it: what becomes of the servos' answers on the way."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from edgevla.sim.servos import Answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgevla.sim.faults import Fault

SILENCE = Answer(b"", 0.0)


class FaultyLine:
    """Without faults every answer passes as it is."""

    def __init__(self) -> None:
        self._faults: tuple[Fault, ...] = ()
        self._random = random.Random(0)
        self._count = 0
        self._held = SILENCE
        self._first: dict[int, bytes] = {}

    def break_(self, faults: Sequence[Fault]) -> None:
        """Have these faults of the part `bus` from now on, and no others."""
        self._held = SILENCE
        self._first.clear()
        self._faults = tuple(faults)

    @property
    def cut(self) -> bool:
        """Whether nothing reaches the servos."""
        return any(fault.kind == "off" for fault in self._faults)

    def carry(self, answer: Answer) -> Answer:
        """Return what arrives of an answer."""
        if not answer.data:
            return answer
        self._count += 1
        for fault in self._faults:
            answer = self._disturb(answer, fault)
        return answer

    def _disturb(self, answer: Answer, fault: Fault) -> Answer:
        data, delay_s = answer
        if fault.kind == "stuck":
            return Answer(self._first.setdefault(len(data), data), delay_s)
        if fault.kind == "garbage":
            return Answer(self._random.randbytes(len(data)), delay_s)
        if fault.kind == "wrong":
            bit = self._random.randrange(8 * len(data))
            return Answer(bytes(byte ^ (bit // 8 == at) << bit % 8 for at, byte in enumerate(data)), delay_s)
        if fault.kind == "slow":
            return Answer(data, delay_s + fault.by_s)
        if fault.kind == "delayed":
            held, self._held = self._held, answer
            return held
        return SILENCE if self._count % fault.every == 0 else answer
