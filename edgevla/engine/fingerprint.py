"""What a built engine depends on. An engine whose fingerprint is not today's is never run."""

from __future__ import annotations

import hashlib

import msgspec


class Fingerprint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that must be the same when an engine is loaded as when it was built."""

    graph: str  # SHA-256 of the graph and of the weights beside it
    plugin: str  # SHA-256 of the plugin library; empty without one
    runtime: str  # "tensorrt 10.3.0", "onnxruntime 1.23.2"
    device: str
    compute_capability: str  # "8.7"; empty on a CPU
    cuda: str  # "12.6"; empty on a CPU
    flags: tuple[str, ...]  # of the build

    def digest(self) -> str:
        """A name for the engine, 64 hexadecimal digits."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()

    def differences(self, built: Fingerprint) -> str:
        """What changed since `built`, in words; empty when nothing did."""
        changed = [
            f"{field} {getattr(built, field) or 'none'} -> {getattr(self, field) or 'none'}"
            for field in self.__struct_fields__
            if getattr(self, field) != getattr(built, field)
        ]
        return "; ".join(changed)
