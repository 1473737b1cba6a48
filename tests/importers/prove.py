"""Each importer beside the code it imports from: a small random policy of upstream, saved by upstream, imported by
`edgevla import`, and asked what upstream's `select_action` is asked.

    python -m tests.importers.prove [--kind lerobot-act] [--json FILE]

Prints, in rad, the largest difference between the bundle and upstream, and how much the answer changes with the
pictures, the state and the sentence: a difference means something only beside that.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

AGREE_RAD = 1e-4
GRIPPER = "0..100:-10 deg..95 deg"


@dataclass(frozen=True)
class Case:
    """A kind, what makes its checkpoint, the cameras that the robot has, and more options for `edgevla import`."""

    kind: str
    make: Callable[[Path], None]
    cameras: tuple[str, ...]
    options: tuple[str, ...] = ()
    words: bool = True


@dataclass(frozen=True)
class Proof:
    """Largest differences in rad."""

    kind: str
    upstream: str
    worst_rad: float
    by_picture_rad: float
    by_state_rad: float
    by_sentence_rad: float
    seconds: float
    words: bool

    @property
    def holds(self) -> bool:
        """Agreement, by a policy that answers something."""
        changes = [self.by_picture_rad, self.by_state_rad, *([self.by_sentence_rad] if self.words else [])]
        return self.worst_rad <= AGREE_RAD and min(changes) > 100 * self.worst_rad


def cases() -> list[Case]:
    from tests.importers import small_lerobot as small

    paligemma = ("--tokenizer", "{parent}/paligemma")
    return [
        Case("lerobot-act", small.act, ("front", "wrist"), words=False),
        Case("lerobot-smolvla", small.smolvla, ("front", "wrist", "top")),
        Case("lerobot-pi0", small.pi0, ("front", "wrist"), ("--camera", "top=", *paligemma)),
        Case("lerobot-pi05", small.pi05, ("front", "wrist"), paligemma),
    ]


def prove(case: Case, folder: Path) -> Proof:
    import lerobot
    import torch

    from edgevla.messages import Observation
    from edgevla.policy.decode.noise import noise_key, normals
    from edgevla.policy.loading import load_policy
    from tests.importers import small_lerobot as small

    began = time.monotonic()
    torch.manual_seed(7)
    checkpoint, bundle = folder / "checkpoint", folder / "bundle"
    with small.shrunk():
        case.make(checkpoint)
        _import(case, checkpoint, bundle)
        upstream = _LeRobot(checkpoint, folder)
    policy = load_policy(bundle)
    rng = np.random.default_rng(5)
    seen = {name: _picture(rng) for name in case.cameras}
    state = np.array([10.0, -60.0, 30.0, 55.0, 20.0, 42.0])
    sentence, other = small.SENTENCES[:2]
    observations = [
        (seen, state, sentence),
        ({name: _picture(rng) for name in case.cameras}, state, sentence),
        (seen, state + rng.normal(0.0, 20.0, 6), sentence),
        (seen, state, other),
    ]
    worst, answers = 0.0, []
    for pictures, numbers, text in observations:
        noise = None
        if policy.manifest.flow is not None:
            shape = (1, small.CHUNK, policy.manifest.flow.width or 6)
            noise = normals(shape, noise_key(policy.manifest.flow.seed, 3), 0)
        expected = in_rad(upstream.chunk(pictures, numbers.astype(np.float32), text, noise))
        exact = in_rad(numbers.astype(np.float32).astype(np.float64))
        chunk = policy.act(Observation(0.0, pictures, exact, text), seq=3)
        if not chunk.valid:
            raise SystemExit(f"{case.kind}: the bundle holds still: {chunk.reason}")
        got = np.array(chunk.actions_rad)
        worst = max(worst, float(np.abs(got - expected).max()))
        answers.append(got)
    first, *changed = answers
    moved = [float(np.abs(answer - first).max()) for answer in changed]
    return Proof(case.kind, f"lerobot {lerobot.__version__}", worst, *moved, time.monotonic() - began, case.words)


class _LeRobot:
    """The checkpoint in LeRobot's hands, by its documented calls: processors, `select_action`, processors."""

    def __init__(self, folder: Path, local: Path) -> None:
        from lerobot.configs import PreTrainedConfig
        from lerobot.policies import get_policy_class, make_pre_post_processors

        config = PreTrainedConfig.from_pretrained(folder)
        overrides: dict[str, Any] = {}
        if config.type.startswith("pi0"):
            overrides = {"tokenizer_processor": {"tokenizer_name": str(local / "paligemma")}}
        self._policy = get_policy_class(config.type).from_pretrained(folder, config=config)
        self._pre, self._post = make_pre_post_processors(
            config, pretrained_path=str(folder), preprocessor_overrides=overrides, postprocessor_overrides={}
        )

    def chunk(self, pictures: Any, state: Any, text: str, noise: Any) -> Any:
        import torch

        from tests.importers.small_lerobot import CHUNK

        self._policy.reset()
        if noise is not None:
            self._policy.model.sample_noise = lambda shape, device: torch.from_numpy(noise)
        frames = {f"observation.images.{name}": image for name, image in pictures.items()}
        rows = []
        for _ in range(CHUNK):
            batch: dict[str, Any] = {
                key: torch.from_numpy(image).permute(2, 0, 1).to(torch.float32) / 255 for key, image in frames.items()
            }
            batch |= {"observation.state": torch.from_numpy(state), "task": text}
            rows.append(self._post(self._policy.select_action(self._pre(batch)))[0].double().numpy())
        return np.stack(rows)


def in_rad(numbers: np.ndarray) -> np.ndarray:
    """Degrees, and a gripper whose 0..100 is -10..95 degrees: written down here once more, by hand."""
    gripper = -10.0 + 105.0 * numbers[..., 5:] / 100.0
    return np.deg2rad(np.concatenate([numbers[..., :5], gripper], axis=-1))


def _picture(rng: np.random.Generator) -> np.ndarray:
    from tests.importers.small_lerobot import HEIGHT, WIDTH

    return rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def _import(case: Case, checkpoint: Path, bundle: Path) -> None:
    from edgevla.cli import app
    from tests.importers.small_lerobot import JOINTS, SENTENCES

    joints = [f"{joint}=deg" for joint in JOINTS[:5]] + [f"{JOINTS[5]}={GRIPPER}"]
    given = [value for joint in joints for value in ("--joint", joint)]
    given += [value for sentence in SENTENCES for value in ("--instruction", sentence)]
    given += [option.replace("{parent}", str(checkpoint.parent)) for option in case.options]
    command = ["import", str(checkpoint), "--out", str(bundle), "--rate", "30", *given]
    app(command, standalone_mode=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", help="only this one")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    proofs = []
    for case in cases():
        if options.kind in {None, case.kind}:
            with tempfile.TemporaryDirectory() as folder:
                proofs.append(prove(case, Path(folder)))
            proof = proofs[-1]
            print(
                f"{proof.kind:16} {proof.upstream}: differs by {proof.worst_rad:.1e} rad; changes by "
                f"{proof.by_picture_rad:.1e} with the pictures, {proof.by_state_rad:.1e} with the state, "
                f"{proof.by_sentence_rad:.1e} with the sentence; {proof.seconds:.0f} s"
            )
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(proof) for proof in proofs], indent=1) + "\n")
    if not proofs or not all(proof.holds for proof in proofs):
        sys.exit("not proven" if proofs else f"no case {options.kind}")


if __name__ == "__main__":
    main()
