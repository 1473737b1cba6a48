"""The two files beside a built engine: what it was built from, and what came out when it was verified.

Annotations are not postponed in this file: msgspec reads them.
"""

import hashlib
from typing import Any

import msgspec

from edgevla.engine.fingerprint import Fingerprint


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """engine.json: what was built, and from what."""

    fingerprint: Fingerprint
    source: str  # the graph's path when it was built, for people
    plan: str  # SHA-256 of engine.plan; empty where the runtime compiles while loading
    seconds: float
    notes: tuple[str, ...] = ()


class Signoff(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """verified.json. `seal` is the SHA-256 of everything else in it."""

    passed: bool
    engines: tuple[Fingerprint, ...]  # of each graph of the variant
    manifest: str  # SHA-256 of policy.yaml: statistics and budget decide as much as the graph
    observations: str  # SHA-256 of the set's manifest
    when: str
    figures: dict[str, Any]
    seal: str = ""

    def sealed(self) -> "Signoff":
        """The same, with its seal."""
        bare = msgspec.structs.replace(self, seal="")
        return msgspec.structs.replace(self, seal=hashlib.sha256(msgspec.json.encode(bare)).hexdigest())
