"""What `benchmarks.decode` measures: the same inputs decoded by NumPy, by the host library and by eager torch.

NumPy is the reference of `edgevla/policy/decode`. The torch functions take the steps that the public code named beside
each takes, an operation a line, and then ask what the others ask as well: is the result finite and believable. Every
function ends with the actions and the answer on the processor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevla.bundle import Normalisation
from edgevla.config.policy_families import Diffusion
from edgevla.engine.native import Statistics
from edgevla.engine.native_abi import (
    F32,
    HALF,
    VERDICT,
    DctArgs,
    DdimArgs,
    EnsembleArgs,
    FinishArgs,
    TokenArgs,
)
from edgevla.policy.decode.dct import inverse, inverse_basis
from edgevla.policy.decode.diffusion import ddim_step
from edgevla.policy.decode.flow import euler
from edgevla.policy.decode.schedules import ddim_schedule
from edgevla.policy.decode.tokens import best_ids, token_values
from edgevla.policy.normalise import Unnormalise

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from numpy.typing import NDArray

    from edgevla.engine.native import Library

    Array = NDArray[np.float32]
    Answer = tuple[Array, bool]

BELIEVED = 10.0
VOCABULARY, FIRST, BINS = 32064, 31744, 256


@dataclass(frozen=True)
class Case:
    """One decoding step, several ways: `ways` return the actions and whether they are valid."""

    name: str
    sizes: str
    ways: Mapping[str, Callable[[], Answer]]


class Range:
    """Statistics of `dims` numbers as each way takes them, and the check that all of them make."""

    def __init__(self, dims: int, draw: np.random.Generator, torch: ModuleType | None) -> None:
        low, high = -1.0 - draw.random(dims), 1.0 + draw.random(dims)
        statistics = Normalisation(kind="quantiles", q01=tuple(low), q99=tuple(high))
        self.unnormalise = Unnormalise(statistics)
        scale, offset = self.unnormalise.scale, self.unnormalise.offset
        self.low, self.high = (np.float32(0.9) * bound.astype(np.float32) for bound in (low, high))
        self.native = Statistics(HALF, BELIEVED, scale, offset, low=self.low, high=self.high)
        if torch is not None:
            self.tables = [torch.from_numpy(array) for array in (scale, offset, self.low, self.high)]

    def by_numpy(self, normalised: Array) -> Answer:
        """Un-normalise, clamp, check."""
        valid = bool(np.isfinite(normalised).all() and np.abs(normalised).max() <= BELIEVED)
        actions = np.clip(self.unnormalise(normalised), self.low, self.high)
        return actions, valid and bool(np.isfinite(actions).all())

    def by_torch(self, torch: ModuleType, normalised: Any) -> tuple[Any, Any]:  # noqa: ANN401 - torch has no types here
        """The same, an operation a line: two tensors, where `normalised` is."""
        scale, offset, low, high = self.tables
        valid = torch.isfinite(normalised).all() & (normalised.abs().max() <= BELIEVED)
        actions = (normalised + 1) / 2 * scale + offset
        actions = torch.clamp(actions, low, high)
        return actions, valid & torch.isfinite(actions).all()


def answered(actions: Any, valid: Any) -> Answer:  # noqa: ANN401
    """Two tensors on the processor as the others give them."""
    return actions.numpy(), bool(valid)


def flow_by_torch(torch: ModuleType, numbers: Range, x: Any, velocity: Any, dt: float, dims: int) -> tuple[Any, Any]:  # noqa: ANN401
    """openpi pi0.py `sample_actions`, its last step; transforms.py `Unnormalize`."""
    return numbers.by_torch(torch, (x + dt * velocity)[..., :dims])


def tokens_by_torch(torch: ModuleType, numbers: Range, logits: Any, values: Any) -> tuple[Any, Any]:  # noqa: ANN401
    """openvla modeling_prismatic.py `predict_action`, from the logits on."""
    chosen = logits.argmax(-1)
    inside = (chosen >= FIRST) & (chosen < FIRST + BINS)
    actions, valid = numbers.by_torch(torch, values[(chosen - FIRST).clamp(0, BINS - 1)][:, None])
    return actions, valid & inside.all()


def flow_finish(library: Library, torch: ModuleType | None, draw: np.random.Generator) -> Case:
    """The last Euler step of a pi0, un-normalised."""
    horizon, width, dims, dt = 50, 32, 14, np.float32(-0.1)
    numbers = Range(dims, draw, torch)
    x, velocity = (draw.standard_normal((1, horizon, width), np.float32) for _ in range(2))
    args = FinishArgs(samples=1, horizon=horizon, width=width, dims=dims, type=F32, dt=dt)
    actions, verdicts = np.empty((1, horizon, dims), np.float32), np.zeros(1, VERDICT)
    args.point(x=x, velocity=velocity, actions=actions, verdicts=verdicts)
    call = library.prepare("edgevla_flow_finish", args, numbers.native)
    valid = verdicts["valid"]

    def native() -> Answer:
        call()
        return actions, bool(valid[0])

    ways = {"numpy": lambda: numbers.by_numpy(euler(x, velocity, dt)[..., :dims]), "native": native}
    if torch is not None:
        start, slope = torch.from_numpy(x), torch.from_numpy(velocity)
        ways["torch"] = lambda: answered(*flow_by_torch(torch, numbers, start, slope, float(dt), dims))
    return Case("flow, last step", f"{horizon} x {width} -> {dims}", ways)


def tokens(library: Library, torch: ModuleType | None, draw: np.random.Generator) -> Case:
    """Seven numbers of an OpenVLA, from all logits."""
    dims = 7
    numbers, values = Range(dims, draw, torch), token_values("openvla", BINS)
    logits = draw.standard_normal((1, dims, VOCABULARY), np.float32)
    logits[0, np.arange(dims), FIRST + draw.integers(0, BINS, dims)] = 9.0
    args = TokenArgs(samples=1, horizon=1, dims=dims, vocabulary=VOCABULARY, type=F32, first=FIRST, count=BINS)
    actions, verdicts, ids = np.empty((1, 1, dims), np.float32), np.zeros(1, VERDICT), np.empty((1, dims), np.int32)
    scratch = np.zeros((1, 1 + dims), np.int32)
    args.point(input=logits, values=values, actions=actions, verdicts=verdicts, ids=ids, scratch=scratch)
    call = library.prepare("edgevla_token_logits", args, numbers.native)
    valid = verdicts["valid"]

    def native() -> Answer:
        call()
        return actions, bool(valid[0])

    def by_numpy() -> Answer:
        chosen = best_ids(logits[0], FIRST, BINS)
        return numbers.by_numpy(values[chosen - FIRST][np.newaxis, np.newaxis])

    ways = {"numpy": by_numpy, "native": native}
    if torch is not None:
        given, table = torch.from_numpy(logits), torch.from_numpy(values)
        ways["torch"] = lambda: answered(*tokens_by_torch(torch, numbers, given, table))
    return Case("tokens", f"{dims} x {VOCABULARY}", ways)


def fast(library: Library, torch: ModuleType | None, draw: np.random.Generator) -> Case:
    """physical-intelligence/fast processing_action_tokenizer.py `decode`, from the coefficients on."""
    horizon, dims, divisor = 50, 7, 10.0
    numbers, basis = Range(dims, draw, torch), inverse_basis(horizon)
    coefficients = draw.integers(-20, 21, (1, horizon, dims), np.int32)
    args = DctArgs(samples=1, horizon=horizon, dims=dims, divisor=divisor)
    actions, verdicts = np.empty((1, horizon, dims), np.float32), np.zeros(1, VERDICT)
    args.point(coefficients=coefficients, basis=basis, actions=actions, verdicts=verdicts)
    call = library.prepare("edgevla_inverse_dct", args, numbers.native)
    valid = verdicts["valid"]

    def native() -> Answer:
        call()
        return actions, bool(valid[0])

    ways = {
        "numpy": lambda: numbers.by_numpy(inverse(coefficients[0] / divisor, basis)[np.newaxis]),
        "native": native,
    }
    if torch is not None:
        matrix, given = torch.from_numpy(basis), torch.from_numpy(coefficients)
        ways["torch"] = lambda: answered(*numbers.by_torch(torch, (matrix @ (given / divisor).double()).float()))
    return Case("FAST, inverse DCT", f"{horizon} x {dims}", ways)


def ddim(library: Library, torch: ModuleType | None, draw: np.random.Generator) -> Case:
    """diffusers scheduling_ddim.py `step`, eta 0, as OpenVLA-OFT's diffusion head calls it."""
    horizon, width, clip, step = 8, 7, np.float32(1.0), 3
    schedule = ddim_schedule(Diffusion(schedule="squaredcos_cap_v2", train_steps=50, sampler="ddim", clip=1.0))
    x, epsilon = (draw.standard_normal((1, horizon, width), np.float32) for _ in range(2))
    signal, noise, signal_next, direction = (
        float(getattr(schedule, name)[step]) for name in ("signal", "noise", "signal_next", "direction")
    )
    args = DdimArgs(samples=1, horizon=horizon, width=width, type=F32, clip=clip, signal=signal, noise=noise)
    args.signal_next, args.direction = signal_next, direction
    out = np.empty_like(x)
    args.point(x=x, epsilon=epsilon, out=out)
    call = library.prepare("edgevla_ddim_step", args)

    def native() -> Answer:
        call()
        return out, True

    ways = {"numpy": lambda: (ddim_step(schedule, step, x, epsilon, clip), True), "native": native}
    if torch is not None:
        sample, seen = torch.from_numpy(x), torch.from_numpy(epsilon)

        def by_torch() -> Answer:
            x0 = (sample - noise * seen) / signal
            x0 = x0.clamp(-1.0, 1.0)
            return (signal_next * x0 + direction * seen).numpy(), True

        ways["torch"] = by_torch
    return Case("DDIM step", f"{horizon} x {width}", ways)


