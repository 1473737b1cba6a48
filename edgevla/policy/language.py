"""Sentences to token ids: by a list of words, or by the tokenizer of the language model that a policy stands on.

A word that is not on the list is refused: nobody knows what the policy would do. A language model knows every word;
what is refused there is a sentence that does not fit, or that spells the padding.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from edgevla.bundle import BundleError
from edgevla.policy.errors import InputRefused

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edgevla.bundle import Bundle
    from edgevla.config.policy import Tokenizer

_STATE_EDGES = np.linspace(-1.0, 1.0, 257)[:-1]  # openpi's PaligemmaTokenizer: 256 bins


class InstructionError(InputRefused):
    """A sentence this policy cannot be given: empty, too long, or with a word it never saw."""


class Language(Protocol):
    """What reads a policy's sentences."""

    def encode(self, text: str, state: NDArray[np.float32] | None = None) -> NDArray[np.int64]:
        """Return the (1, length) token ids of a sentence, padded.

        Args:
            state: (joints,) normalised, for a prompt that tells it; None where only the sentence is looked at.

        Raises:
            InstructionError: this policy cannot be given the sentence.
        """
        ...


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

    def encode(self, text: str, state: NDArray[np.float32] | None = None) -> NDArray[np.int64]:
        """Return the (1, length) token ids of a sentence, padded with 0; it does not tell the state.

        Raises:
            InstructionError: empty, too long, or with an unknown word, which the message names beside the known ones.
        """
        del state
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


class Prompt:
    """A Hugging Face tokenizer and what the sentence is put into.

    Args:
        path: of the `tokenizer.json`.
        config: what policy.yaml says about it.
        length: tokens per prompt.
        joints: numbers of the state.

    Raises:
        BundleError: the library is missing, or the file is no tokenizer.
    """

    def __init__(self, path: Path, config: Tokenizer, length: int, joints: int) -> None:
        self._tokenizer = _open(path)
        self._config, self._length = config, length
        self._nowhere = np.zeros(joints, np.float32)

    def encode(self, text: str, state: NDArray[np.float32] | None = None) -> NDArray[np.int64]:
        """Return the (1, length) token ids of a prompt, padded with `pad_id`.

        Raises:
            InstructionError: the sentence is empty or too long, or spells the padding.
        """
        config, spelled = self._config, _spelled(text, self._config.spelling)
        if not spelled:
            raise InstructionError("the instruction is empty")
        told = " ".join(map(str, np.digitize(self._nowhere if state is None else state, _STATE_EDGES) - 1))
        prompt = spelled.join(config.prompt.replace("{state}", told).split("{instruction}"))
        ids = [*self._tokenizer.encode(prompt).ids, *config.suffix_ids]
        if config.pad_id in ids:
            raise InstructionError(f"{spelled[:40]!r} spells the padding of this policy, token {config.pad_id}")
        if len(ids) > self._length:
            raise InstructionError(f"the instruction has {len(ids)} tokens, the policy reads {self._length}")
        tokens = np.full((1, self._length), config.pad_id, np.int64)
        tokens[0, : len(ids)] = ids
        return tokens


def language_of(bundle: Bundle) -> Language:
    """Return what reads the sentences of a bundle's policy.

    Raises:
        BundleError: its tokenizer cannot be read.
    """
    language = bundle.manifest.language
    path = bundle.path(language.vocabulary)
    if language.tokenizer is not None:
        return Prompt(path, language.tokenizer, language.length, len(bundle.manifest.joints))
    return Vocabulary(path.read_text(encoding="utf-8").splitlines(), language.length)


def _spelled(text: str, spelling: str) -> str:
    """The sentence as upstream's preprocessing leaves it."""
    text = text.strip()
    if spelling == "spaces":
        return text.replace("_", " ").replace("\n", " ")
    return text.lower() if spelling == "lower" else text


def _open(path: Path) -> Any:  # noqa: ANN401 - the library has no types
    try:
        from tokenizers import Tokenizer as HuggingFace
    except ModuleNotFoundError:
        raise BundleError(
            f"{path}: is read by the library tokenizers, which is not installed", fix="pip install 'edgevla[language]'"
        ) from None
    try:
        tokenizer = HuggingFace.from_file(str(path))
    except Exception as error:  # the library raises nothing more precise
        raise BundleError(f"{path}: is no Hugging Face tokenizer: {error}", fix="import the checkpoint again") from None
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
