"""`make mutants`: mutmut over control/ and the codecs; what survives must be listed in survivors.md with its reason.

    python -m tests.mutants.run [--jobs N] [MODULE ...]      for instance edgevla.control.gate

Ends with 1 when a survivor is not listed, when one that is listed was killed, or when more than 3 % survive. Works in a
scratch copy; property tests take few and always the same examples. A mutant counts as killed when a test fails, when it
crashes, or when it computes until its time is up (bounds.py), which is counted apart and told by name; however else it
ends, it counts as not tried.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.mutants.survivors import Survivor, described, listed

ROOT = Path(__file__).parents[2]
COPIED = ("edgevla", "engines", "tests", "setup.py", "pyproject.toml")
MAX_SURVIVING = 0.03
MUTMUT = Path(sys.executable).with_name("mutmut")
_ALIVE = (0, 5, 33)  # mutmut's codes: all tests passed, or none looked at the function
_KILLED = (1, -signal.SIGSEGV)  # a test failed; MuJoCo was given a name that is none
_ENDLESS = -signal.SIGXCPU


def main() -> int:
    """Copy, run, compare, and say what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "modules", nargs="*", help="only these, by dotted name; all that pyproject.toml names otherwise"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes at the same time")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edgevla-mutants-") as scratch:
        tree = Path(scratch)
        _copy(tree)
        _mutmut(tree, "run", "--max-children", str(wanted.jobs), *(f"{module}.*" for module in wanted.modules))
        codes = _codes(tree, wanted.modules)
        survivors = {
            described(name, _mutmut(tree, "show", name), tree): name for name, code in codes.items() if code in _ALIVE
        }
    known = {each: why for each, why in listed().items() if each.file in _files(codes)}
    return _judge(codes, survivors, known, 1.0 if wanted.modules else MAX_SURVIVING)


def _copy(tree: Path) -> None:
    (tree / "mutants").mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tree / name)


def _mutmut(tree: Path, *arguments: str) -> str:
    environment = {"EDGEVLA_EXAMPLES": "0.05", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(tree / "mutants")}
    run = subprocess.run(
        [str(MUTMUT), *arguments],
        cwd=tree,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        sys.exit(f"error: mutmut {arguments[0]} ended with {run.returncode}\n{run.stdout[-3000:]}{run.stderr[-3000:]}")
    return run.stdout


def _codes(tree: Path, modules: list[str]) -> dict[str, int | None]:
    """What became of each mutant: the code with which its tests ended."""
    codes: dict[str, int | None] = {}
    for path in sorted((tree / "mutants" / "edgevla").rglob("*.meta")):
        codes.update(json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"])
    return {name: code for name, code in codes.items() if not modules or name.rpartition(".")[0] in modules}


def _files(codes: dict[str, int | None]) -> list[str]:
    return sorted({name.rpartition(".")[0].replace(".", "/") + ".py" for name in codes})


def _judge(
    codes: dict[str, int | None], survivors: dict[Survivor, str], known: dict[Survivor, str], most: float
) -> int:
    untried = [name for name, code in codes.items() if code not in (*_ALIVE, *_KILLED, _ENDLESS)]
    print(f"{'file':32}{'mutants':>9}{'killed':>9}{'by time':>9}{'survive':>9}")
    for file in _files(codes):
        module = file.removesuffix(".py").replace("/", ".")
        each_code = [code for name, code in codes.items() if name.rpartition(".")[0] == module]
        endless, alive = each_code.count(_ENDLESS), sum(each.file == file for each in survivors)
        killed = endless + sum(map(each_code.count, _KILLED))
        print(f"{file:32}{len(each_code):9}{killed:9}{endless:9}{alive:9}")
    share = len(survivors) / max(1, len(codes))
    print(f"{len(codes)} mutants, {len(survivors)} survive: {share:.1%}")
    for each in sorted(survivors.keys() - known.keys()):
        print(f"survives and is not listed: {each} {survivors[each]}")
    for each in sorted(known.keys() - survivors.keys()):
        print(f"listed as a survivor, but killed or gone: {each}")
    for name, code in codes.items():
        if code == _ENDLESS:
            print(f"killed, for it never ended: {name}")
    for name in untried:
        print(f"not tried, ended with {codes[name]}: {name}")
    return int(survivors.keys() != known.keys() or bool(untried) or share >= most)


if __name__ == "__main__":
    sys.exit(main())