def ensemble(library: Library, torch: ModuleType | None, draw: np.random.Generator) -> Case:
    """lerobot modeling_act.py `ACTTemporalEnsembler.update`, behind un-normalising."""
    horizon, dims, history, shift = 100, 14, 100, 1
    numbers = Range(dims, draw, torch)
    weights = np.exp(-0.01 * np.arange(history)).astype(np.float32)
    totals = np.cumsum(weights, dtype=np.float32)
    normalised = draw.standard_normal((1, horizon, dims), np.float32)
    before = draw.standard_normal((1, horizon, dims), np.float32)
    count = np.minimum(np.arange(horizon, 0, -1), history).astype(np.int32)[np.newaxis]
    args = EnsembleArgs(samples=1, horizon=horizon, width=dims, dims=dims, type=F32, history=history)
    actions, verdicts, counts = np.empty_like(before), np.zeros(1, VERDICT), np.empty_like(count)
    args.point(
        normalised=normalised, weights=weights, totals=totals, shift=np.array([shift], np.int32),
        before=before, before_count=count, actions=actions, counts=counts, verdicts=verdicts,
    )  # fmt: skip
    call = library.prepare("edgevla_ensemble", args, numbers.native)
    valid = verdicts["valid"]

    def native() -> Answer:
        call()
        return actions, bool(valid[0])

    def by_numpy() -> Answer:
        fresh, valid = numbers.by_numpy(normalised)
        earlier = np.minimum(count[:, shift:], history - 1)[..., np.newaxis]
        mixed = (before[:, shift:] * totals[earlier - 1] + fresh[:, :-shift] * weights[earlier]) / totals[earlier]
        return np.concatenate([mixed, fresh[:, -shift:]], axis=1), valid and bool(np.isfinite(mixed).all())

    ways = {"numpy": by_numpy, "native": native}
    if torch is not None:
        given, old, seen = torch.from_numpy(normalised), torch.from_numpy(before), torch.from_numpy(count).long()
        share, sums = torch.from_numpy(weights), torch.from_numpy(totals)

        def by_torch() -> Answer:
            actions, valid = numbers.by_torch(torch, given)
            number = torch.clamp(seen[:, shift:], max=history - 1)
            mixed = old[:, shift:] * sums[number - 1].unsqueeze(-1)
            mixed = mixed + actions[:, :-shift] * share[number].unsqueeze(-1)
            mixed = mixed / sums[number].unsqueeze(-1)
            return answered(torch.cat([mixed, actions[:, -shift:]], dim=1), valid & torch.isfinite(mixed).all())

        ways["torch"] = by_torch
    return Case("ensemble", f"{horizon} x {dims}", ways)


CASES = (flow_finish, tokens, fast, ddim, ensemble)
