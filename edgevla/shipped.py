"""The bundles that come with this package: engines/ of a checkout, `edgevla/_engines` of an installed wheel."""

from __future__ import annotations

from pathlib import Path

from edgevla.errors import EdgeVLAError

_PACKAGE = Path(__file__).resolve().parent
_PLACES = (_PACKAGE / "_engines", _PACKAGE.parent / "engines")


class NotShipped(EdgeVLAError):
    """No bundle of that name comes with this package."""


def shipped(name: str) -> Path:
    """The folder of the bundle called `name`.

    Raises:
        NotShipped: there is none; the message lists those there are.
    """
    bundles = {path.parent.name: path.parent for place in _PLACES for path in sorted(place.glob("*/policy.yaml"))}
    if name not in bundles:
        known = ", ".join(bundles) or "none"
        fix = f"use one of: {known}; or give a path"
        raise NotShipped(f'no bundle called "{name}" comes with this package', fix=fix)
    return bundles[name]
