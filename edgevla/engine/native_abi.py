"""The structs of kernels/edgevla_decode.h, and the shape of every array that they point to.

A wrong shape would read or write somebody else's memory, so arrays are pointed to by way of `point`, which checks them.
Device memory, whose shape nobody can check, is given as an address.
"""

from __future__ import annotations

from collections.abc import Mapping
from ctypes import Structure, c_double, c_float, c_int32, c_uint32, c_void_p
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ABI = 1  # EDGEVLA_ABI
F32, F16, I32, I64 = range(4)
DTYPES = {F32: "f4", F16: "f2", I32: "i4", I64: "i8"}
SCALE, HALF = range(2)  # the rules of edgevla_space
REASONS = (
    "",
    "is NaN or infinite",
    "is further out than believable",
    "is no action: the network's first choice lies outside the action ids",
)
VERDICT = np.dtype([("valid", "i4"), ("reason", "i4"), ("where", "i4"), ("clamped", "i4")])

Arrays = Mapping[str, tuple[Any, ...]]  # dtype and axes

Number = c_int32 | c_uint32 | c_float | c_double | c_void_p

ELEMENT = None
_F4, _I4, _U4, _U1 = map(np.dtype, ("f4", "i4", "u4", "u1"))
_SAMPLE = (_F4, "samples", "horizon", "width")
_TYPED_SAMPLE = (ELEMENT, "samples", "horizon", "width")
_ACTIONS = (_F4, "samples", "horizon", "dims")
_VERDICTS = (VERDICT, "samples")
_KEY = (_U4, "samples", 4)
_DENOISED: Arrays = {"key": _KEY, "x": _SAMPLE, "epsilon": _TYPED_SAMPLE, "out": _SAMPLE}


class Args(Structure):
    """The struct of one call; what its pointers point to lives as long as it does.

    `ARRAYS` has the dtype of every array, ELEMENT where the struct says it, and its axes: numbers, fields, properties.
    """

    ARRAYS: ClassVar[Arrays] = {}

    def point(self, **arrays: NDArray[Any]) -> None:
        """Let pointers point to arrays in the processor's memory.

        Raises:
            ValueError: an array has another dtype or shape than the sizes ask for, or is not C-contiguous.
        """
        for name, array in arrays.items():
            dtype, *axes = self.ARRAYS[name]
            wanted = np.dtype(self.element) if dtype is ELEMENT else dtype
            shape = tuple(self._size(axis) for axis in axes)
            if array.dtype != wanted or array.shape != shape or not array.flags.c_contiguous:
                raise ValueError(f"{name} must be {wanted} {shape}, C-contiguous; not {array.dtype} {array.shape}")
            setattr(self, name, array.ctypes.data)
            self.__dict__.setdefault("kept", {})[name] = array

    @property
    def element(self) -> str:
        """The dtype of what the network gives."""
        return DTYPES[self.type]

    def _size(self, axis: str | int) -> int:
        if isinstance(axis, int):
            return axis
        size: int = getattr(self, axis)
        return size


def fields(kind: type[Number], names: str) -> tuple[tuple[str, type[Number]], ...]:
    """Fields of one type, as a struct lists them."""
    return tuple((name, kind) for name in names.split())


class Space(Structure):
    """edgevla_space; `Statistics` makes it and keeps its arrays."""

    _fields_ = (
        *fields(c_int32, "rule"),
        *fields(c_float, "believed"),
        *fields(c_void_p, "scale offset mask low high"),
    )


class TokenArgs(Args):
    """edgevla_token_args of edgevla_token_logits."""

    _fields_ = (
        *fields(c_int32, "samples horizon dims vocabulary type first count"),
        *fields(c_void_p, "input allowed values"),
        ("space", Space),
        *fields(c_void_p, "actions ids verdicts scratch"),
    )
    ARRAYS: ClassVar[Arrays] = {
        "input": (ELEMENT, "samples", "tokens", "vocabulary"),
        "allowed": (_U1, "count"),
        "values": (_F4, "count"),
        "actions": _ACTIONS,
        "ids": (_I4, "samples", "tokens"),
        "verdicts": _VERDICTS,
        "scratch": (_I4, "samples", "tokens_and_one"),
    }

    @property
    def tokens(self) -> int:
        """Of a sample."""
        return int(self.horizon * self.dims)

    @property
    def tokens_and_one(self) -> int:
        """What each sample takes of the scratch."""
        return self.tokens + 1


