"""For the generators of golden vectors: import one module of a checkout without all that its package would import.

What a stand-in replaces is named in the PROVENANCE.md beside the vectors; no number in them passes through one.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from unittest.mock import MagicMock


def package(name: str, folder: str) -> None:
    """Make `name` a package that finds its modules in `folder` and runs no `__init__.py`."""
    module = ModuleType(name)
    module.__path__ = [folder]
    sys.modules[name] = module


def absent(*names: str) -> None:
    """Let these imports succeed. Whatever is called of them returns a mock, which no array can be made of."""
    for name in names:
        sys.modules[name] = MagicMock(name=name, __spec__=ModuleSpec(name, None))
