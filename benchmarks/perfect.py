"""A policy that knows the ideal trajectory, for `benchmarks.chunks`; a chunk is off by a constant at most."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from edgevla.bundle import Normalisation, load_manifest
from edgevla.config.policy_families import Execution, Flow
from edgevla.messages import Chunk
from edgevla.shipped import shipped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgevla.bundle import Manifest
    from edgevla.policy.execution.guidance import Guidance

    Array = NDArray[np.float64]

RATE_HZ = 50.0  # of control
FLOW_STEPS = 10


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table.

    `fault`: what happens to the policy at 8 s, "", "nan" or "raises". `execution`: how ours joins chunks.
    """

    horizon: int
    chunk_hz: float
    latency_s: float
    apart_rad: float = 0.0
    fault: str = ""
    execution: str = "latest"

    @property
    def hold_after_s(self) -> float:
        """The plan_hold_after that fits the policy."""
        return max(0.3, 2.0 * self.latency_s + 2.0 / RATE_HZ)


def ideal(t_s: Array) -> Array:
    """The trajectory, (times, joints) rad: well inside the limits, never still, another rhythm for each joint."""
    amplitude_rad = np.array([0.5, 0.3, 0.3, 0.4, 0.5, 0.3])
    centre_rad = np.array([0.0, -0.7, 0.8, 0.8, 0.0, 0.5])
    rhythm_hz = np.array([0.25, 0.31, 0.23, 0.29, 0.27, 0.35])
    trajectory: Array = centre_rad + amplitude_rad * np.sin(2.0 * math.pi * np.outer(t_s, rhythm_hz))
    return trajectory


def manifest_for(case: Case) -> Manifest:
    """A flow policy for the reference robot, in absolute joint angles."""
    manifest = load_manifest(shipped("so101-tabletop")).manifest
    joints = len(manifest.action.names)
    action = msgspec.structs.replace(
        manifest.action,
        kind="absolute",
        rate_hz=case.chunk_hz,
        horizon=case.horizon,
        normalisation=Normalisation(kind="mean_std", mean=(0.0,) * joints, std=(1.0,) * joints),
    )
    return msgspec.structs.replace(
        manifest,
        family="flow",
        action=action,
        flow=Flow(steps=FLOW_STEPS, direction="noise_at_0"),
        execution=Execution(kind=case.execution, guided_rows=case.horizon),
    )


def chunk_of(
    case: Case, seq: int, observed_s: float, draw: np.random.Generator, spoilt: bool, guidance: Guidance | None
) -> Chunk:
    rows = ideal(observed_s + np.arange(case.horizon) / case.chunk_hz)
    rows = rows + draw.uniform(-case.apart_rad, case.apart_rad, rows.shape[1])
    if guidance is not None:
        rows = _flow(rows, guidance, np.random.default_rng(seq))
    if spoilt:
        rows[:, 2] = np.nan
    actions = tuple(tuple(map(float, row)) for row in rows)
    return Chunk(seq=seq, t_obs_s=observed_s, rate_hz=case.chunk_hz, actions_rad=actions, valid=True)


def _flow(rows: Array, guidance: Guidance, draw: np.random.Generator) -> Array:
    """Denoise: the unguided loop ends in `rows`, whatever the noise."""
    x = draw.normal(size=rows.shape).astype(np.float32)
    for step in range(FLOW_STEPS):
        time = step / FLOW_STEPS
        x += guidance(x, (rows.astype(np.float32) - x) / np.float32(1.0 - time), time) / np.float32(FLOW_STEPS)
    return x.astype(np.float64)
