"""A small, randomly initialised OpenVLA, saved by its own code. Needs OpenVLA's files, timm 0.9 and transformers 4.40.

timm makes the vision towers by names that fix their sizes; `shrunk` makes small ones under the same names.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LLAMA_VOCABULARY = 32064
SENTENCES = ("pick up the Red Block", "push the plate to the left of the stove")
STATISTICS = {
    "q01": [-0.03, -0.02, -0.04, -0.1, -0.12, -0.2, 0.0],
    "q99": [0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 1.0],
    "mask": [True] * 6 + [False],
}


@contextlib.contextmanager
def shrunk() -> Iterator[None]:
    import timm

    before = timm.create_model

    def small(name: str, **options: Any) -> Any:
        return before(name, **options, embed_dim=48, depth=3, num_heads=3)

    timm.create_model = small
    try:
        yield
    finally:
        timm.create_model = before


def openvla(folder: Path, configuration: Any, modeling: Any, processing: Any) -> None:
    """Write a checkpoint with the classes of OpenVLA's three files."""
    config = configuration.OpenVLAConfig(
        norm_stats={"toy": {"action": STATISTICS}},
        vision_backbone_id="dinosiglip-vit-so-224px",
        llm_backbone_id="llama2-7b-pure",
        arch_specifier="no-align+fused-gelu-mlp",
        image_resize_strategy="resize-naive",
        text_config={
            "vocab_size": LLAMA_VOCABULARY,
            "hidden_size": 64,
            "intermediate_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
        },
        pad_token_id=3,
        pad_to_multiple_of=64,
    )
    model = modeling.OpenVLAForActionPrediction(config)
    with torch.no_grad():  # its own spread is for large models: this one would always say the same
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.normal_(std=0.3)
        model.language_model.lm_head.weight[:31744] *= 0.01  # and these tokens are no actions
        model.language_model.lm_head.weight[32000:] *= 0.01
    model.save_pretrained(folder)
    pictures = processing.PrismaticImageProcessor(
        use_fused_vision_backbone=True,
        image_resize_strategy="resize-naive",
        input_sizes=[(3, 224, 224)] * 2,
        interpolations=["bicubic"] * 2,
        means=[(0.484375, 0.455078125, 0.40625), (0.5, 0.5, 0.5)],
        stds=[(0.228515625, 0.2236328125, 0.224609375), (0.5, 0.5, 0.5)],
    )
    processing.PrismaticProcessor(pictures, tokenizer()).save_pretrained(folder)


def tokenizer() -> PreTrainedTokenizerFast:
    """Byte pairs with Llama's special tokens, `<s>` before every prompt."""
    words = Tokenizer(models.BPE(unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<unk>", "<s>", "</s>", "<PAD>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    words.train_from_iterator(["In: What action should the robot take to pick up the red block?\nOut:"] * 4, trainer)
    words.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<PAD>",
        model_input_names=["input_ids", "attention_mask"],
    )
