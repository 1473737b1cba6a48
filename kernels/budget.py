"""Registers, shared memory and spills of every kernel, as ptxas reports them for the targets that ship.

    python kernels/budget.py > kernels/budget.md

Fails when a kernel goes over the budget. A test compares the file with what the compiler says.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HERE = Path(__file__).resolve().parent
TARGETS = ("sm_87", "sm_110")  # Orin, Thor
SOURCES = ("decode_launch.cu", "image_launch.cu")
# As CMakeLists.txt has them.
FLAGS = ("-std=c++17", "-O3", "-fmad=false", "-Xptxas", "-v", "-cubin")
MOST_REGISTERS = 64  # 256 threads a block times 64 are a quarter of a multiprocessor's 65,536: four blocks fit
ENTRY = re.compile(
    r"Compiling entry function '(\w+)'.*?"
    r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads.*?"
    r"Used (\d+) registers([^\n]*)",
    re.DOTALL,
)
SHARED = re.compile(r"(\d+) bytes smem")


class Budget(NamedTuple):
    """What one kernel takes on one target."""

    kernel: str
    registers: int
    shared_bytes: int
    stack_bytes: int
    spilled_bytes: int

    @property
    def is_kept(self) -> bool:
        """Whether it stays in the registers that it may have."""
        return self.registers <= MOST_REGISTERS and self.stack_bytes == self.spilled_bytes == 0


class CompilerMissing(Exception):
    """This machine has no nvcc, or one that does not know a target."""


def version() -> str:
    """Return nvcc's own: "V13.0.88".

    Raises:
        CompilerMissing: there is no nvcc.
    """
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        raise CompilerMissing("no nvcc: install the CUDA toolkit")
    text = subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=True).stdout
    return text.split(", ")[-1].split()[0]


def measure(target: str) -> list[Budget]:
    """Compile every kernel for `target` and return what it takes, by name.

    Raises:
        CompilerMissing: there is no nvcc, or it does not know the target.
        RuntimeError: it refuses the sources; the message is its own.
    """
    known = subprocess.run(["nvcc", "--list-gpu-code"], capture_output=True, text=True, check=False).stdout.split()
    if target not in known:
        raise CompilerMissing(f"nvcc {version()} does not know {target}; it knows {' '.join(known)}")
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for source in SOURCES:
            command = ["nvcc", *FLAGS, f"-arch={target}", str(HERE / source), "-o", str(Path(folder, "kernels.cubin"))]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(done.stderr)
            found += read(done.stdout + done.stderr)
    return sorted(found)


def read(log: str) -> list[Budget]:
    """Return the kernels in what `-Xptxas -v` prints, without their mangled arguments."""
    entries = ENTRY.findall(log)
    found = []
    for name, entry in zip(demangled([entry[0] for entry in entries]), entries, strict=True):
        stack, stores, loads, registers = map(int, entry[1:5])
        shared = SHARED.search(entry[5])
        found.append(Budget(name, registers, int(shared[1]) if shared else 0, stack, stores + loads))
    return found


def demangled(names: list[str]) -> list[str]:
    """Return `kernel<arguments>` for the mangled names."""
    tool = shutil.which("cu++filt") or shutil.which("c++filt")
    if tool is None:
        raise CompilerMissing("no c++filt: install binutils")
    text = subprocess.run([tool], input="\n".join(names), capture_output=True, text=True, check=True).stdout
    short = text.replace("edgevla::", "").replace("void ", "").splitlines()
    return [re.sub(r"\((?!int\)).*$", "", name).replace("> >", ">>").replace("(int)", "") for name in short]


def table(budgets: Mapping[str, Sequence[Budget]]) -> str:
    """Return the markdown of budget.md."""
    lines = [
        "# Register budget",
        "",
        f"nvcc {version()}, by `python kernels/budget.py > kernels/budget.md`; a test compares. No kernel spills,",
        f"keeps a stack, or takes more than {MOST_REGISTERS} registers: four blocks of 256 threads fit a processor.",
        "",
        "| kernel | " + " | ".join(f"{target} registers | {target} shared bytes" for target in budgets) + " |",
        "| --- |" + " --- | --- |" * len(budgets),
    ]
    for row in zip(*budgets.values(), strict=True):
        cells = " | ".join(f"{budget.registers} | {budget.shared_bytes}" for budget in row)
        lines.append(f"| `{row[0].kernel}` | {cells} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Print the table; 1 when a kernel spills, 2 when there is no compiler."""
    try:
        budgets = {target: measure(target) for target in TARGETS}
        print(table(budgets), end="")
    except (CompilerMissing, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    over = [budget for found in budgets.values() for budget in found if not budget.is_kept]
    for budget in over:
        print(f"error: over the budget: {budget}", file=sys.stderr)
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
