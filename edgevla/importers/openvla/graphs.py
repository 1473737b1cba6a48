# mypy: disallow-subclassing-any=False
"""OpenVLA as a prefix, which reads picture and prompt, and a step, which answers one more token.

Upstream appends to its keys and values; a graph has fixed shapes, so places for them are there from the start, and a
mask tells which are filled. A prompt shorter than the longest leaves places unused between its own and the answer's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgevla.importers.pillow_resize import PillowResize

_NEVER = -1e30  # added to the attention of places that are not there; engines in half precision take it for -inf


class Pixels(nn.Module):
    """A picture as the vision towers take it: PrismaticImageProcessor's resize and its normalisation, one a tower."""

    def __init__(self, resize: PillowResize, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.resize = resize
        self.towers = len(config["tvf_normalize_params"])
        for index, each in enumerate(config["tvf_normalize_params"]):
            self.register_buffer(f"mean_{index}", torch.tensor(each["mean"]).reshape(1, 3, 1, 1))
            self.register_buffer(f"std_{index}", torch.tensor(each["std"]).reshape(1, 3, 1, 1))

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """(1, 3, height, width) in 0..1 to (1, 3 * towers, side, side)."""
        picture = self.resize(picture)
        seen = [
            (picture - self.get_buffer(f"mean_{index}")) / self.get_buffer(f"std_{index}")
            for index in range(self.towers)
        ]
        return torch.cat(seen, dim=1)


class Places:
    """Keys and values in fixed places, as a layer of the language model wants its cache.

    Args:
        kept: keys and values of each layer, or None while the prompt is read.
        chosen: (places,) 0 and 1, which place the new ones go to.
    """

    def __init__(self, kept: list[tuple[torch.Tensor, torch.Tensor]] | None, chosen: torch.Tensor | None) -> None:
        self.kept = kept or []
        self._chosen = chosen

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, told: object = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Put keys and values of a layer (1, heads, length, width) where they belong; all of the layer's come back."""
        del told
        if self._chosen is None:
            self.kept.append((keys, values))
        else:
            new = self._chosen[None, None, :, None]
            old_keys, old_values = self.kept[layer]
            self.kept[layer] = (old_keys + new * (keys - old_keys), old_values + new * (values - old_values))
        return self.kept[layer]


class Prefix(nn.Module):
    """Picture and prompt to the logits of the first token.

    Args:
        model: upstream's.
        pixels: what it sees.
        pad_id: of the prompt.
        further: tokens to come, for which places are kept.
    """

    def __init__(self, model: Any, pixels: Pixels, pad_id: int, further: int) -> None:  # noqa: ANN401 - upstream's
        super().__init__()
        self.model, self.pixels = model, pixels
        self._pad_id, self._further = pad_id, further

    def forward(self, picture: torch.Tensor, tokens: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Logits (1, vocabulary), the mask of the prompt (1, length), how many are there (1,), keys and values."""
        patches = self.model.projector(self.model.vision_backbone(self.pixels(picture)))
        words = self.model.get_input_embeddings()(tokens)
        embedded = torch.cat([words[:, :1], patches, words[:, 1:]], dim=1)  # the pictures stand behind <s>
        there = (tokens != self._pad_id).to(torch.float32)
        mask = torch.cat([there[:, :1], torch.ones(patches.shape[:2]), there[:, 1:]], dim=1)
        length = mask.shape[1]
        count = mask.sum(dim=1).to(torch.int64)
        causal = torch.tril(torch.ones(length, length)) * mask[:, None]
        places = Places(None, None)
        positions = torch.arange(length)[None]
        hidden = language(self.model, embedded, positions, (1.0 - causal[:, None]) * _NEVER, places)
        last = (torch.arange(length)[None] == count[:, None] - 1).to(torch.float32)
        logits = self.model.language_model.lm_head((last[:, None] @ hidden)[:, 0])
        kept = [nn.functional.pad(tensor, (0, 0, 0, self._further)) for pair in places.kept for tensor in pair]
        return (logits, mask, count, *kept)


class Step(nn.Module):
    """The token chosen last to the logits of the next."""

    def __init__(self, model: Any, further: int) -> None:  # noqa: ANN401 - upstream's
        super().__init__()
        self.model, self._further = model, further

    def forward(
        self, token: torch.Tensor, step: torch.Tensor, mask: torch.Tensor, count: torch.Tensor, *kept: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Logits (1, vocabulary), and keys and values with the token's in them."""
        answered = torch.arange(self._further)
        chosen = torch.cat([torch.zeros(mask.shape[1]), (answered == step).to(torch.float32)])
        seen = torch.cat([mask, (answered <= step).to(torch.float32)[None]], dim=1)
        places = Places(list(zip(kept[::2], kept[1::2], strict=True)), chosen)
        embedded = self.model.get_input_embeddings()(token)
        hidden = language(self.model, embedded, (count + step)[None], (1.0 - seen[:, None, None]) * _NEVER, places)
        logits = self.model.language_model.lm_head(hidden[:, 0])
        return (logits, *(tensor for pair in places.kept for tensor in pair))


def language(
    model: Any,  # noqa: ANN401 - upstream's
    embedded: torch.Tensor,
    positions: torch.Tensor,
    mask: torch.Tensor,
    places: Places,
) -> torch.Tensor:
    """The layers of the language model with a mask (1, 1, queries, places) and places of our own."""
    decoder = model.language_model.model
    hidden = embedded
    for layer in decoder.layers:
        hidden = layer(
            hidden,
            attention_mask=mask,
            position_ids=positions,
            past_key_value=places,
            use_cache=True,
            cache_position=positions[0],
        )[0]
    normed: torch.Tensor = decoder.norm(hidden)
    return normed
