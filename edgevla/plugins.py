"""Finding a part by the name that stands in robot.yaml or policy.yaml: ours, or an entry point of another package."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, TypeVar

from edgevla.errors import EdgeVLAError

if TYPE_CHECKING:
    from collections.abc import Mapping

Part = TypeVar("Part")


class PluginUnknown(EdgeVLAError):
    """No part of that name is installed."""


class PluginBroken(EdgeVLAError):
    """The part is installed, but its package cannot be imported."""


def find(group: str, builtin: Mapping[str, Part], name: str) -> Part:
    """Return the part called `name`: from `builtin`, else from the installed entry points of `group`.

    A part of ours cannot be replaced from outside: what robot.yaml names is what a reader of this code sees.

    Raises:
        PluginUnknown: nobody offers `name`; the message lists what exists.
        PluginBroken: the package that offers it fails to import.
    """
    if name in builtin:
        return builtin[name]
    installed = {point.name: point for point in entry_points(group=group)}
    if name not in installed:
        known = ", ".join(sorted({*builtin, *installed}))
        raise PluginUnknown(f'{group}: there is no "{name}"', fix=f"use one of: {known}")
    point = installed[name]
    try:
        part: Part = point.load()
    except Exception as error:  # another package's import may fail in any way
        raise PluginBroken(
            f'{group}: "{name}" ({point.value}) cannot be imported: {error!r}', fix="repair or reinstall its package"
        ) from error
    return part
