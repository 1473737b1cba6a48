"""How observations travel from the policy process to the recorder: cut into parts that fit a message of a `Link`.

Annotations are not postponed in this file: msgspec reads them.
"""

from collections.abc import Iterator

import msgspec

from edgevla.messages import Picture, Planned

PART_BYTES = 48 * 1024  # of a Link's 64 KiB, so that three fit the kernel's usual buffer
MAX_PARTS = 4096  # 192 MiB: what claims to be larger is not an observation


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """Exactly what the policy saw for one chunk, and what else its answer depends on.

    `clock_s` is what the policy's clock said while it made the chunk; how chunks are joined depends on it.
    """

    seq: int
    t_obs_s: float
    instruction: str
    state_rad: tuple[float, ...]
    fresh: bool  # the policy was told to forget the past before it
    pictures: tuple[Picture, ...]
    clock_s: tuple[float, ...] = ()


class Part(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A piece of one encoded `Observed`. `dropped`: how many observations the sender had to leave out so far."""

    seq: int
    index: int
    count: int
    dropped: int
    data: bytes


Fed = Part | Planned  # what arrives at the recorder


def cut(observed: Observed, dropped: int) -> Iterator[Part]:
    """Return the parts of an observation, in order."""
    data = msgspec.msgpack.encode(observed)
    starts = range(0, len(data), PART_BYTES)
    for index, start in enumerate(starts):
        piece = data[start : start + PART_BYTES]
        yield Part(seq=observed.seq, index=index, count=len(starts), dropped=dropped, data=piece)


class Joiner:
    """Puts parts together again. What is incomplete is left out, and was counted by the sender who gave it up."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._decoder = msgspec.msgpack.Decoder(Observed)
        self.broken = 0  # complete, and no observation
        self.dropped = 0  # as the sender last said

    def add(self, part: Part) -> Observed | None:
        """Take the next part; return the observation when this was the last part of one."""
        self.dropped = part.dropped
        if not self._continues(part):
            self._parts.clear()
            if part.index > 0 or part.count > MAX_PARTS:
                return None
        self._parts.append(part)
        if len(self._parts) < part.count:
            return None
        data = b"".join(each.data for each in self._parts)
        self._parts.clear()
        try:
            return self._decoder.decode(data)
        except (msgspec.MsgspecError, ValueError):
            self.broken += 1
            return None

    def _continues(self, part: Part) -> bool:
        """Whether a part is the next one of what has been begun; a first part continues nothing."""
        if part.count > MAX_PARTS or part.index != len(self._parts):
            return False
        return part.index == 0 or (part.seq, part.count) == (self._parts[0].seq, self._parts[0].count)
