"""Run LeRobot's own flow-matching loop, which SmolVLA samples with, on a formula: see PROVENANCE.md.

python -m tests.golden.smolvla.generate --checkout lerobot
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from tests.golden.stand_ins import package

CHUNK, WIDTH = 50, 32


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkout", type=Path, required=True)
    source = parser.parse_args().checkout.resolve() / "src"
    for name in ("lerobot", "lerobot.policies", "lerobot.policies.common"):
        package(name, str(source / name.replace(".", "/")))
    from lerobot.policies.common.flow_matching import euler_integrate

    rng = np.random.default_rng(11)
    slope = rng.uniform(0.2, 1.2, (CHUNK, WIDTH)).astype(np.float32)
    noise = rng.standard_normal((1, CHUNK, WIDTH)).astype(np.float32)
    saved = {"slope": slope, "noise": noise}
    for steps in (10, 4):
        times: list[float] = []

        def formula(x: torch.Tensor, time: torch.Tensor, times: list[float] = times) -> torch.Tensor:
            times.append(time.item())
            return x * torch.from_numpy(slope) + time[:, None, None] * 0.3

        saved[f"sampled_{steps}"] = euler_integrate(formula, torch.from_numpy(noise), steps).numpy()
        saved[f"times_{steps}"] = np.array(times, np.float32)
    np.savez_compressed(Path(__file__).with_name("smolvla.npz"), **saved)


if __name__ == "__main__":
    main()
