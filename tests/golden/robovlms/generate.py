"""Run RoboVLMs' own heads, tokenizer and evaluation step: see PROVENANCE.md.

python -m tests.golden.robovlms.generate --checkout RoboVLMs
"""

from __future__ import annotations

import argparse
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from tests.golden.stand_ins import absent, package

NORM = 0.65  # configs/calvin_finetune: norm_min -0.65, norm_max 0.65
FEATURES, HIDDEN, LAYERS, WINDOW, ROWS, ARM = 5, 6, 2, 4, 3, 6


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkout", type=Path, required=True)
    root = parser.parse_args().checkout.resolve()
    absent(
        "lightning",
        "lightning.pytorch",
        "lightning.pytorch.trainer",
        "eval.calvin.eval_utils",
        "robovlms.train.base_trainer",
        "robovlms.utils.model_utils",
        "robovlms.data.datamodule.gr_datamodule",
    )
    for name in (
        "robovlms",
        "robovlms.data",
        "robovlms.model",
        "robovlms.model.policy_head",
        "eval",
        "eval.calvin",
    ):
        package(name, str(root / name.replace(".", "/")))
    torch.manual_seed(7)
    here = Path(__file__)
    np.savez_compressed(here.with_name("tokens.npz"), **tokens())
    np.savez_compressed(here.with_name("calvin_step.npz"), **calvin_step())
    np.savez_compressed(here.with_name("lstm.npz"), **lstm())


def tokens() -> dict[str, np.ndarray]:
    """The discrete head's bins."""
    from robovlms.model.policy_head.action_tokenizer import ActionTokenizer

    specials = {"bos_token": "<s>", "eos_token": "</s>", "additional_special_tokens": ["<a>", "<b>", "<c>"]}
    tokenizer = ActionTokenizer(SimpleNamespace(vocab_size=64000, special_tokens_map_extended=specials))
    ids = np.arange(tokenizer.tokenizer_orig_size - 256, tokenizer.tokenizer_orig_size)
    actions = np.random.default_rng(8).uniform(-1.2, 1.2, 300)
    return {
        "ids": ids,
        "values": tokenizer.decode_token_ids_to_actions(ids),
        "vocabulary_size": np.array(64000),
        "special_tokens": np.array(len("ab") + 3 + 10),
        "encoded_actions": actions,
        "encoded_ids": np.array(tokenizer.encode_actions_to_token_ids(actions)),
    }


def calvin_step() -> dict[str, np.ndarray]:
    """`CustomModel.step` from the answer of the head on, once a row, with and without companding."""
    from eval.calvin.model_wrapper import CustomModel

    rng = np.random.default_rng(9)
    arm = torch.from_numpy(rng.uniform(-1, 1, (40, ARM)).astype(np.float32))
    logits = torch.from_numpy(rng.normal(0, 3, (40, 1)).astype(np.float32))
    found = {"arm": arm.numpy(), "logits": logits.numpy()}
    for name, companded in (("plain", False), ("mu_law", True)):
        rows = []
        for row in range(len(arm)):
            answer = (arm[row].reshape(1, 1, 1, ARM), logits[row].reshape(1, 1, 1, 1))
            model = SimpleNamespace(
                preprocess=lambda *given: (None, None, None, None),
                policy=SimpleNamespace(inference_step=lambda given, answer=answer: {"action": answer}),
                configs={"use_mu_law": companded, "norm_action": True, "norm_min": -NORM, "norm_max": NORM},
                action_space="continuous",
                tcp_rel=False,
                raw_calvin=True,
                action_hist_list=[],
                fwd_pred_next_n=1,
                rollout_step_counter=0,
            )
            model.ensemble_action = lambda action, model=model: CustomModel.ensemble_action(model, action)
            rows.append(np.array(CustomModel.step(model, {}, "")))
        found[name] = np.stack(rows)
    return found


def lstm() -> dict[str, np.ndarray]:
    """`LSTMDecoder`, one observation at a time, through and past its window, then anew; the heads made small."""
    from robovlms.model.policy_head.base_policy import LSTMDecoder, MLPTanhHead

    decoder = LSTMDecoder(
        in_features=FEATURES,
        action_dim=ARM + 1,
        down_sample="none",
        latent=1,
        fwd_pred_next_n=ROWS,
        window_size=WINDOW,
        hidden_size=HIDDEN,
        num_layers=LAYERS,
    )
    decoder.actions = torch.nn.Sequential(torch.nn.Linear(HIDDEN, ROWS * ARM), torch.nn.Tanh())
    decoder.gripper = torch.nn.Linear(HIDDEN, ROWS)
    decoder.eval()
    features = torch.randn(13, FEATURES)
    arm, logits = [], []
    with torch.no_grad():
        for tick, feature in enumerate(features):
            if tick == 9:
                decoder.reset()
            answer = decoder(feature.reshape(1, 1, 1, FEATURES))
            arm.append(answer[0].reshape(ROWS, ARM).numpy())
            logits.append(answer[1].reshape(ROWS, 1).numpy())
        tanh_head = MLPTanhHead(4, 8)
        wide = tanh_head.mlp[:-1](10 * torch.randn(50, 4)) * 20
        through = tanh_head.mlp[-1](wide)
    weights = {f"rnn_{name}": value.numpy() for name, value in decoder.rnn.state_dict().items()}
    return {
        "features": features.numpy(),
        "arm": np.stack(arm),
        "logits": np.stack(logits),
        "reset_before": np.array(9),
        "window": np.array(WINDOW),
        "arm_weight": decoder.actions[0].weight.detach().numpy(),
        "arm_bias": decoder.actions[0].bias.detach().numpy(),
        "gripper_weight": decoder.gripper.weight.detach().numpy(),
        "gripper_bias": decoder.gripper.bias.detach().numpy(),
        "before_tanh": wide.numpy(),
        "after_tanh": through.numpy(),
        **weights,
    }


if __name__ == "__main__":
    main()
