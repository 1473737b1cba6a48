"""Python and its packages: what this robot needs, and no wheel in front of what JetPack brings."""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import edgevla
from edgevla.doctor.finding import Finding, fail, ok, warn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edgevla.config.robot import Robot

_OLDEST, _AFTER = (3, 10), (3, 13)
_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*\(?([^;)]*)\)?\s*(?:;(.*))?$")
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")
_OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
_BESIDE = ("console",)  # a robot runs without
_SYSTEM = "/usr/lib/"  # where apt puts what JetPack brings


class Package(NamedTuple):
    """An installed distribution, and the folder it was found in."""

    name: str
    version: str
    folder: str


class Requirement(NamedTuple):
    """A line of the package's metadata: `bounds` as in ">=1.26,<3"; `extra` is empty for what everybody needs."""

    name: str
    bounds: str
    extra: str


def read_packages() -> dict[str, Package]:
    """What is installed, by normalised name; of two of the same name the one that Python imports."""
    found: dict[str, Package] = {}
    for each in metadata.distributions():
        if each.metadata["Name"]:
            name = _normal(each.metadata["Name"])
            found.setdefault(name, Package(name, each.version, str(each.locate_file(""))))
    return found


def read_requirements(lines: Iterable[str] | None = None) -> list[Requirement]:
    """What EdgeVLA says that it needs.

    Args:
        lines: `Requires-Dist` of its metadata; None reads those of this installation.
    """
    given = metadata.requires("edgevla") or [] if lines is None else lines
    parsed = [found for line in given if (found := _REQUIREMENT.match(line))]
    return [
        Requirement(_normal(name), bounds.strip(), extra[1] if (extra := _EXTRA.search(marker or "")) else "")
        for name, bounds, marker in (each.groups() for each in parsed)
    ]


def needed(
    requirements: Iterable[Requirement],
    robot: Robot | None,
    engine: str,
    installed: Mapping[str, Package],
    *,
    is_jetson: bool,
) -> list[Requirement]:
    """What this robot needs of them, on this machine. OpenCV and TensorRT are looked at by importing them."""
    runs_on = "jetson" if is_jetson else "gpu" if "onnxruntime-gpu" in installed else "cpu"
    extras = {"", runs_on}
    only: dict[str, str] = {}
    if engine.startswith("triton:"):
        extras.add("triton")
    if robot is not None:
        overlay = robot.console is not None and robot.console.overlay is not None
        extras |= {"console"} if robot.console is not None else set()
        extras |= {"record"} if robot.recording is not None else set()
        only |= {"sim": "mujoco"} if robot.workspace is not None or overlay else {}
    if engine != "tensorrt":  # they build from source and are of use to nobody else
        requirements = [each for each in requirements if each.name not in {"pycuda", "cuda-bindings"}]
    return [
        each
        for each in requirements
        if (each.extra in extras or only.get(each.extra) == each.name) and each.name not in _OPENCV
    ]


def check_python(version: tuple[int, int, int], prefix: str) -> Finding:
    """Whether this Python is one that EdgeVLA runs on."""
    found = f"{'.'.join(map(str, version))} in {prefix}"
    if _OLDEST <= version[:2] < _AFTER:
        return ok("python", found)
    return fail("python", f"{found}; 3.10 to 3.12 are supported", "python3.12 -m venv .venv, and install there")


def check_packages(wanted: Iterable[Requirement], installed: Mapping[str, Package]) -> list[Finding]:
    """One finding for each package that is missing or of another version; one for all when there is none."""
    wrong, right = [], []
    for each in wanted:
        package = installed.get(each.name)
        judge = warn if each.extra in _BESIDE else fail
        if package is None:
            wrong.append(judge(f"package {each.name}", f"not installed; {each.bounds or 'any'} is needed", _pip(each)))
        elif not _within(package.version, each.bounds):
            what = f"{package.version} in {package.folder}; {each.bounds} is needed"
            wrong.append(judge(f"package {each.name}", what, _pip(each)))
        else:
            right.append(f"{each.name} {package.version}")
    versions = ", ".join(sorted(set(right)))
    return wrong or [ok("packages", f"edgevla {edgevla.__version__}, {versions}")]


def check_shadows(installed: Mapping[str, Package], *, is_jetson: bool) -> list[Finding]:
    """On a Jetson, wheels in front of the OpenCV and TensorRT that JetPack brings."""
    if not is_jetson:
        return []
    lost = {**dict.fromkeys(_OPENCV, "GStreamer"), "tensorrt": "the TensorRT that fits this driver"}
    found = [package for package in installed.values() if not package.folder.startswith(_SYSTEM)]
    return [
        warn(
            f"package {package.name}",
            f"the wheel {package.version} in {package.folder} hides JetPack's own, and with it {what}",
            f"{sys.executable} -m pip uninstall -y {package.name}",
        )
        for package in found
        for name, what in lost.items()
        if package.name == name or (name == "tensorrt" and package.name.startswith("tensorrt-cu"))
    ]


def _pip(requirement: Requirement) -> str:
    """The command that installs it: with what EdgeVLA lists beside it, from wherever this EdgeVLA came."""
    checkout = Path(edgevla.__file__).parents[1]
    extra = f"[{requirement.extra}]" if requirement.extra else ""
    source = f"-e '{checkout}{extra}'" if (checkout / "setup.py").exists() else f"'edgevla{extra}'"
    return f"{sys.executable} -m pip install {source}"


def _normal(name: str) -> str:
    """A distribution's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _within(version: str, bounds: str) -> bool:
    """Whether a release lies within bounds that use >=, <, == or != only; pre-releases count as their release."""
    have = _numbers(version)
    for bound in filter(None, (part.strip() for part in bounds.split(","))):
        operator, limit = re.match(r"(>=|<=|==|!=|<|>)?\s*(.*)", bound).groups()  # type: ignore[union-attr]
        want = _numbers(limit)
        holds = {
            ">=": have >= want,
            "<=": have <= want,
            "==": have == want,
            "!=": have != want,
            "<": have < want,
            ">": have > want,
        }
        if not holds.get(operator or "==", True):
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    """The release of a version, "2.2.6" or "4.12.0.88+cu12", without zeros at its end."""
    release = re.match(r"\d+(?:\.\d+)*", version)
    numbers = [int(part) for part in release[0].split(".")] if release else [0]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
