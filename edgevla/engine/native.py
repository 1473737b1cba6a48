"""The decoding kernels as libraries: libedgevla_host, for arrays in the processor's memory, and libedgevla_cuda, which
enqueues on a stream and is given device addresses. Both offer the same calls (kernels/edgevla_decode.h).

A library that is asked for and missing is an error; nothing else is run in its place.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import edgevla
from edgevla.engine.base import EngineFailed, EngineMissing
from edgevla.engine.native_abi import ABI, FUNCTIONS, REASONS, Space
from edgevla.engine.native_image import TAP, ImageArgs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgevla.engine.native_abi import Args

HOST, CUDA, PLUGIN = "libedgevla_host.so", "libedgevla_cuda.so", "libedgevla_trt.so"
FOLDER = "EDGEVLA_KERNELS"  # names the only folder that is searched
Function = Callable[[Any, ctypes.c_void_p], int]

_STATUS = {1: "an argument is missing, unknown or out of range", 2: "CUDA refused the launch"}
_FIX = "`make kernels` builds it from the checkout"
_PACKAGE = Path(edgevla.__file__).parent


class NativeMissing(EngineMissing):
    """A library of kernels is not there, cannot be loaded, or is of another version."""


class NativeFailed(EngineFailed):
    """A kernel refused its arguments or could not be launched; it touched no output."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """What turns normalised numbers into actions, as the kernels read it: see edgevla_space.

    Args:
        rule: SCALE or HALF of `native_abi`.
        believed: largest normalised number that is believed, above 0; infinity for any finite one.
        scale: (dims,) float32.
        offset: (dims,) float32.
        mask: (dims,) bool, false where a number passes through unchanged; None: all are un-normalised.
        low: (dims,) float32, smallest action; None: no bound.
        high: (dims,) float32, largest action; None: no bound.

    Raises:
        ValueError: another dtype or shape.
    """

    rule: int
    believed: float
    scale: NDArray[np.float32]
    offset: NDArray[np.float32]
    mask: NDArray[np.bool_] | None = None
    low: NDArray[np.float32] | None = None
    high: NDArray[np.float32] | None = None
    space: Space = field(init=False)

    def __post_init__(self) -> None:
        space = Space(rule=self.rule, believed=self.believed)
        for name in ("scale", "offset", "mask", "low", "high"):
            array, dtype = getattr(self, name), np.dtype(bool if name == "mask" else np.float32)
            if array is None and name not in {"scale", "offset"}:
                continue
            if array.dtype != dtype or array.shape != self.scale.shape or not array.flags.c_contiguous:
                raise ValueError(f"{name} must be {dtype} {self.scale.shape}, not {array.dtype} {array.shape}")
            setattr(space, name, array.ctypes.data)
        object.__setattr__(self, "space", space)


class Library:
    """A loaded library of kernels.

    Args:
        path: where it lies.

    Raises:
        NativeMissing: it cannot be loaded, or was built from other sources than this package.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._library = ctypes.CDLL(str(path))
            abi = self._library.edgevla_abi()
        except (OSError, AttributeError) as error:
            raise NativeMissing(f"{path}: cannot be loaded: {error}", fix=_FIX) from None
        if abi != ABI:
            raise NativeMissing(f"{path}: offers version {abi} of its calls, this package takes {ABI}", fix=_FIX)
        self._library.edgevla_build.restype = ctypes.c_char_p
        self.build: str = self._library.edgevla_build().decode()

    def prepare(self, name: str, args: Args, statistics: Statistics | None = None, *, stream: int = 0) -> Call:
        """Prepare a call, once for all the times that it is made: only what the arrays hold changes in between.

        Args:
            name: of kernels/edgevla_decode.h or edgevla_image.h, `edgevla_flow_finish`.
            args: its struct, with sizes and pointers set; it may be changed between calls.
            statistics: for calls that un-normalise, on the processor; for a device `args.space` holds addresses there.
            stream: a cudaStream_t; of no meaning to libedgevla_host.

        Raises:
            ValueError: there is no such call, it takes another struct, or the statistics are of other dimensions.
        """
        takes = ImageArgs if name == "edgevla_image" else FUNCTIONS.get(name)
        if takes is None or type(args) is not takes:
            raise ValueError(f"{name} takes {takes and takes.__name__}, not {type(args).__name__}")
        if statistics is not None:
            if len(statistics.scale) != args.dims:
                raise ValueError(f"the statistics have {len(statistics.scale)} dimensions, the call has {args.dims}")
            args.space = statistics.space
        return Call(name, getattr(self._library, name), args, statistics, stream)

    def plan(self, args: ImageArgs) -> NDArray[np.void]:
        """Plan a picture: set the placing of `args` and return its (width + height) taps.

        For a CUDA device the taps, like the levels, have to be copied there before `args` points to them.

        Raises:
            NativeFailed: a size or code of `args` is out of range.
        """
        taps = np.zeros(max(args.width + args.height, 0), TAP)
        if status := self._library.edgevla_image_plan(ctypes.byref(args), ctypes.c_void_p(taps.ctypes.data)):
            raise _failed("edgevla_image_plan", status)
        return taps


class Call:
    """One prepared call; keeps alive what it points to."""

    def __init__(self, name: str, function: Function, args: Args, statistics: Statistics | None, stream: int) -> None:
        self.args = args
        self._name, self._function = name, function
        self._pointer, self._stream = ctypes.byref(args), ctypes.c_void_p(stream)
        self._statistics = statistics

    def __call__(self) -> None:
        """Run it, or enqueue it on its stream.

        Raises:
            NativeFailed: its arguments are wrong, or CUDA refused the launch.
        """
        if status := self._function(self._pointer, self._stream):
            raise _failed(self._name, status)


def host() -> Library:
    """Load the kernels for the processor.

    Raises:
        NativeMissing: they are not built, or are of another version.
    """
    return Library(find(HOST))


def cuda() -> Library:
    """Load the kernels for a CUDA device; loading touches no device.

    Raises:
        NativeMissing: they are not built, or are of another version.
    """
    return Library(find(CUDA))


def find(name: str) -> Path:
    """Where a library lies: in the folder that $EDGEVLA_KERNELS names and nowhere else, or in the package, or where a
    checkout builds it.

    Raises:
        NativeMissing: nowhere; the message lists where it was looked for.
    """
    named = os.environ.get(FOLDER)
    folders = [Path(named)] if named else [_PACKAGE / "_kernels", _PACKAGE.parent / "kernels" / "build"]
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise NativeMissing(f"{name} is not in {' or '.join(map(str, folders))}", fix=_FIX)


def why(verdict: NDArray[np.void], names: Sequence[str]) -> str:
    """Return why a sample is invalid, empty when it is valid.

    Args:
        verdict: one element of the dtype VERDICT.
        names: of the action's dimensions.
    """
    if verdict["valid"] == 1:
        return ""
    reason = int(verdict["reason"])
    if verdict["valid"] == reason == 0:
        return "no verdict: what decodes on the device has not run to its end"
    words = REASONS[reason] if 0 < reason < len(REASONS) else f"is invalid for the unknown reason {reason}"
    row, column = divmod(int(verdict["where"]), len(names))
    return f"row {row}, {names[column]}: {words}"


def _failed(name: str, status: int) -> NativeFailed:
    return NativeFailed(f"{name} failed: {_STATUS.get(status, f'status {status}')}")
