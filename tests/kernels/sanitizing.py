"""Runs sweep.cpp under the sanitizers: a few calls in the tests, many by `python -m tests.kernels.sanitizing`.

The sweep prints a line a call, with a hash of what was written. "native", without any sanitizer, says what the others
have to print.
"""

from __future__ import annotations

import argparse
import functools
import os
import platform
import subprocess
import sys
from pathlib import Path

from kernels import build_host
from tests.kernels import building

SWEEP = Path(__file__).with_name("sweep.cpp")
NATIVE = ("decode_host.cpp", str(SWEEP))
EMULATED = (str(SWEEP), "-x", "c++", "decode_launch.cu")
DEBUG = ("-O1", "-g1")
MEMORY = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
# Kind of run -> how it is compiled. Contraction would show in the hashes, so the production flags come first. Every
# variant for a newer processor is reached by a resolver, which runs before a sanitizer is ready: BASELINE has none.
PROGRAMS = {
    "native": (*build_host.FLAGS["host"], "-O1", "-DEDGEVLA_BASELINE", *NATIVE),
    "native, as shipped": (*build_host.FLAGS["host"], *NATIVE),
    "native, memory": (*build_host.FLAGS["host"], *DEBUG, *MEMORY, "-DEDGEVLA_BASELINE", *NATIVE),
    "emulated, memory": (*build_host.FLAGS["emulated"][2:], *DEBUG, *MEMORY, *EMULATED),
    "emulated, threads": (*build_host.FLAGS["emulated"][2:], *DEBUG, "-fsanitize=thread", *EMULATED),
}
if platform.machine() == "x86_64":  # the variant between the other two
    PROGRAMS["native, AVX2"] = (*build_host.FLAGS["host"], "-mavx2", "-DEDGEVLA_BASELINE", *NATIVE)


@functools.cache
def available(flag: str) -> bool:
    """Whether this compiler has the sanitizer's library and the kernel lets it run."""
    try:
        program = [build_host.compiler(), flag, "-x", "c++", "-", "-o", str(building.folder() / "probe")]
    except build_host.CompilerMissing:
        return False
    if subprocess.run(program, input="int main() {}", text=True, capture_output=True, check=False).returncode:
        return False
    return subprocess.run([program[-1]], capture_output=True, check=False).returncode == 0


def sweep(kind: str, seed: int, calls: int, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a sweep; it ends with 66 at the first race."""
    program = building.compiled(f"sweep-{kind.replace(', ', '-')}", *PROGRAMS[kind])
    environment = {"TSAN_OPTIONS": "halt_on_error=1 exitcode=66", **environment}
    command = [str(program), str(seed), str(calls)]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)


def main() -> int:
    parser = argparse.ArgumentParser(description="Sweep the decoding kernels under every sanitizer.")
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    expected = sweep("native", given.seed, given.calls)
    wrong = expected.returncode
    for kind in PROGRAMS:
        done = sweep(kind, given.seed, given.calls)
        same = done.stdout == expected.stdout
        print(f"{kind}: {given.calls} calls, exit code {done.returncode}, {'the same bits' if same else 'OTHER BITS'}")
        print(done.stderr, end="")
        wrong |= done.returncode or not same
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
