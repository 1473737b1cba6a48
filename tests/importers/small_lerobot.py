"""Small, randomly initialised LeRobot policies, saved by LeRobot itself with its own processors. Needs LeRobot.

Where LeRobot fixes a size in its code (pi0: two variants of Gemma, the vision tower and the vocabulary) or asks a hub,
`shrunk` puts a small one in its place. What is computed stays upstream's.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import torch
from lerobot.configs import FeatureType, PolicyFeature
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

JOINTS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")
HEIGHT, WIDTH, CHUNK, STEPS = 48, 64, 8, 4
SENTENCES = ("pick up the red cube and put it into the green box", "push the block left", "touch the blue block")


def features(*cameras: str) -> dict[str, Any]:
    pictures = {f"observation.images.{name}": PolicyFeature(FeatureType.VISUAL, (3, HEIGHT, WIDTH)) for name in cameras}
    state = {"observation.state": PolicyFeature(FeatureType.STATE, (len(JOINTS),))}
    return {
        "input_features": {**pictures, **state},
        "output_features": {"action": PolicyFeature(FeatureType.ACTION, (len(JOINTS),))},
        "chunk_size": CHUNK,
        "n_action_steps": CHUNK,
        "device": "cpu",
        "push_to_hub": False,
    }


def statistics(*cameras: str) -> dict[str, dict[str, torch.Tensor]]:
    """Degrees, and 0..100 for the gripper, as LeRobot's SO-101 records them."""
    middle = torch.tensor([3.0, -50.0, 40.0, 60.0, -5.0, 30.0])
    spread = torch.tensor([25.0, 30.0, 28.0, 15.0, 40.0, 20.0])
    numbers = {"mean": middle, "std": spread, "q01": middle - 2 * spread, "q99": middle + 2 * spread}
    colours = {
        "mean": torch.tensor([0.485, 0.456, 0.406]).reshape(3, 1, 1),
        "std": torch.tensor([0.229, 0.224, 0.225]).reshape(3, 1, 1),
    }
    pictures = {f"observation.images.{name}": colours for name in cameras}
    return {"observation.state": numbers, "action": {key: 0.9 * value for key, value in numbers.items()}, **pictures}


def save(folder: Path, config: Any, policy: Any, make_processors: Callable[..., Any], *cameras: str) -> None:
    policy.save_pretrained(folder)
    for pipeline in make_processors(config, statistics(*cameras)):
        pipeline.save_pretrained(folder)


def act(folder: Path) -> None:
    from lerobot.policies.act.modeling_act import ACTConfig, ACTPolicy
    from lerobot.policies.act.processor_act import make_act_pre_post_processors

    config = ACTConfig(
        **features("front", "wrist"),
        dim_model=32,
        n_heads=4,
        dim_feedforward=64,
        n_encoder_layers=2,
        n_vae_encoder_layers=1,
        latent_dim=8,
        pretrained_backbone_weights=None,
    )
    save(folder, config, ACTPolicy(config), make_act_pre_post_processors, "front", "wrist")


def smolvla(folder: Path) -> None:
    from lerobot.policies.smolvla.modeling_smolvla import SmolVLAConfig, SmolVLAPolicy
    from lerobot.policies.smolvla.processor_smolvla import make_smolvla_pre_post_processors

    config = SmolVLAConfig(
        **features("front", "wrist", "top"),
        vlm_model_name=str(small_vlm(folder.parent / "vlm")),
        load_vlm_weights=False,
        num_steps=STEPS,
        resize_imgs_with_padding=(64, 64),
        num_vlm_layers=4,
        self_attn_every_n_layers=2,
    )
    save(folder, config, SmolVLAPolicy(config), make_smolvla_pre_post_processors)


def small_vlm(folder: Path) -> Path:
    """The vision-language model that SmolVLA stands on, without its weights."""
    from transformers import SmolVLMConfig, SmolVLMImageProcessor, SmolVLMProcessor, SmolVLMVideoProcessor

    special = {
        "fake_image_token": "<fake_token_around_image>",
        "image_token": "<image>",
        "global_image_token": "<global-img>",
        "end_of_utterance_token": "<end_of_utterance>",
    }
    words = trained(["<|endoftext|>", "<|im_start|>", "<|im_end|>", *special.values()])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<|im_end|>", unk_token="<|endoftext|>", extra_special_tokens=special
    )
    processor = SmolVLMProcessor(SmolVLMImageProcessor(), tokenizer, SmolVLMVideoProcessor(), image_seq_len=4)
    processor.save_pretrained(folder)
    SmolVLMConfig(
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 64,
            "patch_size": 8,
        },
        text_config={
            "model_type": "llama",
            "hidden_size": 48,
            "intermediate_size": 96,
            "num_hidden_layers": 4,
            "num_attention_heads": 6,
            "num_key_value_heads": 2,
            "head_dim": 8,
            "vocab_size": len(tokenizer),
            "pad_token_id": tokenizer.pad_token_id,
        },
        scale_factor=4,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=tokenizer.pad_token_id,
    ).save_pretrained(folder)
    return folder


