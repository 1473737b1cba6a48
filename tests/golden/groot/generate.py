"""Run the sampling loop of GR00T N1.7's action head, as LeRobot ships it, on a formula: see PROVENANCE.md.

python -m tests.golden.groot.generate --checkout lerobot
"""

from __future__ import annotations

import argparse
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from tests.golden.stand_ins import absent, package

HORIZON, WIDTH = 16, 32


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkout", type=Path, required=True)
    source = parser.parse_args().checkout.resolve() / "src"
    absent("huggingface_hub", "huggingface_hub.errors", "transformers", "transformers.feature_extraction_utils")
    absent("lerobot.utils.import_utils", "lerobot.policies.groot.configuration_groot")
    absent("lerobot.policies.groot.action_head.cross_attention_dit")
    for name in ("lerobot", "lerobot.utils", "lerobot.policies", "lerobot.policies.groot"):
        package(name, str(source / name.replace(".", "/")))
    package("lerobot.policies.groot.action_head", str(source / "lerobot/policies/groot/action_head"))
    from lerobot.policies.groot import groot_n1_7

    groot_n1_7.BatchFeature = lambda data: data  # transformers' dictionary
    slope = torch.from_numpy(np.random.default_rng(13).uniform(-1.0, 1.0, (HORIZON, WIDTH)).astype(np.float32))
    saved = {"slope": slope.numpy()}
    for steps in (4, 3):
        times: list[int] = []

        def formula(actions: torch.Tensor, time: torch.Tensor, embodiment: object, times: list[int] = times):
            times.append(time.item())
            return actions * slope + time[:, None, None] * 0.001

        head = SimpleNamespace(
            config=SimpleNamespace(action_horizon=HORIZON, add_pos_embed=False, use_alternate_vl_dit=False),
            action_horizon=HORIZON,
            action_dim=WIDTH,
            num_inference_timesteps=steps,
            num_timestep_buckets=1000,
            action_encoder=formula,
            model=lambda hidden_states, **_: hidden_states,
            action_decoder=lambda output, embodiment: output,
        )
        torch.manual_seed(17)
        saved["noise"] = torch.randn(1, HORIZON, WIDTH).numpy()
        torch.manual_seed(17)
        answer = groot_n1_7.GR00TN17ActionHead.get_action_with_features(
            head, torch.zeros(1, 2, WIDTH), torch.zeros(1, 1, WIDTH), None, None, {}
        )
        saved[f"sampled_{steps}"] = answer["action_pred"].numpy()
        saved[f"times_{steps}"] = np.array(times)
    np.savez_compressed(Path(__file__).with_name("groot.npz"), **saved)


if __name__ == "__main__":
    main()
