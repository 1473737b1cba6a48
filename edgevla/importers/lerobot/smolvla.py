"""LeRobot's SmolVLA: a small vision-language model whose keys and values an action expert reads at every step."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from edgevla.importers.errors import ImportRefused
from edgevla.importers.lerobot.flow import Prefix, Step, flow_network
from edgevla.importers.lerobot.inputs import cameras_of, sentences_of
from edgevla.importers.traced import FirstIsLeast, rope, swapped, time_embedding

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from edgevla.importers.answers import Answers
    from edgevla.importers.lerobot.files import Checkpoint
    from edgevla.importers.lerobot.policy import Upstream
    from edgevla.importers.network import Network


@contextlib.contextmanager
def exporting() -> Iterator[None]:
    """Upstream's functions that engines cannot run, rewritten."""
    from lerobot.policies.smolvla import modeling_smolvla, smolvlm_with_expert

    with (
        swapped(modeling_smolvla, create_sinusoidal_pos_embedding=time_embedding),
        swapped(smolvlm_with_expert, apply_rope=rope, torch=FirstIsLeast()),
    ):
        yield


def network(checkpoint: Checkpoint, upstream: Upstream, answers: Answers) -> Network:
    """Return SmolVLA's two graphs.

    Raises:
        ImportRefused: the configuration is one that the graphs would not follow.
    """
    policy, config = upstream.policy, checkpoint.config
    if config.get("adapt_to_pi_aloha"):
        raise ImportRefused("adapt_to_pi_aloha turns joints of the ALOHA robot around; a bundle cannot")
    if not config.get("use_cache", True):
        raise ImportRefused("use_cache is off, so that nothing could be computed once a chunk")
    cameras = cameras_of(checkpoint, answers, fits_any_size=True)
    sentences = sentences_of(checkpoint, upstream, prompt="{instruction}\n")
    policy.model.vlm_with_expert.vlm.set_attn_implementation("eager")

    def encode(batch: dict[str, torch.Tensor], tokens: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, Any]:
        return _encode(policy, batch, tokens, mask)

    def denoise(
        sample: torch.Tensor, time: torch.Tensor, mask: torch.Tensor, cache: object, state: torch.Tensor | None
    ) -> torch.Tensor:
        del state
        velocity: torch.Tensor = policy.model.denoise_step(mask, cache, sample, time)
        return velocity

    prefix = Prefix(policy.model, encode, cameras, sentences.config.pad_id, tells_state=True)
    step = Step(policy.model, denoise, tells_state=False)
    return flow_network(checkpoint, answers, cameras, sentences, prefix, step, steps=config["num_steps"])


def _encode(
    policy: Any,  # noqa: ANN401 - upstream's
    batch: dict[str, torch.Tensor],
    tokens: torch.Tensor,
    mask: torch.Tensor,
) -> tuple[torch.Tensor, Any]:
    """The first half of upstream's `sample_actions`."""
    import torch
    from lerobot.policies.smolvla.modeling_smolvla import make_att_2d_masks

    model = policy.model
    pictures, seen = policy.prepare_images(batch)
    embedded, valid, causal = model.embed_prefix(pictures, seen, tokens, mask, state=policy.prepare_state(batch))
    _, cache = model.vlm_with_expert.forward(
        attention_mask=make_att_2d_masks(valid, causal),
        position_ids=torch.cumsum(valid.to(torch.int64), dim=1) - 1,
        past_key_values=None,
        inputs_embeds=[embedded, None],
        use_cache=True,
    )
    return valid, cache