def pi0(folder: Path) -> None:
    from lerobot.policies.pi0.modeling_pi0 import PI0Config, PI0Policy
    from lerobot.policies.pi0.processor_pi0 import make_pi0_pre_post_processors

    names = [f"{joint}.pos" for joint in JOINTS]
    config = PI0Config(**features("front", "wrist", "top"), **SMALL_PI, use_relative_actions=True)
    config.action_feature_names = names  # all but the gripper are relative to the state
    with hub_names(small_paligemma(folder.parent / "paligemma")):
        save(folder, config, PI0Policy(config), make_pi0_pre_post_processors)


def pi05(folder: Path) -> None:
    from lerobot.policies.pi05.modeling_pi05 import PI05Config, PI05Policy
    from lerobot.policies.pi05.processor_pi05 import make_pi05_pre_post_processors

    config = PI05Config(**features("front", "wrist"), **SMALL_PI, tokenizer_max_length=100)
    policy = PI05Policy(config)
    for name, weight in policy.named_parameters():
        if "layernorm.dense" in name or "norm.dense" in name:  # zero at first, and nothing would reach the actions
            torch.nn.init.normal_(weight, std=0.1)
    with hub_names(small_paligemma(folder.parent / "paligemma")):
        save(folder, config, policy, make_pi05_pre_post_processors)


SMALL_PI: dict[str, Any] = {"num_inference_steps": STEPS, "image_resolution": (28, 28)}


def small_paligemma(folder: Path) -> Path:
    """A tokenizer with PaliGemma's special tokens and ids, `<bos>` before every sentence."""
    words = trained(["<pad>", "<eos>", "<bos>", "<unk>"])
    words.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 2)])
    PreTrainedTokenizerFast(
        tokenizer_object=words, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>", unk_token="<unk>"
    ).save_pretrained(folder)
    return folder


def trained(special: list[str]) -> Tokenizer:
    """Byte pairs of our sentences, and every byte."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=special, initial_alphabet=sorted(alphabet), show_progress=False
    )
    tokenizer.train_from_iterator(sorted(SENTENCES) * 4, trainer)
    return tokenizer


@contextlib.contextmanager
def hub_names(tokenizer: Path) -> Iterator[None]:
    """LeRobot writes the hub's name of PaliGemma's tokenizer into a checkpoint, after having loaded it."""
    from lerobot.processor import tokenizer_processor

    class Local:
        @staticmethod
        def from_pretrained(name: str, **kwargs: Any) -> Any:
            del name, kwargs
            return PreTrainedTokenizerFast.from_pretrained(tokenizer)

    before, tokenizer_processor.AutoTokenizer = tokenizer_processor.AutoTokenizer, Local
    try:
        yield
    finally:
        tokenizer_processor.AutoTokenizer = before


@contextlib.contextmanager
def shrunk() -> Iterator[None]:
    """Small variants in the place of those whose sizes LeRobot's pi0 and pi0.5 write into their code."""
    from lerobot.policies.pi0 import modeling_pi0
    from lerobot.policies.pi05 import modeling_pi05

    with contextlib.ExitStack() as stack:
        for module in (modeling_pi0, modeling_pi05):
            stack.callback(setattr, module, "get_gemma_config", module.get_gemma_config)
            full = module.PaliGemmaForConditionalGenerationWithPiGemma
            stack.callback(setattr, module, "PaliGemmaForConditionalGenerationWithPiGemma", full)
            module.get_gemma_config = _small_gemma(module.GemmaConfig)
            module.PaliGemmaForConditionalGenerationWithPiGemma = _small_paligemma(full)
        yield


def _small_gemma(config: Callable[..., Any]) -> Callable[[str], Any]:
    def variant(name: str) -> Any:
        width = 64 if name == "gemma_2b" else 32
        return config(width=width, depth=2, mlp_dim=64, num_heads=8, num_kv_heads=1, head_dim=16)

    return variant


def _small_paligemma(full: Callable[..., Any]) -> Callable[..., Any]:
    def build(config: Any) -> Any:
        vision, text = config.vision_config, config.text_config
        vision.hidden_size, vision.intermediate_size, vision.projection_dim = 32, 64, text.hidden_size
        vision.num_hidden_layers, vision.num_attention_heads = 2, 2
        text.vocab_size = 512
        config.image_token_index = 511
        return full(config=config)

    return build
