"""Decoding on a CUDA device: in the engine, by the plugin, or behind it on its stream, by the kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevla.engine.cuda_buffers import visible
from edgevla.engine.native import PLUGIN
from edgevla.engine.native_abi import F16, F32, FinishArgs, FlowArgs, Space, TokenArgs, UnnormaliseArgs

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edgevla.engine.cuda import Cuda
    from edgevla.engine.cuda_buffers import Buffer
    from edgevla.engine.decode_node import DecodeNode
    from edgevla.engine.native import Call, Library, Statistics
    from edgevla.engine.native_abi import Args

_TYPES = {"float32": F32, "float16": F16}


@dataclass(frozen=True, slots=True)
class Decoding:
    """What is decoded, and the library that does it: the plugin or the CUDA kernels."""

    node: DecodeNode
    library: Path

    @property
    def is_inside(self) -> bool:
        """Whether it is a part of the engine. Its library is a part of the fingerprint either way."""
        return self.library.name == PLUGIN


def place(decoding: Decoding | None) -> str:
    """Say where; None is the decoder, on the processor."""
    if decoding is None:
        return "on the processor"
    return "in the engine" if decoding.is_inside else "behind the engine, on its stream"


def prepare(
    cuda: Cuda, kernels: Library, node: DecodeNode, network: Buffer, last: FlowArgs | None = None
) -> tuple[Call, tuple[Buffer, ...]]:
    """Prepare the call that does what the node says, with memory of its own.

    Args:
        network: what it reads, of the shape that `DecodeNode.output` has; of a denoising policy the sample.
        last: the last Euler step of a flow, which the call takes in the same pass.

    Returns:
        The call, to be enqueued behind the engine, and the buffers of `DecodeNode.made`.

    Raises:
        GraphRefused: the network gives something else.
        CudaFailed: there is not enough memory.
    """
    node.check(network.tensor.dtype, network.tensor.shape)
    actions, verdicts = (visible(cuda, tensor) for tensor in node.made)
    pointers = {"actions": actions.address, "verdicts": verdicts.address, "space": _space(cuda, node.statistics)}
    size = {"samples": 1, "horizon": node.horizon, "dims": node.dims, "type": _TYPES[network.tensor.dtype]}
    columns = network.tensor.shape[-1]
    args: Args
    if node.values is not None:
        name, tokens = "edgevla_token_logits", node.horizon * node.dims
        args = TokenArgs(
            **size,
            vocabulary=columns,
            first=node.first,
            count=len(node.values),
            input=network.address,
            values=_copied(cuda, node.values),
            ids=cuda.allocate(4 * tokens),
            scratch=cuda.allocate(4 * (1 + tokens)),
            **pointers,
        )
    elif last is not None:
        name = "edgevla_flow_finish"
        size["type"] = last.type
        args = FinishArgs(**size, width=columns, dt=last.dt, x=network.address, velocity=last.velocity, **pointers)
    else:
        name = "edgevla_unnormalise"
        args = UnnormaliseArgs(**size, width=columns, x=network.address, **pointers)
    return kernels.prepare(name, args, stream=cuda.stream), (actions, verdicts)


def _space(cuda: Cuda, statistics: Statistics) -> Space:
    arrays = {name: getattr(statistics, name) for name in ("scale", "offset", "mask", "low", "high")}
    addresses = {name: _copied(cuda, array) for name, array in arrays.items() if array is not None}
    return Space(rule=statistics.rule, believed=statistics.believed, **addresses)


def _copied(cuda: Cuda, array: NDArray[Any]) -> int:
    """The device's address of a copy: small tables, which the processor writes once."""
    host = cuda.pinned(array.shape, str(array.dtype))
    np.copyto(host.array, array)
    return host.address
