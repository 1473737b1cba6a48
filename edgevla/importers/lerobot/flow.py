# mypy: disallow-subclassing-any=False
"""What SmolVLA, pi0 and pi0.5 share: a prefix that fills keys and values, and a step that reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from edgevla.config.policy_families import Flow
from edgevla.importers import statistics
from edgevla.importers.export import Piece
from edgevla.importers.lerobot.files import ACTION, STATE
from edgevla.importers.lerobot.inputs import TOKENS, Camera, examples, named, state_spec, words_spec
from edgevla.importers.network import Network, Sentences

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgevla.importers.answers import Answers
    from edgevla.importers.lerobot.files import Checkpoint

MASK = "mask"


class Prefix(nn.Module):
    """Everything that does not depend on the sample.

    Args:
        model: upstream's, whose weights are exported.
        encode: (batch under upstream's names, tokens, mask of the tokens) -> mask of the prefix and its cache.
        cameras: the first inputs.
        pad_id: tokens that are not there.
        tells_state: whether the state is an input, after the tokens.
    """

    def __init__(
        self,
        model: nn.Module,
        encode: Callable[[dict[str, torch.Tensor], torch.Tensor, torch.Tensor], tuple[torch.Tensor, Any]],
        cameras: list[Camera],
        pad_id: int,
        *,
        tells_state: bool,
    ) -> None:
        super().__init__()
        self.model = model
        self._encode, self._cameras, self._pad_id = encode, cameras, pad_id
        self.tells_state = tells_state

    def forward(self, *values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Pictures, tokens and maybe the state: the mask as 0 and 1, then keys and values layer by layer."""
        names = [camera.name for camera in self._cameras] + [TOKENS] + ["state"] * self.tells_state
        given = dict(zip(names, values, strict=True))
        tokens = given[TOKENS]
        mask, cache = self._encode(named(self._cameras, given), tokens, tokens != self._pad_id)
        return (mask.to(torch.float32), *(tensor for layer in cache.layers for tensor in (layer.keys, layer.values)))


class Step(nn.Module):
    """One evaluation of the velocity.

    Args:
        model: upstream's.
        denoise: (sample, time, mask, cache, state or None) -> velocity.
        tells_state: whether the state is an input, after time.
    """

    def __init__(self, model: nn.Module, denoise: Callable[..., torch.Tensor], *, tells_state: bool) -> None:
        super().__init__()
        self.model = model
        self._denoise = denoise
        self.tells_state = tells_state

    def forward(self, sample: torch.Tensor, time: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        """The sample, its time, maybe the state, the mask, keys and values: the velocity."""
        from transformers import DynamicCache

        state = values[0] if self.tells_state else None
        mask, *cached = values[self.tells_state :]
        cache = DynamicCache()
        for layer, (keys, kept) in enumerate(zip(cached[::2], cached[1::2], strict=True)):
            cache.update(keys, kept, layer)
        return self._denoise(sample, time, mask > 0.5, cache, state)


def flow_network(
    checkpoint: Checkpoint,
    answers: Answers,
    cameras: list[Camera],
    sentences: Sentences,
    prefix: Prefix,
    step: Step,
    *,
    steps: int,
) -> Network:
    """Return the two graphs; the state goes to whichever of them asks for it.

    Args:
        steps: of denoising.
    """
    config, count = checkpoint.config, len(answers.joints)
    state = state_spec(count)
    words = words_spec(sentences)
    first = (*(camera.spec for camera in cameras), words, *([state] * prefix.tells_state))
    given = examples((*first, state))
    with torch.no_grad():
        encoded = prefix(*(given[spec.name] for spec in first))
    names = [f"{what}_{layer:02d}" for layer in range(len(encoded) // 2) for what in ("keys", "values")]
    outputs = (MASK, *names)
    sample = torch.randn(
        (1, config["chunk_size"], config["max_action_dim"]), generator=torch.Generator().manual_seed(1)
    )
    taken = {"sample": sample, "time": torch.tensor([0.7])}
    if step.tells_state:
        taken["state"] = given["state"]
    taken |= dict(zip(outputs, encoded, strict=True))
    return Network(
        family="flow",
        prefix=Piece("prefix", prefix, {spec.name: given[spec.name] for spec in first}, outputs),
        step=Piece("step", step, taken, ("velocity",)),
        inputs=(*first, *([state] * step.tells_state)),
        state=statistics.of_state(checkpoint.scalings[STATE], answers.joints),
        action=statistics.of_action(checkpoint.scalings[ACTION], answers.joints, checkpoint.relative),
        horizon=config["chunk_size"],
        relative=checkpoint.relative,
        sections={"flow": Flow(steps=steps, direction="noise_at_1", width=config["max_action_dim"], seed=answers.seed)},
        sentences=sentences,
    )
