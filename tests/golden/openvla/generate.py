"""Run OpenVLA's own de-tokenising and un-normalising: see PROVENANCE.md.

python -m tests.golden.openvla.generate --checkout openvla
"""

from __future__ import annotations

import argparse
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from tests.golden.stand_ins import absent, package

VOCABULARY, BINS = 32000, 256


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkout", type=Path, required=True)
    root = parser.parse_args().checkout.resolve()
    absent("timm", "timm.models", "timm.models.vision_transformer")
    for name in ("prismatic", "prismatic.vla", "prismatic.extern", "prismatic.extern.hf"):
        package(name, str(root / name.replace(".", "/")))
    from prismatic.extern.hf.modeling_prismatic import OpenVLAForActionPrediction as OpenVLA
    from prismatic.vla.action_tokenizer import ActionTokenizer

    tokenizer = ActionTokenizer(SimpleNamespace(vocab_size=VOCABULARY, decode=list, batch_decode=list), bins=BINS)
    rng = np.random.default_rng(4)
    low = -rng.uniform(0.01, 1.0, 7)
    statistics = {
        "q01": low.tolist(),
        "q99": (low + rng.uniform(0.02, 2.0, 7)).tolist(),
        "mask": [True] * 6 + [False],
    }
    ids = np.concatenate(
        [
            np.arange(VOCABULARY - BINS, VOCABULARY)[:, None].repeat(7, 1),
            rng.integers(VOCABULARY - BINS, VOCABULARY, (200, 7)),
        ]
    )
    model = SimpleNamespace(
        vocab_size=VOCABULARY,
        bin_centers=tokenizer.bin_centers,
        get_action_dim=lambda key: 7,
        get_action_stats=lambda key: statistics,
    )

    def predict(row: np.ndarray) -> np.ndarray:
        model.generate = lambda prompt, max_new_tokens: torch.cat([prompt, torch.from_numpy(row)[None]], 1)
        return OpenVLA.predict_action(model, torch.tensor([[1, 29871]]), None)

    actions = rng.uniform(-1.2, 1.2, 500)
    strange = np.array([31743, 32000, 32063, 2, 0, 29871])
    np.savez_compressed(
        Path(__file__).with_name("openvla.npz"),
        ids=ids,
        actions=np.stack([predict(row) for row in ids]),
        q01=statistics["q01"],
        q99=statistics["q99"],
        mask=statistics["mask"],
        encoded_actions=actions,
        encoded_ids=np.array(tokenizer(actions)),
        strange_ids=strange,
        strange_actions=np.stack([predict(np.full(7, number)) for number in strange]),
    )


if __name__ == "__main__":
    main()
