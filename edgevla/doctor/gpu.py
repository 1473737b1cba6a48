"""The NVIDIA GPU as the driver describes it. libcuda is asked directly: no context is made, nothing runs on the GPU."""

from __future__ import annotations

import ctypes
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from edgevla.doctor.finding import Finding, fail, ok, skip

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgevla.doctor.machine import Machine

# CUdevice_attribute of cuda.h
_MAJOR, _MINOR = 75, 76
_NO_DEVICE = 100
_VERSION = re.compile(r"(?:Kernel Module(?: for \S+)?)\s+(\d[\d.]*)")


class Gpu(NamedTuple):
    """One device."""

    name: str
    compute_capability: tuple[int, int]
    cuda: str  # the newest version that the driver speaks


class NoGpu(NamedTuple):
    """Why there is none."""

    why: str
    has_driver: bool


def read_gpu(load: Callable[[str], Any] = ctypes.CDLL) -> Gpu | NoGpu:
    """The first device of the driver."""
    try:
        cuda = load("libcuda.so.1")
    except OSError:
        return NoGpu("no NVIDIA driver (libcuda.so.1)", has_driver=False)
    major, minor, version = (ctypes.c_int() for _ in range(3))
    name = ctypes.create_string_buffer(128)
    calls: tuple[tuple[str, tuple[object, ...]], ...] = (
        ("cuInit", (0,)),
        ("cuDriverGetVersion", (ctypes.byref(version),)),
        ("cuDeviceGetName", (name, len(name), 0)),
        ("cuDeviceGetAttribute", (ctypes.byref(major), _MAJOR, 0)),
        ("cuDeviceGetAttribute", (ctypes.byref(minor), _MINOR, 0)),
    )
    for call, arguments in calls:
        if code := getattr(cuda, call)(*arguments):
            return NoGpu("the driver sees no GPU" if code == _NO_DEVICE else f"{call}: error {code}", has_driver=True)
    speaks = f"{version.value // 1000}.{version.value % 1000 // 10}"
    return Gpu(name.value.decode(errors="replace"), (major.value, minor.value), speaks)


def check_gpu(gpu: Gpu | NoGpu, *, is_jetson: bool, engine: str) -> Finding:
    """Whether there is one, where one is needed."""
    name = "GPU"
    if isinstance(gpu, Gpu):
        major, minor = gpu.compute_capability
        return ok(name, f"{gpu.name}, compute capability {major}.{minor}, driver speaks CUDA {gpu.cuda}")
    if engine in {"tensorrt", "cuda"} or is_jetson:
        group = "sudo usermod -aG video,render $USER, log in again" if gpu.has_driver else "install the NVIDIA driver"
        fix = "sudo apt-get install -y nvidia-jetpack, restart" if is_jetson and not gpu.has_driver else group
        return fail(name, gpu.why, fix)
    return skip(name, f"{gpu.why}: policies run on the processor")


def check_driver(machine: Machine) -> Finding:
    """The versions of driver and CUDA toolkit that are installed."""
    name = "CUDA"
    driver = _VERSION.search(machine.text("/proc/driver/nvidia/version"))
    toolkit = _toolkit(machine)
    if driver is None and not toolkit:
        return skip(name, "neither driver nor toolkit is installed")
    toolkit_words = f"toolkit {toolkit}" if toolkit else "no toolkit in /usr/local/cuda"
    return ok(name, f"driver {driver[1] if driver else 'unknown'}, {toolkit_words}")


def _toolkit(machine: Machine) -> str:
    try:
        found = msgspec.json.decode(machine.text("/usr/local/cuda/version.json"), type=dict[str, Any])
        return str(found["cuda"]["version"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return ""
