"""Where the console listens, and which names of it a browser may use.

A page of another site can make a browser send requests here, and with DNS rebinding even under a name of its own. So
the name in `Host` has to be one of ours, and an `Origin` has to be exactly the one that this `Host` makes.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgevla.console.errors import AddressRefused

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT = "127.0.0.1:8321"
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_ADDRESS = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<four>[^:]+)):(?P<port>\d{1,5})")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Address:
    """An IP address and a port; port 0 takes any that is free."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return ipaddress.ip_address(self.host).is_loopback

    @property
    def everywhere(self) -> bool:
        """Whether it stands for every address of this machine."""
        return ipaddress.ip_address(self.host).is_unspecified

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Read HOST:PORT, an IPv6 address in brackets.

    Raises:
        AddressRefused: it is none; names other than localhost are not looked up.
    """
    fix = f"write an IP address and a port, for example {DEFAULT} or [::1]:8321"
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found["port"]) > 65535:
        raise AddressRefused(f'--address: "{text}" is no HOST:PORT', fix=fix)
    host = found["six"] or ("127.0.0.1" if found["four"] == "localhost" else found["four"])
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise AddressRefused(f'--address: "{host}" is no IP address', fix=fix) from None
    return Address(host, int(found["port"]))


def allowed_names(address: Address, extra: Iterable[str]) -> frozenset[str]:
    """Every name that `Host` may have: the local ones, the address itself, and what --allow-host adds.

    Raises:
        AddressRefused: a name is none, or the console listens everywhere and nobody said under which names.
    """
    names = {name.strip("[]").lower() for name in extra}
    for name in sorted(names):
        if not (_is_ip(name) or _NAME.fullmatch(name)):
            fix = "give only the name: --allow-host robot.local"
            raise AddressRefused(f'--allow-host: "{name}" is neither a host name nor an IP address', fix=fix)
    if address.everywhere and not names:
        fix = "add what people will type: --allow-host robot.local"
        raise AddressRefused(f"--address {address} has no name of its own to check requests by", fix=fix)
    own = set() if address.everywhere else {address.host}
    return frozenset(names | own | set(LOCAL_NAMES))


def host_name(header: str) -> str:
    """The name in a `Host` header in lower case, without port and brackets; empty when it is malformed."""
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+))(?::\d{1,5})?", header)
    return (found[1] or found[2]).lower() if found else ""


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
