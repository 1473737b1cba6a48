"""The GPU part of `benchmarks.decode`: a fused kernel against the launch of an empty one, and against eager torch.

A time is that of one call among many on one stream, by CUDA events, so it holds what the device is busy or waits for,
and no Python that hides behind it. Torch holds the memory; what it launches is counted by its own profiler.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from benchmarks.decode_cases import BELIEVED, BINS, FIRST, VOCABULARY, Range, flow_by_torch, tokens_by_torch
from edgevla.engine.native import NativeMissing, cuda
from edgevla.engine.native_abi import F32, HALF, FinishArgs, FlowArgs, Space, TokenArgs
from edgevla.policy.decode.tokens import token_values

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from edgevla.engine.native import Call, Library

NO_DEVICE = "not run: no CUDA device"
CALLS, ROUNDS, WARM_UP = 200, 50, 20
TOLERANCE = 2e-6  # relative to the largest action, as on the processor


@dataclass(frozen=True)
class Fused:
    """One kernel, what it writes, and the torch operations that it replaces."""

    name: str
    call: Call
    actions: Any
    eager: Callable[[], Any]


def run(torch: ModuleType | None) -> list[dict[str, Any]] | str:
    """The rows, or why there are none."""
    if torch is None or not torch.cuda.is_available():
        return NO_DEVICE
    try:
        library = cuda()
    except NativeMissing as error:
        return f"not run: {error}"
    draw = np.random.default_rng(0)
    floor_us = median_us(torch, empty(torch, library))
    return [measured(torch, make(torch, library, draw), floor_us) for make in (flow, tokens)]


def measured(torch: ModuleType, fused: Fused, floor_us: float) -> dict[str, Any]:
    """One row: times, launches, and how far the two are apart."""
    fused.call()
    expected, _ = fused.eager()
    worst = float((fused.actions - expected).abs().max() / expected.abs().max())
    return {
        "case": fused.name,
        "floor_us": floor_us,
        "fused_us": median_us(torch, fused.call),
        "eager_us": median_us(torch, fused.eager),
        "eager_launches": launches(torch, fused.eager),
        "apart": worst,
        "equal": worst <= TOLERANCE,
    }


def median_us(torch: ModuleType, call: Callable[[], Any]) -> float:
    """The median over the rounds of a round's mean."""
    for _ in range(WARM_UP):
        call()
    rounds = []
    for _ in range(ROUNDS):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(CALLS):
            call()
        end.record()
        torch.cuda.synchronize()
        rounds.append(start.elapsed_time(end) * 1e3 / CALLS)
    return round(float(np.median(rounds)), 3)


def launches(torch: ModuleType, call: Callable[[], Any]) -> int:
    """How many kernels one call starts."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        call()
        torch.cuda.synchronize()
    return sum(event.count for event in profile.key_averages() if "LaunchKernel" in event.key)


def empty(torch: ModuleType, library: Library) -> Call:
    """A kernel with one number to do."""
    number = torch.zeros(1, device="cuda")
    args = FlowArgs(samples=1, horizon=1, width=1, type=F32, dt=0.0)
    args.x = args.velocity = args.out = number.data_ptr()
    args.kept = number
    return library.prepare("edgevla_flow_step", args, stream=torch.cuda.current_stream().cuda_stream)


def on_device(args: Any, **tensors: Any) -> None:  # noqa: ANN401
    """Let a struct point to tensors on the device, and keep them."""
    for name, tensor in tensors.items():
        setattr(args, name, tensor.data_ptr())
    args.kept = tensors


def space_of(numbers: Range) -> Space:
    """Statistics on the device."""
    numbers.tables = [table.cuda() for table in numbers.tables]
    addresses = dict(zip(("scale", "offset", "low", "high"), (t.data_ptr() for t in numbers.tables), strict=True))
    return Space(rule=HALF, believed=BELIEVED, **addresses)


def flow(torch: ModuleType, library: Library, draw: np.random.Generator) -> Fused:
    """See `decode_cases.flow_finish`."""
    horizon, width, dims, dt = 50, 32, 14, -0.1
    numbers = Range(dims, draw, torch)
    x, velocity = (torch.from_numpy(draw.standard_normal((1, horizon, width), np.float32)).cuda() for _ in range(2))
    actions, verdicts = torch.empty(1, horizon, dims, device="cuda"), torch.zeros(4, dtype=torch.int32, device="cuda")
    args = FinishArgs(samples=1, horizon=horizon, width=width, dims=dims, type=F32, dt=dt)
    args.space = space_of(numbers)
    on_device(args, x=x, velocity=velocity, actions=actions, verdicts=verdicts)
    call = library.prepare("edgevla_flow_finish", args, stream=torch.cuda.current_stream().cuda_stream)
    return Fused("flow, last step", call, actions, lambda: flow_by_torch(torch, numbers, x, velocity, dt, dims))


def tokens(torch: ModuleType, library: Library, draw: np.random.Generator) -> Fused:
    """See `decode_cases.tokens`."""
    dims = 7
    numbers, values = Range(dims, draw, torch), torch.from_numpy(token_values("openvla", BINS)).cuda()
    chosen = draw.standard_normal((1, dims, VOCABULARY), np.float32)
    chosen[0, np.arange(dims), FIRST + draw.integers(0, BINS, dims)] = 9.0
    logits = torch.from_numpy(chosen).cuda()
    actions = torch.empty(1, 1, dims, device="cuda")
    verdicts, ids, scratch = (torch.zeros(8, dtype=torch.int32, device="cuda") for _ in range(3))
    args = TokenArgs(samples=1, horizon=1, dims=dims, vocabulary=VOCABULARY, type=F32, first=FIRST, count=BINS)
    args.space = space_of(numbers)
    on_device(args, input=logits, values=values, actions=actions, verdicts=verdicts, ids=ids, scratch=scratch)
    call = library.prepare("edgevla_token_logits", args, stream=torch.cuda.current_stream().cuda_stream)
    return Fused("tokens", call, actions, lambda: tokens_by_torch(torch, numbers, logits, values))


def table(rows: list[dict[str, Any]]) -> Table:
    """The rows for a terminal."""
    keys = ("case", "floor_us", "fused_us", "eager_us", "eager_launches", "equal")
    shown = Table("on the GPU, median", "empty, us", "fused, us", "eager, us", "eager launches", "equal", box=None)
    for row in rows:
        shown.add_row(*(str(row[key]) for key in keys))
    return shown
