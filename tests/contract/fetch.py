"""Install what the contract tests run against: python -m tests.contract.fetch. What cannot be had is left out."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

PLACE = Path(sys.prefix) / "contract"
LIST = Path(__file__).with_name("wheels.txt")


def wanted() -> dict[str, list[str]]:
    """Folder -> requirements."""
    lines = (line.split() for line in LIST.read_text().splitlines() if line and not line.startswith("#"))
    return {folder: requirements for folder, *requirements in lines}


def install(folder: str, requirements: list[str]) -> str:
    """Install into a folder of its own, whole or not at all; return why not."""
    target, draft = PLACE / folder, PLACE / f".{folder}.new"
    done = target / ".requirements"
    if done.exists() and done.read_text() == " ".join(requirements):
        return ""
    shutil.rmtree(draft, ignore_errors=True)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--only-binary",
    ]
    result = subprocess.run(
        [*pip, ":all:", "--target", str(draft), *requirements], capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        shutil.rmtree(draft, ignore_errors=True)
        errors = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
        return errors[-1] if errors else "pip failed"
    (draft / ".requirements").write_text(" ".join(requirements))
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)
    return ""


def main() -> None:
    """Install all of them, one after the other."""
    PLACE.mkdir(parents=True, exist_ok=True)
    for folder, requirements in wanted().items():
        if why := install(folder, requirements):
            print(f"contract tests: {folder} is left out: {why}")


if __name__ == "__main__":
    main()
