"""Compiles what tests of kernels/ run, once a session: quick to compile, not to run."""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

KERNELS = Path(__file__).parents[2] / "kernels"
EXACT = ("-ffp-contract=off", "-Wall", "-Wextra", "-Werror")
SHARED = ("-fPIC", "-shared", "-pthread")


@functools.cache
def folder() -> Path:
    """Deleted with the process."""
    holder = tempfile.TemporaryDirectory(prefix="edgevla-kernels-")
    folder.holder = holder
    return Path(holder.name)


@functools.cache
def compiled(name: str, *arguments: str) -> Path:
    """A program or library from sources, named from the folder of the kernels, and flags."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler: sudo apt-get install -y g++")
    command = [compiler, f"-I{KERNELS}", *EXACT, "-o", str(folder() / name), *arguments]
    result = subprocess.run(command, cwd=KERNELS, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return folder() / name
