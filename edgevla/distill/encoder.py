# mypy: disallow-subclassing-any=False
"""What teacher and students share: a reader of sentences, and an eye that is told what to look for.

The sentence, read by a transformer, modulates the convolutions (FiLM, Perez et al. 2018), so that the keypoints of the
spatial softmax (Finn et al. 2016) are those of the blocks that were named.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgevla.distill.sentences import LENGTH

JOINTS = 6
IMAGE_PX = 96
_HEADS = 4
_GROUPS = 8
_STEM_CHANNELS = 32
_STRIDE = 4


class Attention(nn.Module):
    """One transformer layer over words, those of the padding left out."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.before = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.merge = nn.Linear(width, width)
        self.think = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        """(batch, length, width) words and (batch, length) 1 or 0, to words."""
        width = self.width
        parts = self.query_key_value(self.before(x)).reshape(-1, LENGTH, 3, _HEADS, width // _HEADS)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        score = query @ key.transpose(-1, -2) * (width // _HEADS) ** -0.5
        score = score - 1e4 * (1.0 - there)[:, None, None, :]
        read = (score.softmax(-1) @ value).transpose(1, 2).reshape(-1, LENGTH, width)
        x = x + self.merge(read)
        return x + self.think(x)


class Reader(nn.Module):
    """Words to one vector: embeddings, places, attention, mean over the words."""

    def __init__(self, words: int, width: int, layers: int = 1) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width, padding_idx=0)
        self.place = nn.Parameter(0.1 * torch.randn(LENGTH, width))
        self.layers = nn.ModuleList(Attention(width) for _ in range(layers))

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, length) ids to (batch, width)."""
        there = (tokens > 0).to(torch.float32)
        x = self.embed(tokens) + self.place
        for layer in self.layers:
            x = layer(x, there)
        weight = there / there.sum(1, keepdim=True).clamp(min=1.0)  # engines are warmed up with no words at all
        return (x * weight[:, :, None]).sum(1)


class Modulated(nn.Module):
    """A 3x3 convolution whose channels the sentence scales and shifts."""

    def __init__(self, channels_in: int, channels_out: int, words: int) -> None:
        super().__init__()
        self.convolve = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.norm = nn.GroupNorm(_GROUPS, channels_out)
        self.film = nn.Linear(words, 2 * channels_out)

    def forward(self, x: Tensor, words: Tensor) -> Tensor:
        """(batch, in, h, w) and (batch, words) to (batch, out, h, w)."""
        scale, shift = self.film(words)[:, :, None, None].chunk(2, dim=1)
        return functional.relu(self.norm(self.convolve(x)) * (1.0 + scale) + shift)


class Eye(nn.Module):
    """A picture and a sentence to the places of keypoints in the picture."""

    def __init__(self, channels: int, keypoints: int, words: int, *, picture_px: int = IMAGE_PX) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, _STEM_CHANNELS, 6, stride=_STRIDE, padding=1)
        self.first = Modulated(_STEM_CHANNELS, channels, words)
        self.second = Modulated(channels, channels, words)
        self.heat = nn.Conv2d(channels, keypoints, 1)
        line = torch.linspace(-1.0, 1.0, picture_px // _STRIDE)
        self.register_buffer("grid", torch.stack(torch.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2))

    def forward(self, picture: Tensor, words: Tensor) -> Tensor:
        """(batch, 3, picture_px, picture_px) in 0..1 and (batch, words) to (batch, 2 * keypoints) places in -1..1."""
        x = functional.relu(self.stem(picture - 0.5))
        x = self.second(self.first(x, words), words)
        heat = self.heat(x).flatten(2).softmax(-1)
        return (heat @ self.grid).flatten(1)