class TokenIdArgs(TokenArgs):
    """edgevla_token_args of edgevla_token_ids."""

    ARRAYS: ClassVar[Arrays] = {
        **TokenArgs.ARRAYS,
        "input": (ELEMENT, "samples", "tokens"),
    }


class FlowArgs(Args):
    """edgevla_flow_args."""

    _fields_ = (
        *fields(c_int32, "samples horizon width type"),
        *fields(c_float, "dt"),
        *fields(c_void_p, "x velocity out"),
    )
    ARRAYS: ClassVar[Arrays] = {"x": _SAMPLE, "velocity": _TYPED_SAMPLE, "out": _SAMPLE}


class FinishArgs(Args):
    """edgevla_finish_args of edgevla_flow_finish."""

    _fields_ = (
        *fields(c_int32, "samples horizon width dims type"),
        *fields(c_float, "dt"),
        *fields(c_void_p, "x velocity"),
        ("space", Space),
        *fields(c_void_p, "actions verdicts"),
    )
    ARRAYS: ClassVar[Arrays] = {
        "x": _SAMPLE,
        "velocity": _TYPED_SAMPLE,
        "actions": _ACTIONS,
        "verdicts": _VERDICTS,
    }


class UnnormaliseArgs(FinishArgs):
    """edgevla_finish_args of edgevla_unnormalise."""

    ARRAYS: ClassVar[Arrays] = {
        "x": _TYPED_SAMPLE,
        "actions": _ACTIONS,
        "verdicts": _VERDICTS,
    }


class NoiseArgs(Args):
    """edgevla_noise_args."""

    _fields_ = (
        *fields(c_int32, "samples horizon width"),
        *fields(c_uint32, "draw"),
        *fields(c_void_p, "key out"),
    )
    ARRAYS: ClassVar[Arrays] = {"key": _KEY, "out": _SAMPLE}


class DdpmArgs(Args):
    """edgevla_ddpm_args."""

    _fields_ = (
        *fields(c_int32, "samples horizon width type"),
        *fields(c_float, "inverse share spread masked clip"),
        *fields(c_uint32, "draw"),
        *fields(c_void_p, "key active x epsilon out"),
    )
    ARRAYS: ClassVar[Arrays] = {**_DENOISED, "active": (_U1, "width")}


class DdimArgs(Args):
    """edgevla_ddim_args."""

    _fields_ = (
        *fields(c_int32, "samples horizon width type"),
        *fields(c_float, "signal noise signal_next direction spread clip"),
        *fields(c_uint32, "draw"),
        *fields(c_void_p, "key x epsilon out"),
    )
    ARRAYS: ClassVar[Arrays] = _DENOISED


class DctArgs(Args):
    """edgevla_dct_args."""

    _fields_ = (
        *fields(c_int32, "samples horizon dims"),
        *fields(c_double, "divisor"),
        *fields(c_void_p, "coefficients basis"),
        ("space", Space),
        *fields(c_void_p, "actions verdicts"),
    )
    ARRAYS: ClassVar[Arrays] = {
        "coefficients": (_I4, "samples", "horizon", "dims"),
        "basis": (np.dtype("f8"), "horizon", "horizon"),
        "actions": _ACTIONS,
        "verdicts": _VERDICTS,
    }


class EnsembleArgs(Args):
    """edgevla_ensemble_args."""

    _fields_ = (
        *fields(c_int32, "samples horizon width dims type history"),
        *fields(c_void_p, "normalised origin weights totals shift before before_count"),
        ("space", Space),
        *fields(c_void_p, "actions counts verdicts"),
    )
    ARRAYS: ClassVar[Arrays] = {
        "normalised": _TYPED_SAMPLE,
        "origin": (_F4, "samples", "dims"),
        "weights": (_F4, "history"),
        "totals": (_F4, "history"),
        "shift": (_I4, "samples"),
        "before": _ACTIONS,
        "before_count": (_I4, "samples", "horizon"),
        "actions": _ACTIONS,
        "counts": (_I4, "samples", "horizon"),
        "verdicts": _VERDICTS,
    }


FUNCTIONS: Mapping[str, type[Args]] = {
    "edgevla_token_logits": TokenArgs,
    "edgevla_token_ids": TokenIdArgs,
    "edgevla_flow_step": FlowArgs,
    "edgevla_flow_finish": FinishArgs,
    "edgevla_unnormalise": UnnormaliseArgs,
    "edgevla_noise": NoiseArgs,
    "edgevla_ddpm_step": DdpmArgs,
    "edgevla_ddim_step": DdimArgs,
    "edgevla_inverse_dct": DctArgs,
    "edgevla_ensemble": EnsembleArgs,
}
