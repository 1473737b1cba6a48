"""Which bundles are decoded on the device, and by which node: those whose decoder needs nothing but tables."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from edgevla.engine.decode_node import DecodeNode
from edgevla.engine.decoding import Decoding
from edgevla.engine.native import CUDA, PLUGIN, NativeMissing, Statistics, find
from edgevla.engine.native_abi import HALF, SCALE
from edgevla.errors import EdgeVLAError
from edgevla.policy.decode.base import FARTHEST
from edgevla.policy.decode.tokens import token_values
from edgevla.policy.normalise import Unnormalise

if TYPE_CHECKING:
    from edgevla.bundle import Manifest
    from edgevla.config.policy import Normalisation


class NotFused(EdgeVLAError):
    """This bundle's decoder has to run after the engine."""


def statistics_of(normalisation: Normalisation) -> Statistics:
    """Return the statistics as the kernels take them; without bounds, which are the limits' business."""
    numbers = Unnormalise(normalisation)
    rule = HALF if numbers.is_range else SCALE
    mask = None if numbers.mask.all() else numbers.mask
    return Statistics(rule, FARTHEST[normalisation.kind], numbers.scale, numbers.offset, mask)


def decode_node(manifest: Manifest) -> DecodeNode:
    """Return the node for a bundle of the family regression or tokens that takes one pass.

    Its actions are those of the decoder before the measured position is added to a delta.

    Raises:
        NotFused: another family, or one of its options, needs more than the node does.
    """
    if manifest.steps:
        raise NotFused(f"{manifest.name}: what its steps end in is decoded after the engine")
    action, tokens, regression = manifest.action, manifest.tokens, manifest.regression
    statistics = statistics_of(action.normalisation)
    if manifest.family == "tokens" and tokens is not None:
        if not tokens.logits or tokens.stop_id is not None:
            raise NotFused(f"{manifest.name}: tokens with a stop_id, or without logits, are decoded after the engine")
        values = token_values(tokens.style, tokens.bins)
        return DecodeNode(
            action.output, "token_logits", action.horizon, len(action.names), statistics, tokens.first_id, values
        )
    if manifest.family == "regression":
        if regression is not None and (regression.tanh or regression.mu_law or regression.gripper is not None):
            raise NotFused(f"{manifest.name}: tanh, mu_law and a gripper logit are decoded after the engine")
        return denoised_node(manifest)
    raise NotFused(f"{manifest.name}: the family {manifest.family} is decoded after the engine")


def denoised_node(manifest: Manifest) -> DecodeNode:
    """Return the node for normalised numbers that are the chunk already: what a denoising loop ends in."""
    action = manifest.action
    statistics = statistics_of(action.normalisation)
    return DecodeNode(action.output, "unnormalise", action.horizon, len(action.names), statistics)


def is_captured(manifest: Manifest) -> bool:
    """Whether the policy denoises, and its loop can be one graph: real-time chunking looks in between two steps."""
    denoises = manifest.flow is not None or manifest.diffusion is not None
    return bool(manifest.steps) and denoises and manifest.execution.kind != "rtc"


def decoding_of(manifest: Manifest) -> Decoding | None:
    """Return how a policy is decoded on this machine's GPU: by the plugin, else by the kernels.

    A captured loop ends in the kernels. None where the decoder does it, on the processor: the family needs it, or no
    such library is here.
    """
    if is_captured(manifest):
        with suppress(NativeMissing):
            return Decoding(denoised_node(manifest), find(CUDA))
        return None
    with suppress(NotFused):
        node = decode_node(manifest)
        for library in (PLUGIN, CUDA):
            with suppress(NativeMissing):
                return Decoding(node, find(library))
    return None
