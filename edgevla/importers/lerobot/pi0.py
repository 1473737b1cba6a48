"""LeRobot's pi0 and pi0.5: PaliGemma's keys and values, and an action expert that reads them at every step.

They differ in the state: pi0 shows it to the expert, pi0.5 tells it in the prompt.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from edgevla.importers.lerobot.flow import Prefix, Step, flow_network
from edgevla.importers.lerobot.inputs import cameras_of, sentences_of
from edgevla.importers.traced import swapped, time_embedding

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from edgevla.importers.answers import Answers
    from edgevla.importers.lerobot.files import Checkpoint
    from edgevla.importers.lerobot.policy import Upstream
    from edgevla.importers.network import Network

_PROMPTS = {
    "pi0": {"prompt": "{instruction}\n"},
    "pi05": {"prompt": "Task: {instruction}, State: {state};\nAction: ", "spelling": "spaces"},
}


@contextlib.contextmanager
def exporting() -> Iterator[None]:
    """Upstream's functions that engines cannot run, rewritten."""
    from lerobot.policies.pi0 import modeling_pi0
    from lerobot.policies.pi05 import modeling_pi05

    with (
        swapped(modeling_pi0, create_sinusoidal_pos_embedding=time_embedding),
        swapped(modeling_pi05, create_sinusoidal_pos_embedding=time_embedding),
    ):
        yield


def network(checkpoint: Checkpoint, upstream: Upstream, answers: Answers) -> Network:
    """Return the two graphs of pi0 or pi0.5."""
    policy, config = upstream.policy, checkpoint.config
    shows_state = config["type"] == "pi0"
    cameras = cameras_of(checkpoint, answers, fits_any_size=True)
    sentences = sentences_of(checkpoint, upstream, **_PROMPTS[config["type"]])
    experts = policy.model.paligemma_with_expert
    experts.paligemma.set_attn_implementation("eager")
    experts.gemma_expert.set_attn_implementation("eager")

    def encode(batch: dict[str, torch.Tensor], tokens: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, Any]:
        return _encode(policy, batch, tokens, mask)

    def denoise(
        sample: torch.Tensor, time: torch.Tensor, mask: torch.Tensor, cache: object, state: torch.Tensor | None
    ) -> torch.Tensor:
        shown = {} if state is None else {"state": policy.prepare_state({"observation.state": state})}
        velocity: torch.Tensor = policy.model.denoise_step(
            prefix_pad_masks=mask, past_key_values=cache, x_t=sample, timestep=time, **shown
        )
        return velocity

    prefix = Prefix(policy.model, encode, cameras, sentences.config.pad_id, tells_state=False)
    step = Step(policy.model, denoise, tells_state=shows_state)
    return flow_network(checkpoint, answers, cameras, sentences, prefix, step, steps=config["num_inference_steps"])


def _encode(
    policy: Any,  # noqa: ANN401 - upstream's
    batch: dict[str, torch.Tensor],
    tokens: torch.Tensor,
    mask: torch.Tensor,
) -> tuple[torch.Tensor, Any]:
    """The first half of upstream's `sample_actions`."""
    import torch
    from lerobot.policies.common.vla_utils import make_att_2d_masks, prepare_attention_masks_4d

    model = policy.model
    pictures, seen = policy._preprocess_images(batch)
    embedded, valid, causal = model.embed_prefix(pictures, seen, tokens, mask)
    _, cache = model.paligemma_with_expert.forward(
        attention_mask=prepare_attention_masks_4d(make_att_2d_masks(valid, causal)),
        position_ids=torch.cumsum(valid.to(torch.int64), dim=1) - 1,
        past_key_values=None,
        inputs_embeds=[embedded, None],
        use_cache=True,
    )
    return valid, cache
