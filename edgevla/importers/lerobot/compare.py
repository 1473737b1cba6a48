"""The finished bundle beside LeRobot: the same observation through both, from pictures to angles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgevla.importers.errors import Differs
from edgevla.importers.lerobot.inputs import cameras_of
from edgevla.messages import Observation
from edgevla.policy.decode.noise import noise_key, normals
from edgevla.policy.loading import load_policy
from edgevla.policy.normalise import middle

if TYPE_CHECKING:
    from pathlib import Path

    from edgevla.importers.answers import Answers
    from edgevla.importers.lerobot.files import Checkpoint
    from edgevla.importers.lerobot.policy import Upstream

AGREE_RAD = 1e-4
_SEEDS = 3


def compare(checkpoint: Checkpoint, upstream: Upstream, answers: Answers, bundle: Path) -> float:
    """Return the largest difference of an angle, in rad, over a few random observations.

    Raises:
        Differs: it is above 1e-4, or the bundle holds still where LeRobot would move.
        BundleError: the bundle cannot be loaded.
    """
    policy = load_policy(bundle)
    manifest = policy.manifest
    cameras = cameras_of(checkpoint, answers, fits_any_size=checkpoint.config["type"] != "act")
    scale = np.array([joint.scale_rad for joint in answers.joints])
    offset = np.array([joint.offset_rad for joint in answers.joints])
    worst = 0.0
    try:
        for seed in range(_SEEDS):
            rng = np.random.default_rng(seed)
            pictures = {c.name: rng.integers(0, 256, (c.height, c.width, 3), dtype=np.uint8) for c in cameras}
            native = ((middle(manifest.state) - offset) / scale + rng.normal(0, 0.1, len(scale))).astype(np.float32)
            task = manifest.language.instructions[seed % len(manifest.language.instructions)]
            noise = None
            if manifest.flow is not None:
                shape = (1, manifest.action.horizon, manifest.flow.width or len(scale))
                noise = normals(shape, noise_key(manifest.flow.seed, seed), 0)
            expected = upstream.chunk({c.feature: pictures[c.name] for c in cameras}, native, task, noise)
            state_rad = native.astype(np.float64) * scale + offset
            chunk = policy.act(Observation(0.0, pictures, state_rad, task), seed)
            if not chunk.valid:
                raise Differs(f"{bundle}: holds still where LeRobot moves: {chunk.reason}")
            rows = len(expected)
            worst = max(worst, float(np.abs(np.array(chunk.actions_rad)[:rows] - (expected * scale + offset)).max()))
    finally:
        policy.engine.close()
    if not worst <= AGREE_RAD:
        raise Differs(f"{bundle}: differs from LeRobot by {worst:.1e} rad; at most {AGREE_RAD:.0e} is allowed")
    return worst
