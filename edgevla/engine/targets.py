"""The machines that engines are built for: engines/targets.yaml as types.

Annotations are not postponed in this file: msgspec reads them.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edgevla.config.allowed import Text, within
from edgevla.config.convert import convert
from edgevla.config.source import read_yaml
from edgevla.engine.base import EngineError

_PACKAGE = Path(__file__).resolve().parents[1]
_PLACES = (_PACKAGE / "_engines", _PACKAGE.parent / "engines")
_LEAST_MEMORY = 0.7  # of what is printed on the module: the firmware keeps some, and GB are not GiB
GPU = "gpu"  # whatever CUDA device is in this machine

Positive = Annotated[float, within(above=0)]


class TargetUnknown(EngineError):
    """No target of that name."""


class TargetElsewhere(EngineError):
    """The target is not the machine this runs on."""


@dataclass(frozen=True, slots=True)
class Device:
    """The CUDA device of this machine, as the driver describes it."""

    name: str
    compute_capability: tuple[int, int]
    multiprocessors: int
    memory_bytes: int
    cuda: str  # the version that the driver speaks, "12.6"
    integrated: bool  # shares its memory with the processor, as every Jetson does

    def __str__(self) -> str:
        major, minor = self.compute_capability
        gib = self.memory_bytes / 2**30
        return f"{self.name} (sm_{major}{minor}, {self.multiprocessors} multiprocessors, {gib:.1f} GiB)"


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One machine. Peaks are dense, of the GPU alone; `source` says where they come from."""

    title: Text
    engine: Literal["tensorrt", "cpu"]
    memory_gb: Positive
    dla_cores: Annotated[int, within(at_least=0)]
    int8_tops_dense: Positive
    fp16_tflops: Positive
    bandwidth_gb_s: Positive
    launch_us: Positive  # of one kernel, when not inside a captured graph
    source: Text
    compute_capability: tuple[int, ...] = ()  # major, minor; a CPU has none
    multiprocessors: int = 0

    def is_device(self, device: Device) -> bool:
        """Whether this CUDA device is the target's."""
        share = device.memory_bytes / (self.memory_gb * 1e9)
        same = (device.compute_capability, device.multiprocessors) == (self.compute_capability, self.multiprocessors)
        return same and _LEAST_MEMORY <= share <= 1.0 + (1.0 - _LEAST_MEMORY) / 2


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    format: Literal["edgevla-targets/1"]
    targets: dict[str, Target]


@cache
def targets() -> dict[str, Target]:
    """All targets, by name.

    Raises:
        ConfigError: engines/targets.yaml is missing or wrong.
    """
    files = [place / "targets.yaml" for place in _PLACES]
    found = next((path for path in files if path.exists()), files[-1])
    return convert(read_yaml(found), _File).targets


def target(name: str) -> Target:
    """One target.

    Raises:
        TargetUnknown: there is none of that name; the message lists those there are.
    """
    if name not in targets():
        raise TargetUnknown(f'there is no target "{name}"', fix=f"use one of: {', '.join(targets())}")
    return targets()[name]


def check_is_here(name: str, device: Device) -> None:
    """Engines are locked to the device they were built on, so a build for another one is refused.

    Args:
        name: a target that TensorRT serves, or `gpu` for whatever is here.
        device: what is here.

    Raises:
        TargetElsewhere: the message names both, and the way out.
    """
    if name == GPU or target(name).is_device(device):
        return
    here = [other for other, entry in targets().items() if entry.is_device(device)]
    way = f"--target {here[0] if here else GPU} builds for this one"
    raise TargetElsewhere(
        f'an engine for "{name}" must be built on it; this machine has {device}',
        fix=f"copy the bundle there and run edgevla build, or {way}",
    )
