"""OpenCV and TensorRT, which may come with JetPack: the only way to know whether they work is to import them.

Each is imported by another process: what fails to load can bring its process down.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from edgevla.doctor.finding import Finding, fail, ok, skip, warn
from edgevla.engine.base import EngineMissing
from edgevla.engine.capabilities import capabilities

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgevla.doctor.machine import Answer, Machine

_OPENCV = """
import cv2
lines = [line for line in cv2.getBuildInformation().splitlines() if "GStreamer" in line]
print(cv2.__version__, "YES" if lines and "YES" in lines[0] else "NO", cv2.__file__)
"""
_TENSORRT = "import tensorrt; print(tensorrt.__version__, tensorrt.__file__)"
_SYSTEM_PACKAGES = "python3 -m venv --system-site-packages ENVIRONMENT, and install EdgeVLA there"


def check_opencv(machine: Machine, *, is_jetson: bool) -> Finding:
    """Whether it can be imported, and on a Jetson whether it reads CSI cameras."""
    name = "OpenCV"
    answer = machine.ask([sys.executable, "-c", _OPENCV])
    if answer.code != 0:
        by_pip = f"{sys.executable} -m pip install opencv-python"
        missing = f"sudo apt-get install -y nvidia-jetpack; {_SYSTEM_PACKAGES}" if is_jetson else by_pip
        return fail(name, _last(answer.err), _import_fix(answer, missing))
    version, gstreamer, file = answer.out.split(" ", 2)
    found = f"{version}, {'with' if gstreamer == 'YES' else 'without'} GStreamer, {file}"
    if is_jetson and gstreamer != "YES":
        fix = f"{sys.executable} -m pip uninstall -y opencv-python opencv-python-headless, to use JetPack's own"
        return warn(name, f"{found}: CSI cameras cannot be read", fix)
    return ok(name, found)


def check_tensorrt(
    machine: Machine, *, is_jetson: bool, engine: str, system_packages: Callable[[], bool] = lambda: _sees_system()
) -> Finding:
    """Whether it can be imported, and is a version that engines are built with.

    Args:
        system_packages: whether this environment sees the system's packages, TensorRT's among them.
    """
    name = "TensorRT"
    if not is_jetson and engine != "tensorrt":
        return skip(name, "not needed: this policy does not run on it")
    answer = machine.ask([sys.executable, "-c", _TENSORRT])
    if answer.code != 0:
        fix = "sudo apt-get install -y nvidia-jetpack" if is_jetson else f"{sys.executable} -m pip install tensorrt"
        judge = fail if engine == "tensorrt" else warn
        return judge(name, _last(answer.err), _import_fix(answer, fix if system_packages() else _SYSTEM_PACKAGES))
    version, file = answer.out.split(" ", 1)
    try:
        row = capabilities(version)
    except EngineMissing as error:
        return fail(name, f"{error.message}; {file}", error.fix)
    return ok(name, f"{version} as in JetPack {row.jetpack}, {file}")


def _import_fix(answer: Answer, otherwise: str) -> str:
    """JetPack 6 builds its modules for NumPy 1; with NumPy 2 in front of it they do not load."""
    if "numpy" in answer.err.lower() and ("NumPy 1" in answer.err or "multiarray" in answer.err):
        return f'{sys.executable} -m pip install "numpy<2"'
    return otherwise


def _last(text: str) -> str:
    """The line of a traceback that says what went wrong."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it ended without a word"


def _sees_system() -> bool:
    """Whether this is no virtual environment, or one that was made with --system-site-packages."""
    return sys.prefix == sys.base_prefix or any(path.startswith("/usr/lib/python3") for path in _package_folders())


def _package_folders() -> list[str]:
    return [path for path in sys.path if path.endswith("-packages")]
