"""What is wrong with a configuration file: one line each, beginning with file and line."""

from __future__ import annotations

from edgevla.errors import EdgeVLAError


class ConfigError(EdgeVLAError):
    """A configuration file cannot be used. One line for every independent mistake in it."""


def quoted(text: str, longest: int = 60) -> str:
    """Text from a file in quotes, cut to a readable length, with anything that could steer a terminal escaped."""
    cut = text if len(text) <= longest else f"{text[: longest - 3]}..."
    return '"' + "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut) + '"'
