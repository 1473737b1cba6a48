"""A policy that denoises, as one captured graph: the prefix, the noise, and each step with its update, nothing between.

What the steps need is known when the policy is loaded, so the graph has no branch and waits for nobody: the times lie
in memory one after the other, and each step is captured with the address of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from edgevla.engine.base import GraphRefused, Tensor
from edgevla.engine.cuda_buffers import ALIGNMENT, Buffer, inner, visible
from edgevla.engine.cuda_engine import CudaEngine
from edgevla.engine.decoding import prepare
from edgevla.engine.native_abi import FlowArgs, NoiseArgs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from edgevla.engine.cuda import Cuda
    from edgevla.engine.decode_node import DecodeNode
    from edgevla.engine.native import Library
    from edgevla.engine.native_abi import Args


class Stage(Protocol):
    """A deserialised engine, see `edgevla.engine.tensorrt_session.Session`."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    scratch_bytes: int

    def use_scratch(self, address: int) -> None:
        """Work in device memory from `address` on."""
        ...

    def bind(self, name: str, address: int) -> None:
        """Read or write a tensor there from now on."""
        ...

    def enqueue(self, stream: int) -> None:
        """Enqueue one run."""
        ...


@dataclass(frozen=True, slots=True)
class LoopPlan:
    """What a denoising loop is, in numbers.

    Args:
        inputs: of the policy, in any order.
        key: the input that draws the noise, uint32 (4,).
        sample: what is denoised, float32 (1, horizon, width), an input of the step graph.
        time: the step graph's input for where it is in time.
        shown: (steps,) what it is shown.
        prediction: the step graph's answer, in the shape of the sample.
        decode: what is made of the last sample; its padding columns are not looked at.
        kernel: the call of `native_abi.FUNCTIONS` that takes one step.
        updates: its struct for each step, with every number set and no pointer.
        active: (width,) uint8 for a kernel that asks which columns are denoised, or None.
    """

    inputs: tuple[Tensor, ...]
    key: Tensor
    sample: Tensor
    time: str
    shown: NDArray[Any]
    prediction: str
    decode: DecodeNode
    kernel: str
    updates: tuple[Args, ...]
    active: NDArray[np.uint8] | None = None


def open_loop(cuda: Cuda, prefix: Stage, step: Stage, plan: LoopPlan, kernels: Library, provider: str) -> CudaEngine:
    """Lay out the memory of both graphs, and return the engine that runs them.

    Raises:
        GraphRefused: the step graph takes what nobody gives it.
        CudaFailed: there is not enough memory.
    """
    scratch = cuda.allocate(max(prefix.scratch_bytes, step.scratch_bytes, 1))
    given = {tensor.name: visible(cuda, tensor) for tensor in (*plan.inputs, plan.key)}
    inside = {tensor.name: inner(cuda, tensor) for tensor in (*prefix.outputs, *step.outputs, plan.sample)}
    for stage in (prefix, step):
        stage.use_scratch(scratch)
        for tensor in (*stage.inputs, *stage.outputs):
            if tensor.name != plan.time or stage is prefix:
                stage.bind(tensor.name, _giver(tensor, given, inside).address)
    show = _times(cuda, step, plan)
    sample, answer = inside[plan.sample.name], inside[plan.prediction]
    start = _noise(plan, given[plan.key.name], sample)
    updates = _point(cuda, plan, given[plan.key.name], sample, answer)
    begin = kernels.prepare("edgevla_noise", start, stream=cuda.stream)
    last = updates[-1] if isinstance(updates[-1], FlowArgs) else None  # taken in one pass with the decoding
    decode, made = prepare(cuda, kernels, plan.decode, sample, last)
    calls = [kernels.prepare(plan.kernel, args, stream=cuda.stream) for args in updates if args is not last]

    def work() -> None:
        prefix.enqueue(cuda.stream)
        begin()
        for number, update in enumerate(calls if last is None else (*calls, decode)):
            show(number)
            step.enqueue(cuda.stream)
            update()
        if last is None:
            decode()

    return CudaEngine(cuda, tuple(given.values()), made, work, provider)


def _giver(tensor: Tensor, given: dict[str, Buffer], inside: dict[str, Buffer]) -> Buffer:
    buffer = given.get(tensor.name) or inside.get(tensor.name)
    if buffer is None or buffer.tensor != tensor:
        offered = ", ".join(str(each.tensor) for each in (*given.values(), *inside.values()))
        raise GraphRefused(
            f"the loop has no {tensor}; it has {offered}", fix="export the graphs and policy.yaml together"
        )
    return buffer


def _times(cuda: Cuda, step: Stage, plan: LoopPlan) -> Callable[[int], None]:
    """What binds the time of a step: all of them lie in one mapped array, each at an address that TensorRT takes."""
    time = next((tensor for tensor in step.inputs if tensor.name == plan.time), None)
    if time is None:
        raise GraphRefused(f"the step graph has no input {plan.time}", fix="export the graphs again")
    times = cuda.pinned((len(plan.shown), ALIGNMENT // 8), "float64" if time.dtype == "float64" else "int64")
    times.array.view(time.dtype)[:, 0] = plan.shown

    def show(number: int) -> None:
        step.bind(plan.time, times.address + number * ALIGNMENT)

    return show


def _noise(plan: LoopPlan, key: Buffer, sample: Buffer) -> NoiseArgs:
    samples, horizon, width = plan.sample.shape
    return NoiseArgs(samples=samples, horizon=horizon, width=width, draw=0, key=key.address, out=sample.address)


def _point(cuda: Cuda, plan: LoopPlan, key: Buffer, sample: Buffer, answer: Buffer) -> Sequence[Args]:
    """Set the pointers of every step; the sample is denoised where it lies."""
    pointers = {"x": sample.address, "out": sample.address, "key": key.address}
    pointers |= dict.fromkeys(("velocity", "epsilon"), answer.address)
    if plan.active is not None:
        active = cuda.pinned(plan.active.shape, "uint8")
        active.array[:] = plan.active
        pointers["active"] = active.address
    for args in plan.updates:
        for name in pointers.keys() & {field[0] for field in args._fields_}:
            setattr(args, name, pointers[name])
    return plan.updates
