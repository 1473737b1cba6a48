"""Byte pairs learned from the chunks themselves, written as the `tokenizer.json` that pi0-FAST's tokenizer has.

The training of Sennrich, Haddow and Birch ("Neural machine translation of rare words with subword units", 2016): the
pair that occurs most becomes a token, again and again. What is learned from are texts of one letter a coefficient.
"""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CHARACTERS = 128
_PRINTABLE = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))


class BytePairTokenizer:
    """Texts of characters below 128 to tokens.

    Attributes:
        lengths: how many characters each token stands for.
    """

    def __init__(self) -> None:
        self._spelled = [_letter(number) for number in range(CHARACTERS)]
        self._numbers = {spelling: number for number, spelling in enumerate(self._spelled)}
        self._merges: dict[tuple[int, int], tuple[int, int]] = {}  # pair -> when it was learned, what it becomes
        self.lengths = [1] * CHARACTERS

    def __len__(self) -> int:
        return len(self._spelled)

    @classmethod
    def learn(cls, texts: Iterable[Sequence[int]], size: int) -> BytePairTokenizer:
        """Learn merges until there are `size` tokens, or no pair occurs twice.

        Args:
            texts: characters as numbers 0..127.
        """
        tokenizer = cls()
        counted = Counter(tuple(text) for text in texts)
        words = [(list(text), weight) for text, weight in counted.items()]
        while len(tokenizer) < size:
            pairs: Counter[tuple[int, int]] = Counter()
            for word, weight in words:
                for pair in pairwise(word):
                    pairs[pair] += weight
            best = min(pairs, key=lambda pair: (-pairs[pair], pair), default=None)
            if best is None or pairs[best] < 2:
                break
            number = tokenizer._add(best)
            words = [(_merged(word, best, number), weight) for word, weight in words]
        return tokenizer

    def encode(self, text: Sequence[int]) -> list[int]:
        """Join pairs in the order in which they were learned."""
        word = list(text)
        while known := [(*self._merges[pair], pair) for pair in pairwise(word) if pair in self._merges]:
            _, number, pair = min(known)
            word = _merged(word, pair, number)
        return word

    def _add(self, pair: tuple[int, int]) -> int:
        """Make a token of a pair; two pairs that are spelled alike become one."""
        first, second = pair
        spelling = self._spelled[first] + self._spelled[second]
        number = self._numbers.setdefault(spelling, len(self))
        if number == len(self):
            self._spelled.append(spelling)
            self.lengths.append(self.lengths[first] + self.lengths[second])
        self._merges[pair] = len(self._merges), number
        return number

    def to_json(self) -> str:
        """The file that `edgevla.policy.decode.byte_pairs.BytePairs.load` reads, and Hugging Face's tokenizers too."""
        merges = [f"{self._spelled[first]} {self._spelled[second]}" for first, second in self._merges]
        level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
        content = {
            "version": "1.0",
            "added_tokens": [],
            "pre_tokenizer": level,
            "decoder": level,
            "model": {"type": "BPE", "vocab": self._numbers, "merges": merges},
        }
        return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _merged(word: list[int], pair: tuple[int, int], number: int) -> list[int]:
    merged, index = [], 0
    while index < len(word):
        if index + 1 < len(word) and (word[index], word[index + 1]) == pair:
            merged.append(number)
            index += 2
        else:
            merged.append(word[index])
            index += 1
    return merged


def _letter(byte: int) -> str:
    """GPT-2's letter of a byte: itself where it is printable, else the next free one from U+0100 on."""
    if byte in _PRINTABLE:
        return chr(byte)
    return chr(256 + sum(other not in _PRINTABLE for other in range(byte)))
