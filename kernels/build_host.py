"""Builds the kernels for the processor with nothing but a C++ compiler: for pip, make and the tests.

    python kernels/build_host.py [--into FOLDER] [--library host|emulated] [--optional]

`host` is the library for production; `emulated` is the CUDA sources on threads of the operating system, for tests.
Knows only the standard library, because setup.py calls it before anything is installed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).resolve().parent
INTO = HERE / "build"

# No contraction into fused multiply-adds: the bits are the same on every device and in NumPy. Nobody reads errno or
# floating-point traps. Unswitching loops would take the compiler half a minute and win nothing.
EXACT = ("-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math")
ALIKE = (*EXACT, "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra")
FLAGS = {
    "host": ("-std=c++17", "-O3", "-fno-unswitch-loops", *ALIKE),
    "emulated": ("-x", "c++", "-std=c++20", "-O1", "-pthread", "-DEDGEVLA_EMULATED", *ALIKE),
}
SOURCES = {
    "host": ("decode_host.cpp", "image_host.cpp", "image_plan.cpp"),
    "emulated": ("decode_launch.cu", "image_launch.cu", "image_plan.cpp"),
}


class CompilerMissing(Exception):
    """This machine has no C++ compiler."""


class BuildFailed(Exception):
    """The compiler refused; the message is its own."""


def compiler() -> str:
    """Return the C++ compiler: $CXX, else the first of c++, g++ and clang++.

    Raises:
        CompilerMissing: there is none.
    """
    named = os.environ.get("CXX")
    for name in [named] if named else ["c++", "g++", "clang++"]:
        if found := shutil.which(name):
            return found
    raise CompilerMissing(f"no C++ compiler ({named or 'c++, g++, clang++'}) - sudo apt-get install -y g++")


def build(library: str, into: Path, *extra: str, sources: Sequence[Path | str] = (), name: str = "") -> Path:
    """Compile a library and return its path; what lay there before is replaced at the end, in one move.

    Args:
        library: "host" or "emulated".
        into: the folder, made when missing.
        extra: more flags.
        sources: more files, and then it is a program.
        name: of the file, lib…so when left out.

    Raises:
        CompilerMissing: there is no compiler.
        BuildFailed: it refused.
    """
    into.mkdir(parents=True, exist_ok=True)
    target = into / (name or f"libedgevla_{library}.so")
    files = [str(HERE / source) for source in SOURCES[library]] + [str(source) for source in sources]
    kind = [] if sources else ["-shared"]
    with tempfile.TemporaryDirectory(dir=into) as folder:
        beside = Path(folder, target.name)
        command = [compiler(), *kind, *FLAGS[library], f"-I{HERE}", *extra, *files, "-o", str(beside)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BuildFailed(f"{' '.join(command)}\n{done.stderr}")
        beside.replace(target)
    return target


def main() -> int:
    """Build what the command line asks for; 0 when it is there, or when it may be missing."""
    parser = argparse.ArgumentParser(description="Build the kernels for the processor.")
    parser.add_argument("--into", type=Path, default=INTO, help="folder of the library, default kernels/build")
    parser.add_argument("--library", choices=sorted(SOURCES), default="host")
    parser.add_argument("--optional", action="store_true", help="say why it is not there, and end without an error")
    given = parser.parse_args()
    try:
        print(build(given.library, given.into))
    except (CompilerMissing, BuildFailed) as error:
        print(f"{'note' if given.optional else 'error'}: {given.library} kernels not built: {error}", file=sys.stderr)
        return 0 if given.optional else 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
