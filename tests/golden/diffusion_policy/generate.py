"""Run diffusion policy's own sampling loop with diffusers' DDIM on a formula: see PROVENANCE.md.

python -m tests.golden.diffusion_policy.generate --checkout diffusion_policy
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler

from tests.golden.stand_ins import absent

HORIZON, DIMENSIONS = 16, 7
# Training steps, run-time steps, and the scheduler's arguments beside its defaults.
CASES = {
    "diffusion_policy": (
        100,
        8,
        {"beta_start": 0.0001, "beta_end": 0.02, "set_alpha_to_one": True, "steps_offset": 0, "clip_sample": True},
    ),
    "openvla_oft": (50, 50, {}),
    "openvla_oft_fewer": (50, 7, {}),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkout", type=Path, required=True)
    sys.path.insert(0, str(parser.parse_args().checkout.resolve()))
    absent(
        "zarr", "diffusion_policy.model.diffusion.conditional_unet1d", "diffusion_policy.model.diffusion.mask_generator"
    )
    from diffusion_policy.policy.diffusion_unet_lowdim_policy import DiffusionUnetLowdimPolicy

    slope = torch.linspace(0.5, 0.9, HORIZON * DIMENSIONS).reshape(HORIZON, DIMENSIONS)
    saved = {"slope": slope.numpy()}

    def formula(x: torch.Tensor, time: torch.Tensor, **_: object) -> torch.Tensor:
        return x * slope + time * 0.002 - 0.1

    data = torch.zeros(1, HORIZON, DIMENSIONS)
    for name, (train_steps, steps, arguments) in CASES.items():
        scheduler = DDIMScheduler(num_train_timesteps=train_steps, beta_schedule="squaredcos_cap_v2", **arguments)
        policy = SimpleNamespace(model=formula, noise_scheduler=scheduler, num_inference_steps=steps)
        noise = torch.randn(data.shape, generator=torch.Generator().manual_seed(19))
        sampled = DiffusionUnetLowdimPolicy.conditional_sample(
            policy,
            data,
            torch.zeros_like(data, dtype=torch.bool),
            generator=torch.Generator().manual_seed(19),
        )
        saved |= {f"{name}_noise": noise.numpy(), f"{name}_sampled": sampled.numpy()}
        saved |= {f"{name}_times": scheduler.timesteps.numpy(), f"{name}_betas": scheduler.betas.numpy()}
    linear = DDIMScheduler(num_train_timesteps=1000, beta_schedule="linear", beta_start=0.0001, beta_end=0.02)
    saved["linear_betas"] = linear.betas.numpy()
    np.savez_compressed(Path(__file__).with_name("diffusion_policy.npz"), **saved)


if __name__ == "__main__":
    main()
