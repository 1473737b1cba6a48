"""Run OpenVLA-OFT's own un-normalising, and its de-tokenising without a head: see PROVENANCE.md.

python -m tests.golden.openvla_oft.generate --checkout openvla-oft
"""

from __future__ import annotations

import argparse
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from tests.golden.stand_ins import absent, package

CHUNKS = {"libero": ("bounds_q99", 8, 7), "aloha": ("bounds", 25, 14), "bridge": ("bounds_q99", 5, 7)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkout", type=Path, required=True)
    root = parser.parse_args().checkout.resolve()
    absent("timm", "timm.models", "timm.models.vision_transformer")
    for name in ("prismatic", "prismatic.vla", "prismatic.training", "prismatic.extern", "prismatic.extern.hf"):
        package(name, str(root / name.replace(".", "/")))
    from prismatic.extern.hf import modeling_prismatic as upstream

    rng = np.random.default_rng(5)
    arrays: dict[str, np.ndarray] = {}
    for platform, (kind, rows, columns) in CHUNKS.items():
        upstream.ACTION_PROPRIO_NORMALIZATION_TYPE = upstream.NormalizationType(kind)
        low = -rng.uniform(0.01, 1.0, columns)
        high = low + rng.uniform(0.02, 2.0, columns)
        mask = np.arange(columns) != columns - 1
        names = ("min", "max") if kind == "bounds" else ("q01", "q99")
        statistics = {names[0]: low.tolist(), names[1]: high.tolist(), "mask": mask.tolist()}
        model = SimpleNamespace(get_action_stats=lambda key, statistics=statistics: statistics)
        normalised = rng.normal(0.0, 0.6, (rows, columns)).astype(np.float32)
        actions = upstream.OpenVLAForActionPrediction._unnormalize_actions(model, normalised)
        found = {"normalised": normalised, "actions": actions, "low": low, "high": high, "mask": mask}
        arrays |= {f"{platform}_{name}": value for name, value in found.items()}
    np.savez_compressed(Path(__file__).with_name("openvla_oft.npz"), **arrays)


if __name__ == "__main__":
    main()
