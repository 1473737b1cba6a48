"""Byte-pair tokens back to text: the vocabulary of a Hugging Face `tokenizer.json`, read strictly.

A token is a run of bytes, spelled with one printable letter a byte (GPT-2's alphabet); a text is their UTF-8. Upstream
skips ids that do not exist and writes U+FFFD for broken UTF-8, which pi0-FAST then takes for a coefficient of 65,533.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from edgevla.bundle import BundleError
from edgevla.policy.decode.base import Invalid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def _byte_letters() -> dict[str, int]:
    """The letter of each byte: itself where it is printable Latin-1, else the next free one from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}


_LETTERS = _byte_letters()


class BytePairs:
    """A byte-pair vocabulary.

    Args:
        vocabulary: the spelling of each token, and its id.
    """

    def __init__(self, vocabulary: Mapping[str, int]) -> None:
        self._bytes = {number: _bytes_of(spelling) for spelling, number in vocabulary.items()}
        self.size = max(self._bytes) + 1

    @classmethod
    def load(cls, path: Path) -> BytePairs:
        """Read a tokenizer.json.

        Raises:
            BundleError: not JSON, or not a byte-level BPE tokenizer without added tokens.
        """
        fix = "take the tokenizer.json that the policy was trained with"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            kinds = (content["model"]["type"], content["decoder"]["type"])
            vocabulary = dict(content["model"]["vocab"])
            ids = sorted(map(int, vocabulary.values()))
            added = content.get("added_tokens") or []
        except (ValueError, KeyError, TypeError) as error:
            raise BundleError(f"{path}: not a tokenizer.json: {error!r}", fix=fix) from None
        if kinds != ("BPE", "ByteLevel") or added:
            found = f"model {kinds[0]}, decoder {kinds[1]}, {len(added)} added tokens"
            raise BundleError(f"{path}: {found}; must be model BPE, decoder ByteLevel, none added", fix=fix)
        if not ids or ids != list(range(len(ids))):
            raise BundleError(f"{path}: has {len(ids)} tokens; their ids must run from 0 on, each once", fix=fix)
        return cls(vocabulary)

    def text(self, ids: Sequence[int]) -> str:
        """Return the text of a sequence of ids.

        Raises:
            Invalid: an id is unknown or spelled with letters that stand for no byte, or the bytes are not UTF-8.
        """
        parts = []
        for place, number in enumerate(ids):
            part = self._bytes.get(number)
            if part is None:
                raise Invalid(f"action token {place} is {number}, which no action is ever written with")
            parts.append(part)
        try:
            return b"".join(parts).decode("utf-8")
        except UnicodeDecodeError as error:
            raise Invalid(f"the action tokens end in broken UTF-8 at byte {error.start}") from None


def _bytes_of(spelling: str) -> bytes | None:
    """The bytes of a token; None for one with a letter that stands for none, which encoding never produces."""
    codes = [_LETTERS.get(letter) for letter in spelling]
    return None if None in codes else bytes(code for code in codes if code is not None)
