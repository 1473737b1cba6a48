"""Everything that passes on the simulated bus, with its time, in a file that outlives whoever reads it.

One JSON object a line: `t_s`, CLOCK_MONOTONIC seconds at the simulated end of the line; `from`, "host" or "servos";
`hex`, the bytes of one read or one reply.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Capture:
    """Appends to `path`, a line at a time, so that a reader never sees half a record for long."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1, encoding="ascii")

    def add(self, t_s: float, speaker: str, data: bytes) -> None:
        """Write down what `speaker` said."""
        self._file.write(json.dumps({"t_s": round(t_s, 6), "from": speaker, "hex": data.hex()}) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
