"""The inputs that LeRobot's policies share: pictures by camera, the state, the sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from edgevla.bundle import TensorSpec
from edgevla.config.policy import Tokenizer
from edgevla.importers.errors import ImportRefused
from edgevla.importers.lerobot.files import STATE
from edgevla.importers.network import Sentences

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgevla.importers.answers import Answers
    from edgevla.importers.lerobot.files import Checkpoint
    from edgevla.importers.lerobot.policy import Upstream

TOKENS = "tokens"


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera feature of the network, and the robot's camera that fills it."""

    feature: str
    name: str
    height: int
    width: int

    @property
    def spec(self) -> TensorSpec:
        """The input of policy.yaml."""
        shape = (1, 3, self.height, self.width)
        return TensorSpec(name=self.name, dtype="float32", shape=shape, source=f"camera:{self.name}")


def cameras_of(checkpoint: Checkpoint, answers: Answers, *, fits_any_size: bool) -> list[Camera]:
    """Return the cameras that the robot has.

    Args:
        fits_any_size: the network resizes by itself, so that it is given the robot's pictures as they are.

    Raises:
        ImportRefused: a camera was named that the checkpoint does not have, or none is left.
    """
    known, found = {}, []
    for feature in checkpoint.cameras:
        name = checkpoint.renamed.get(feature, feature).rpartition(".")[2]
        if not name.startswith("empty_camera_"):  # LeRobot's own name for one that is never there
            known[name] = feature
    unknown = [name for name in answers.cameras if name not in known]
    if unknown:
        raise ImportRefused(f"--camera {unknown[0]}: the checkpoint looks through {', '.join(known)}")
    for name, feature in known.items():
        robots = answers.cameras.get(name, name)
        if robots is not None:
            channels, height, width = checkpoint.shape(feature)
            if channels != 3:
                raise ImportRefused(f"{feature}: has {channels} channels; a camera has 3")
            if fits_any_size:
                height, width = answers.sizes.get(robots, (height, width))
            found.append(Camera(feature, robots, height, width))
    if not found:
        raise ImportRefused("a policy must look through at least one camera", fix="take a --camera NAME= away")
    return found


def state_spec(count: int) -> TensorSpec:
    """The state as policy.yaml's input."""
    return TensorSpec(name="state", dtype="float32", shape=(1, count), source="state")


def words_spec(sentences: Sentences) -> TensorSpec:
    """The sentence likewise."""
    return TensorSpec(name=TOKENS, dtype="int64", shape=(1, sentences.length), source="instruction")


def examples(specs: tuple[TensorSpec, ...], seed: int = 0) -> dict[str, torch.Tensor]:
    """Numbers to export with: grey noise, a state near the mean, a sentence of half the length."""
    generator = torch.Generator().manual_seed(seed)
    values = {}
    for spec in specs:
        if spec.source == "instruction":
            tokens = torch.zeros(spec.shape, dtype=torch.int64)
            tokens[:, : spec.shape[1] // 2] = 1
            values[spec.name] = tokens
        elif spec.source == "state":
            values[spec.name] = torch.randn(spec.shape, generator=generator)
        else:
            values[spec.name] = torch.rand(spec.shape, generator=generator)
    return values


def named(cameras: list[Camera], values: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The graph's inputs under LeRobot's names."""
    batch = {camera.feature: values[camera.name] for camera in cameras}
    return {**batch, STATE: values["state"]} if "state" in values else batch


def sentences_of(checkpoint: Checkpoint, upstream: Upstream, **config: Any) -> Sentences:  # noqa: ANN401 - Tokenizer's
    """Return how the checkpoint's processor reads a sentence.

    Raises:
        ImportRefused: its tokenizer has no file that the runtime can read, or does not pad on the right.
    """
    step = checkpoint.steps["tokenizer_processor"]
    if step.get("padding_side", "right") != "right":
        raise ImportRefused("the processor pads sentences on the left; only the right is known")
    tokenizer = next(s.input_tokenizer for s in upstream.pre.steps if hasattr(s, "input_tokenizer"))
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None or tokenizer.pad_token_id is None:
        raise ImportRefused(
            f"{type(tokenizer).__name__}: has no tokenizer.json, or no padding token",
            fix="give a folder with a tokenizer.json: --tokenizer FOLDER",
        )
    return Sentences(
        save=lambda path: backend.save(str(path)),
        config=Tokenizer(pad_id=tokenizer.pad_token_id, **config),
        length=step["max_length"],
    )
