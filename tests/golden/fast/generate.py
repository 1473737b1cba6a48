"""Train a small FAST tokenizer with its own code, encode and decode with it, and let openpi extract actions from an
answer: see PROVENANCE.md.

    python -m tests.golden.fast.generate --checkout openpi --processor processing_action_tokenizer.py
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
from pathlib import Path

import numpy as np

from tests.golden.stand_ins import absent, package

HORIZON, DIMENSIONS, SCALE, LANGUAGE = 10, 3, 40, 257152  # the last is PaliGemma's vocabulary
BEGIN, BAR, END = (4022, 235292, 235248), 235371, 1


class Language:
    """In the place of PaliGemma's tokenizer, which is not public: ids to text and back, one word an id."""

    def __init__(self) -> None:
        self._words = dict(zip((*BEGIN, BAR, END), ("Action", ":", " ", "|", ""), strict=True))

    def vocab_size(self) -> int:
        return LANGUAGE

    def decode(self, ids: list[int]) -> str:
        return "".join(self._words.get(number, f"<{number}>") for number in ids)

    def encode(self, text: str) -> list[int]:
        return [int(number) for number in re.findall(r"<(\d+)>", text)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkout", type=Path, required=True)
    parser.add_argument("--processor", type=Path, required=True)
    given = parser.parse_args()
    spec = importlib.util.spec_from_file_location("fast", given.processor)
    fast = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fast)
    absent("jax", "orbax", "orbax.checkpoint", "sentencepiece", "openpi.models.utils.fsq_tokenizer")
    absent("openpi.shared", "openpi.shared.download")
    for name in ("openpi", "openpi.models", "openpi.models.utils"):
        package(name, str(given.checkout.resolve() / "src" / name.replace(".", "/")))
    from openpi.models.tokenizer import FASTTokenizer

    rng = np.random.default_rng(10)
    chunks = [smooth(rng) for _ in range(400)]
    processor = fast.UniversalActionProcessor.fit(
        chunks, scale=SCALE, vocab_size=500, time_horizon=HORIZON, action_dim=DIMENSIONS
    )
    here = Path(__file__)
    processor.bpe_tokenizer.backend_tokenizer.save(str(here.with_name("tokenizer.json")), pretty=False)
    openpi = object.__new__(FASTTokenizer)
    openpi._paligemma_tokenizer, openpi._fast_tokenizer, openpi._fast_skip_tokens = Language(), processor, 128

    def answer(tokens: list[int]) -> list[int]:
        return [*BEGIN, *openpi._act_tokens_to_paligemma_tokens(tokens).tolist(), BAR, END]

    def extract(ids: list[int]) -> list[list[float]]:
        return openpi.extract_actions(np.array(ids), HORIZON, DIMENSIONS).tolist()

    good = []
    for chunk in chunks[:25]:
        (tokens,) = processor(chunk)
        good.append(
            {"chunk": chunk.tolist(), "tokens": tokens, "ids": answer(tokens), "actions": extract(answer(tokens))}
        )
    tokens = good[0]["tokens"]
    unwritten = [n for word, n in processor.bpe_tokenizer.get_vocab().items() if word in map(chr, range(0x21))]
    lone = [
        n for word, n in processor.bpe_tokenizer.get_vocab().items() if len(word) == 1 and 0xC2 <= ord(word) <= 0xF4
    ]
    bad = {
        "one token short": answer(tokens[:-1]),
        "one token more": answer([*tokens, tokens[0]]),
        "no beginning": answer(tokens)[len(BEGIN) :],
        "no tokens": answer([]),
        "an id that no token has": answer([*tokens, len(processor.bpe_tokenizer)]),
        "a lone high byte": answer(lone[:1] * (HORIZON * DIMENSIONS)),
        "a token that no encoder writes": answer(unwritten[:1] * (HORIZON * DIMENSIONS)),
    }
    here.with_name("fast.json").write_text(
        json.dumps(
            {
                "horizon": HORIZON,
                "dimensions": DIMENSIONS,
                "vocabulary_size": LANGUAGE,
                "skipped_tokens": 128,
                "scale": processor.scale,
                "min_token": processor.min_token,
                "begin_ids": BEGIN,
                "bar_id": BAR,
                "end_id": END,
                "good": good,
                "bad": {name: {"ids": ids, "actions": extract(ids)} for name, ids in bad.items()},
            },
            indent=None,
        )
        + "\n"
    )


def smooth(rng: np.random.Generator) -> np.ndarray:
    """A random chunk (rows, dimensions) inside -1..1 that moves like a hand."""
    knots = rng.uniform(-1, 1, (3, DIMENSIONS))
    return np.stack([np.interp(np.linspace(0, 2, HORIZON), range(3), knot) for knot in knots.T], 1)


if __name__ == "__main__":
    main()
