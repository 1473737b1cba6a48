"""Whether what writes recordings is installed; a robot that does not record runs without it."""

from __future__ import annotations

from importlib.util import find_spec

from edgevla.errors import EdgeVLAError

_MODULES = ("mcap", "zstandard", "google.protobuf", "foxglove_schemas_protobuf")


class RecorderMissing(EdgeVLAError):
    """A package that writes recordings is not installed."""


def check_installed() -> None:
    """Look for the packages, without loading them.

    Raises:
        RecorderMissing: one is not there; the message names it.
    """
    for module in _MODULES:
        try:
            found = find_spec(module) is not None
        except ModuleNotFoundError:  # of the package that the module would be in
            found = False
        if not found:
            raise RecorderMissing(
                f"recording needs {module}, which is not installed", fix="pip install 'edgevla[record]'"
            )
