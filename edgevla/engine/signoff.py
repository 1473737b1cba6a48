"""The signature under an engine: who was compared with whom, on what, and what came out; see `edgevla verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from edgevla.engine.base import EngineError
from edgevla.engine.cache import unusable, write_whole
from edgevla.engine.records import Signoff

if TYPE_CHECKING:
    from pathlib import Path

    from edgevla.engine.fingerprint import Fingerprint


class EngineUnverified(EngineError):
    """Nobody has compared this engine with the reference, or it was another engine, or it did not pass."""


def sign(path: Path, signoff: Signoff) -> None:
    """Write a signature, whole or not at all.

    Raises:
        CacheUnusable: the disk is full, or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unusable(path.parent, error) from None
    write_whole(path, msgspec.json.format(msgspec.json.encode(signoff.sealed()), indent=2) + b"\n")


def require(path: Path, engines: tuple[Fingerprint, ...], manifest: str, name: str) -> Signoff:
    """The signature for exactly these engines and this policy.yaml.

    Args:
        name: what is about to run, for the message.

    Raises:
        EngineUnverified: there is none, it was altered, is about something else, or says that the engine did not pass.
    """
    fix = "run edgevla verify, or give --unverified to run it all the same"
    try:
        signoff = msgspec.json.decode(path.read_bytes(), type=Signoff)
    except FileNotFoundError:
        raise EngineUnverified(f"{name}: was never verified", fix=fix) from None
    except (OSError, msgspec.DecodeError) as error:
        raise EngineUnverified(f"{path}: cannot be read: {error}", fix=fix) from None
    if signoff.seal != signoff.sealed().seal:
        raise EngineUnverified(f"{path}: was altered after it was signed", fix=fix)
    changes = [now.differences(then) for now, then in zip(engines, signoff.engines, strict=False) if now != then]
    if len(engines) != len(signoff.engines):
        changes.append(f"{len(signoff.engines)} -> {len(engines)} graphs")
    if manifest != signoff.manifest:
        changes.append("policy.yaml changed")
    if changes:
        raise EngineUnverified(f"{name}: changed since it was verified: {'; '.join(changes)}", fix=fix)
    if not signoff.passed:
        raise EngineUnverified(f"{name}: was verified and did not pass, see {path}", fix=fix)
    return signoff
