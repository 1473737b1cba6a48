"""How chunks follow each other, by the name that stands in policy.yaml under `execution`.

| kind | what is sent |
| --- | --- |
| latest | the chunk as it is; control enters it where its age says |
| ensemble | the mean of all chunks that say something about a moment, the older weighing more |
| blend | a fixed share of what was sent before, the rest new |
| fade | what was sent before for as long as a chunk takes to arrive, then ever less of it: no seam |
| rtc | the same, and the denoising loop is drawn to what was sent before: real-time chunking |
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from edgevla.bundle import BundleError
from edgevla.policy.delta import is_delta, to_delta
from edgevla.policy.execution.execution import Execution
from edgevla.policy.execution.merge import blend, ensemble
from edgevla.policy.execution.realtime import Fading, Guiding
from edgevla.policy.normalise import Normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from edgevla.bundle import Manifest
    from edgevla.config.policy_families import Execution as Config
    from edgevla.policy.execution.execution import Merge


def execution_of(
    manifest: Manifest,
    *,
    gap_s: float = np.inf,
    astray_rad: Sequence[float] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Execution:
    """Return the execution that a checked manifest asks for.

    Args:
        gap_s: robot.yaml's `plan_hold_after`: after it control has stopped playing the plan.
        astray_rad: robot.yaml's `tracking` of each joint: an arm farther than this from its plan is not following it.
        clock: of the observations.

    Raises:
        BundleError: rtc for a policy that has no denoising loop in joint space.
    """
    action, config = manifest.action, manifest.execution
    guide = guiding(manifest).guide if config.kind == "rtc" else None
    return Execution(
        MERGES[config.kind](config),
        guide,
        action.rate_hz,
        action.horizon,
        gap_s=gap_s,
        astray_rad=astray_rad,
        clock=clock,
    )


def guiding(manifest: Manifest) -> Guiding:
    """Return what draws the manifest's denoising loop to the plan sent before.

    Raises:
        BundleError: it has no such loop, or not in joint space.
    """
    action, flow = manifest.action, manifest.flow
    if manifest.family != "flow" or flow is None or action.space != "joints":
        raise BundleError(
            f"execution.kind rtc: the policy is of family {manifest.family} in {action.space} space; "
            "rtc draws the loop of a flow policy in joint space",
            fix="write execution.kind: fade, which needs no loop",
        )
    relative, normalise = is_delta(action), Normalise(action.normalisation)

    def encode(rows_rad: NDArray[np.float64], state_rad: NDArray[np.float64]) -> NDArray[np.float64]:
        return normalise(to_delta(rows_rad, state_rad, relative))

    return Guiding(Fading(manifest.execution), encode, flow.width or len(action.names), flow.direction == "noise_at_1")


def _latest(config: Config) -> Merge:
    return lambda plan, sent, memory: plan


def _ensemble(config: Config) -> Merge:
    return lambda plan, sent, memory: ensemble(memory.made, config.decay)


def _blend(config: Config) -> Merge:
    return lambda plan, sent, memory: blend(plan, sent, config.old_weight)


def _fade(config: Config) -> Merge:
    return Fading(config).merge


MERGES: Mapping[str, Callable[[Config], Merge]] = {
    "latest": _latest,
    "ensemble": _ensemble,
    "blend": _blend,
    "fade": _fade,
    "rtc": _fade,
}
