"""The OpenVLA importer beside OpenVLA's `predict_action`, in an environment of its own.

    python -m tests.importers.prove_openvla --code openvla/prismatic/extern/hf

Prints, in m and rad, the largest difference over pictures and sentences, and how many different actions there were.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

AGREE = 1e-4
HEIGHT, WIDTH = 120, 160  # of a camera that the network's 224 x 224 do not fit
GRIPPER = "0..1:-10 deg..95 deg"


def prove(code: Path, folder: Path) -> tuple[float, int]:
    import torch
    from PIL import Image

    from edgevla.bundle import load_manifest
    from edgevla.importers.answers import Answers, joint_scale
    from edgevla.importers.openvla.run import decoded_rows
    from edgevla.importers.run import import_checkpoint
    from edgevla.messages import Observation
    from tests.importers import small_openvla as small

    sys.path.insert(0, str(code.parent))
    names = ("configuration_prismatic", "modeling_prismatic", "processing_prismatic")
    configuration, modeling, processing = (importlib.import_module(f"{code.name}.{name}") for name in names)
    torch.manual_seed(3)
    checkpoint, bundle = folder / "checkpoint", folder / "bundle"
    names = ("a", "b", "c", "d", "e")
    answers = Answers(
        name="openvla",
        joints=(*(joint_scale(name, "rad") for name in names), joint_scale("gripper", GRIPPER)),
        rate_hz=5.0,
        instructions=small.SENTENCES,
        cameras={"image": "front"},
        sizes={"front": (HEIGHT, WIDTH)},
        code=code,
        end_effector=_tool((*names, "gripper")),
    )
    with small.shrunk():
        small.openvla(checkpoint, configuration, modeling, processing)
        import_checkpoint(checkpoint, bundle, answers)
        model = modeling.OpenVLAForActionPrediction.from_pretrained(checkpoint).eval()
    processor = processing.PrismaticProcessor(
        processing.PrismaticImageProcessor.from_pretrained(checkpoint), small.tokenizer()
    )
    answer = decoded_rows(load_manifest(bundle))
    worst, seen = 0.0, set()
    for seed in range(4):
        image = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        image = np.repeat(np.repeat(image[::8, ::8], 8, axis=0), 8, axis=1)  # blocks: noise alone would average out
        for sentence in small.SENTENCES:
            prompt = f"In: What action should the robot take to {sentence.lower()}?\nOut:"
            given = processor(prompt, Image.fromarray(image))
            expected = np.array(model.predict_action(**given, unnorm_key="toy", do_sample=False))
            expected[6] = np.deg2rad(-10.0 + 105.0 * expected[6])
            found = answer(Observation(0.0, {"front": image}, np.zeros(6), sentence))[0]
            worst = max(worst, float(np.abs(found - expected).max()))
            seen.add(tuple(np.round(expected, 9)))
    return worst, len(seen)


def _tool(joints: tuple[str, ...]) -> Any:
    from edgevla.config.policy_families import EndEffector

    return EndEffector(joints=joints, site="gripperframe", rotation="rpy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--code", type=Path, required=True, help="OpenVLA's prismatic/extern/hf")
    code = parser.parse_args().code.resolve()
    with tempfile.TemporaryDirectory() as folder:
        worst, different = prove(code, Path(folder))
    print(f"openvla: differs by {worst:.1e} m or rad over 8 observations, {different} different actions among them")
    if not worst <= AGREE or different < 4:
        sys.exit("not proven")


if __name__ == "__main__":
    main()
