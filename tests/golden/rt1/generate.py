"""Run RT-1's own action tokenizer: see PROVENANCE.md.

python -m tests.golden.rt1.generate --checkout robotics_transformer
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from tests.golden.stand_ins import absent, package

BINS = 256
RANGES = {
    "world_vector": (-1.75, 1.75, 3),
    "rotation_delta": (-1.4, 1.4, 3),
    "gripper_closedness_action": (-1.0, 1.0, 1),
}


class Actions(dict):
    """What tensor2robot's TensorSpecStruct is to the tokenizer: a dictionary in order."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkout", type=Path, required=True)
    root = parser.parse_args().checkout.resolve()
    absent("tensor2robot", "tensor2robot.utils", "tensor2robot.utils.tensorspec_utils")
    sys.modules["tensor2robot.utils"].tensorspec_utils = SimpleNamespace(TensorSpecStruct=Actions)
    package("rt1_tokenizers", str(root / "tokenizers"))
    import tensorflow as tf
    from rt1_tokenizers.action_tokenizer import RT1ActionTokenizer

    specs = Actions(terminate_episode=SimpleNamespace(shape=(2,), dtype=tf.int32))
    for name, (low, high, size) in RANGES.items():
        specs[name] = SimpleNamespace(
            shape=(size,), dtype=tf.float32, minimum=np.float32(low), maximum=np.float32(high)
        )
    tokenizer = RT1ActionTokenizer(specs, vocab_size=BINS, action_order=list(specs))
    rng = np.random.default_rng(6)
    tokens = np.concatenate([np.arange(BINS)[:, None].repeat(8, 1), rng.integers(0, BINS, (200, 8))]).astype(np.int32)
    tokens[:, 0] = rng.integers(0, 2, len(tokens))
    found = tokenizer.detokenize(tf.constant(tokens))
    actions = Actions(
        {
            name: tf.constant(rng.uniform(1.2 * low, 1.2 * high, (300, size)), tf.float32)
            for name, (low, high, size) in RANGES.items()
        },
        terminate_episode=tf.one_hot(rng.integers(0, 2, 300), 2, dtype=tf.int32),
    )
    strange = tokenizer.detokenize(tf.constant([[7] + [128] * 7], tf.int32))
    np.savez_compressed(
        Path(__file__).with_name("rt1.npz"),
        tokens=tokens,
        terminate=found["terminate_episode"].numpy(),
        actions=np.concatenate([found[name].numpy() for name in RANGES], -1),
        low=np.concatenate([np.full(size, low) for low, _, size in RANGES.values()]),
        high=np.concatenate([np.full(size, high) for _, high, size in RANGES.values()]),
        encoded_actions=np.concatenate([actions[name].numpy() for name in RANGES], -1),
        encoded_tokens=tokenizer.tokenize(actions).numpy(),
        strange_terminate=strange["terminate_episode"].numpy(),
    )


if __name__ == "__main__":
    main()
