"""Sentences to token ids by a list of words. A word the policy never saw is refused: nobody knows what it would do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from edgevla.policy.errors import InputRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class InstructionError(InputRefused):
    """A sentence this policy cannot be given: empty, too long, or with a word it never saw."""


def words_of(text: str) -> list[str]:
    """Split a sentence into lower-case words; punctuation separates and is dropped."""
    return re.findall(r"\w+", text.lower())


class Vocabulary:
    """The words of a policy.

    Args:
        entries: the lines of the vocabulary; the line number is the id, the first line is padding.
        length: tokens per sentence.
    """

    def __init__(self, entries: Sequence[str], length: int) -> None:
        self._ids = {word: number for number, word in enumerate(entries) if number}
        self._length = length

    def encode(self, text: str) -> NDArray[np.int64]:
        """Return the (1, length) token ids of a sentence, padded with 0.

        Raises:
            InstructionError: empty, too long, or with an unknown word, which the message names beside the known ones.
        """
        words = words_of(text)
        if not words:
            raise InstructionError("the instruction is empty", fix=self._known())
        for word in words:
            if word not in self._ids:
                raise InstructionError(f'"{word[:40]}" is not a word this policy knows', fix=self._known())
        if len(words) > self._length:
            raise InstructionError(f"the instruction has {len(words)} words, the policy reads {self._length}")
        tokens = np.zeros((1, self._length), np.int64)
        tokens[0, : len(words)] = [self._ids[word] for word in words]
        return tokens

    def _known(self) -> str:
        return f"it knows: {', '.join(self._ids)}"
