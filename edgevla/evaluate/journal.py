"""What an evaluation has finished so far, on disk: after an interruption it goes on from there."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING

import msgspec

from edgevla.evaluate.episodes import Episode
from edgevla.files import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from edgevla.evaluate.episodes import Settings


_Line = tuple[str, Episode]  # the first is the hash of the settings
_DECODER = msgspec.json.Decoder(_Line)


class Journal:
    """Finished episodes, one line each, of any number of settings. What was cut off, or is no such line, is dropped.

    Args:
        path: the file, made if it is not there; None remembers nothing.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lines: list[_Line] = []
        if path is None:
            return
        written = path.read_bytes().splitlines() if path.exists() else []
        with contextlib.suppress(msgspec.DecodeError):
            for line in written:
                self._lines.append(_DECODER.decode(line))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, b"".join(msgspec.json.encode(line) + b"\n" for line in self._lines))

    def finished(self, settings: Settings) -> list[Episode]:
        """The episodes of these settings that need not be played again; how many were asked for then is no matter."""
        of = _hash(settings)
        # By their number: two that wrote at once have played the same ones.
        found = {episode.index: episode for hashed, episode in self._lines if hashed == of}
        return [episode for index, episode in found.items() if index < settings.episodes]

    def add(self, settings: Settings, episode: Episode) -> None:
        """Note an episode that has just been played."""
        if self._path is not None:
            with self._path.open("ab") as file:
                file.write(msgspec.json.encode((_hash(settings), episode)) + b"\n")


def _hash(settings: Settings) -> str:
    return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(settings, episodes=0))).hexdigest()
