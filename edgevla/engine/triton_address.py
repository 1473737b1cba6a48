"""Where a Triton server is and how to speak to it, as one string: `HOST:PORT/MODEL?deadline_ms=200&tls=1&ca=FILE`."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from edgevla.engine.base import EngineError

PORT = 8001
DEADLINE_MS = 200.0
_KEYS = ("deadline_ms", "version", "tls", "ca", "certificate", "key")


class AddressRefused(EngineError):
    """The address cannot be understood, or would send pictures over an open network."""


@dataclass(frozen=True, slots=True)
class TritonAddress:
    """A model on a server. Without a `certificate` and its `key` the server does not learn who asks.

    Args:
        host: name or number.
        port: of its gRPC service.
        model: by its name in the model repository.
        version: empty for the one the server prefers.
        deadline_s: what is not answered by then is a failed chunk.
        tls: whether the line is encrypted.
        ca: the certificate that the server's must go back to; None for the system's.
    """

    host: str
    port: int
    model: str
    version: str
    deadline_s: float
    tls: bool
    ca: Path | None
    certificate: Path | None
    key: Path | None

    @property
    def netloc(self) -> str:
        """As gRPC wants it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{'tls ' if self.tls else ''}{self.netloc}/{self.model}"


def parse(text: str, model: str) -> TritonAddress:
    """Read an address; every part may be left out.

    Args:
        model: used when the address names none.

    Raises:
        AddressRefused: the message quotes the part, and says what it must be.
    """
    example = "write HOST:PORT/MODEL?deadline_ms=200&tls=1"
    parts = urlsplit(f"//{text}")
    try:
        port = parts.port or PORT
    except ValueError as error:
        raise AddressRefused(f'triton: "{text}": {error}', fix=example) from None
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(options.keys() - set(_KEYS)):
        raise AddressRefused(f'triton: "{text}": unknown option "{unknown[0]}"', fix=f"use {', '.join(_KEYS)}")
    host = parts.hostname or "127.0.0.1"
    tls = options.get("tls", "")
    if tls not in {"", "0", "1"}:
        raise AddressRefused(f'triton: tls is "{tls}"; must be 0 or 1', fix=example)
    if tls == "" and not _is_loopback(host):
        raise AddressRefused(
            f"triton: {host} is another machine, and the line to it is not encrypted",
            fix="add ?tls=1; ?tls=0 sends pictures and actions in the clear, for anybody to read and change",
        )
    files = {key: _file(key, options.get(key, "")) for key in ("ca", "certificate", "key")}
    if (files["certificate"] is None) != (files["key"] is None) or (tls != "1" and any(files.values())):
        raise AddressRefused(
            f'triton: "{text}": certificate and key go together, and ca, certificate and key with tls=1', fix=example
        )
    return TritonAddress(
        host=host,
        port=port,
        model=parts.path.strip("/") or model,
        version=options.get("version", ""),
        deadline_s=_milliseconds(options.get("deadline_ms", str(DEADLINE_MS))) / 1e3,
        tls=tls == "1",
        **files,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _milliseconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1.0 <= value <= 60000.0:
        raise AddressRefused(f'triton: deadline_ms is "{text}"; must be between 1 and 60000')
    return value


def _file(key: str, name: str) -> Path | None:
    if not name:
        return None
    path = Path(name)
    if not path.is_file():
        raise AddressRefused(f'triton: {key} is "{name}"; there is no such file')
    return path
