"""LeRobot's own code: the policy of a checkpoint, its processors, and what it answers. Needs LeRobot."""

from __future__ import annotations

import contextlib
import io
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from edgevla.importers.errors import ImportRefused
from edgevla.importers.lerobot.files import STATE, WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from edgevla.importers.answers import Answers
    from edgevla.importers.lerobot.files import Checkpoint


@dataclass(frozen=True, slots=True)
class Upstream:
    """A loaded policy.

    Args:
        policy: LeRobot's.
        pre: the pipeline before it.
        post: the pipeline behind it.
    """

    policy: Any
    pre: Any
    post: Any

    def chunk(
        self,
        pictures: dict[str, NDArray[np.uint8]],
        state: NDArray[np.float32],
        task: str,
        noise: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float64]:
        """Answer one observation the way LeRobot does.

        Args:
            pictures: camera feature of the network -> (height, width, 3).
            state: (joints,) in the checkpoint's units.
            task: the sentence.
            noise: (1, horizon, width) for policies that denoise.

        Returns:
            (horizon, actions) in the checkpoint's units.
        """
        batch: dict[str, Any] = {
            key: torch.from_numpy(image.copy()).permute(2, 0, 1).float() / 255 for key, image in pictures.items()
        }
        batch[STATE] = torch.from_numpy(state)
        batch["task"] = task
        self.policy.reset()
        given = {} if noise is None else {"noise": torch.from_numpy(noise.copy())}
        with torch.no_grad():
            answer = self.post(self.policy.predict_action_chunk(self.pre(batch), **given))
        chunk: NDArray[np.float64] = answer[0].double().numpy()
        return chunk


def load_upstream(checkpoint: Checkpoint, answers: Answers) -> Upstream:
    """Build the policy with LeRobot, in float32 on the CPU, and see that every weight of it came from the file.

    Raises:
        ImportRefused: LeRobot cannot build it, or weights are missing.
        ModuleNotFoundError: LeRobot, or what this policy needs besides, is not installed.
    """
    from lerobot.configs import PreTrainedConfig
    from lerobot.policies import get_policy_class, make_pre_post_processors

    folder = str(checkpoint.folder)
    with _quiet():
        config = PreTrainedConfig.from_pretrained(folder)
        config.device = "cpu"
        overrides: dict[str, Any] = {"device_processor": {"device": "cpu"}}
        for name, value in {"dtype": "float32", "compile_model": False, "load_vlm_weights": False}.items():
            if hasattr(config, name):
                setattr(config, name, value)
        if answers.tokenizer is not None and "tokenizer_processor" in checkpoint.steps:
            overrides["tokenizer_processor"] = {"tokenizer_name": str(answers.tokenizer)}
            if hasattr(config, "vlm_model_name"):
                config.vlm_model_name = str(answers.tokenizer)
        if hasattr(config, "pretrained_backbone_weights"):
            config.pretrained_backbone_weights = None  # the checkpoint has them
        try:
            policy = get_policy_class(config.type).from_pretrained(folder, config=config)
            pre, post = make_pre_post_processors(
                config,
                pretrained_path=folder,
                preprocessor_overrides=overrides,
                postprocessor_overrides={},
            )
        except OSError as error:
            reason = str(error).strip().splitlines()[0]
            raise ImportRefused(
                f"{checkpoint.folder}: LeRobot cannot load it: {reason}",
                fix="for a tokenizer or language model that is not on this machine: --tokenizer FOLDER",
            ) from None
    policy = policy.float().eval()
    _check_weights(policy, checkpoint.folder / WEIGHTS)
    return Upstream(policy, pre, post)


def _check_weights(policy: torch.nn.Module, path: Path) -> None:
    """LeRobot leaves a weight that it cannot load as it was drawn, and says so only in its log.

    Raises:
        ImportRefused: a weight of the policy is not the file's.
    """
    from safetensors import safe_open

    with safe_open(str(path), "pt") as file:
        stored = {name.removeprefix("model."): name for name in file.keys()}  # noqa: SIM118 - no mapping
        loaded, other = set(), []
        for name, value in policy.state_dict().items():
            key = stored.get(name.removeprefix("model."))
            if key is not None and torch.equal(file.get_tensor(key).to(value.dtype), value):
                loaded.add(value.data_ptr())
            else:
                other.append((name, value.data_ptr()))
    lost = [name for name, pointer in other if pointer not in loaded]  # tied weights are stored once
    if lost:
        raise ImportRefused(
            f"{path}: LeRobot has not loaded {lost[0]} from it, and {len(lost) - 1} other weights neither",
            fix="copy the checkpoint again; a LoRA adapter must be merged first",
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(level)
