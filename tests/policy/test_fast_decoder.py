"""pi0-FAST: exactly one chunk's coefficients between the beginning and the end, or invalid."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgevla.bundle import BundleError
from edgevla.config.policy_families import Fast
from edgevla.policy.decode.byte_pairs import BytePairs
from edgevla.policy.decode.dct import inverse, inverse_basis
from edgevla.policy.decode.fast import FastDecoder
from tests.examples import examples
from tests.policy.decoding import bounds, bundle_of, decode

ROWS, COLUMNS, MIN_TOKEN = 4, 2, -60
LETTERS = [chr(code) for code in range(0x21, 0x7F)]  # printable: a byte is its own letter; coefficients -27 to 66
PAIRS = {letter: number for number, letter in enumerate([*LETTERS, "AB", "Ã©", "Ã", "\x05"])}
BEGIN, BAR, END = (7, 8), 5, 1
VOCABULARY, SKIPPED = 300, 10
SECTION = Fast(
    tokenizer="tokenizer.json",
    vocabulary_size=VOCABULARY,
    skipped_tokens=SKIPPED,
    scale=10.0,
    min_token=MIN_TOKEN,
    max_tokens=32,
    begin_ids=BEGIN,
    bar_id=BAR,
    end_id=END,
)
UNITS = bounds((-1.0,) * COLUMNS, (1.0,) * COLUMNS)


def tokenizer(vocabulary=PAIRS, **other):
    model = {"type": "BPE", "vocab": vocabulary, "merges": []}
    return {"added_tokens": [], "decoder": {"type": "ByteLevel"}, "model": model, **other}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fast")
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer()))
    return bundle_of("fast", UNITS, horizon=ROWS, folder=folder, files=["tokenizer.json"], fast=SECTION)


def ids_of(*tokens):
    return [VOCABULARY - 1 - SKIPPED - PAIRS[token] for token in tokens]


def answer(*tokens, begin=BEGIN, end=(BAR,), padding=(99, 99)):
    return [[*begin, *ids_of(*tokens), *end, *padding]]


STILL = "<" * (ROWS * COLUMNS)  # ord("<") = 60: every coefficient is 0


def test_no_coefficient_is_the_middle_of_the_range(bundle):
    decoded = decode(bundle, answer(*STILL))
    assert decoded.valid, decoded.reason
    np.testing.assert_array_equal(decoded.actions_rad, np.zeros((ROWS, COLUMNS)))


def test_the_first_row_of_coefficients_is_the_mean_over_time(bundle):
    decoded = decode(bundle, answer("F", "<", *STILL[2:]))  # F: 70 - 60 = 10, divided by the scale: 1
    np.testing.assert_allclose(decoded.actions_rad, [[1 / np.sqrt(ROWS), 0.0]] * ROWS, atol=1e-7)


def test_a_token_may_hold_several_coefficients(bundle):
    merged = decode(bundle, answer("AB", *STILL[2:]))
    np.testing.assert_array_equal(merged.actions_rad, decode(bundle, answer("A", "B", *STILL[2:])).actions_rad)


@pytest.mark.parametrize("end", [(BAR,), (END,), (BAR, END), (BAR, *ids_of("A", "A"))])
def test_the_bar_and_the_end_of_the_sentence_both_end_the_actions(bundle, end):
    assert decode(bundle, answer(*STILL, end=end)).valid


@settings(max_examples=examples(100))
@given(st.data())
def test_what_was_encoded_comes_back(bundle, data):
    codes = data.draw(hnp.arrays(np.int64, (ROWS, COLUMNS), elements=st.integers(40, 80)))
    decoded = decode(bundle, answer(*map(chr, codes.ravel())))
    coefficients = (codes - 60) / 10
    time = np.arange(ROWS)[:, None]
    expected = coefficients[0] / np.sqrt(ROWS) + sum(
        coefficients[k] * np.sqrt(2 / ROWS) * np.cos(np.pi * (2 * time + 1) * k / (2 * ROWS)) for k in range(1, ROWS)
    )
    np.testing.assert_allclose(decoded.actions_rad, expected, rtol=1e-6, atol=1e-6)


BAD = {
    "too short": (answer(*STILL[1:]), "the 7 action tokens hold 7 coefficients, not 4 x 2"),
    "too long": (answer(*STILL, "<"), "the 9 action tokens hold 9 coefficients, not 4 x 2"),
    "empty": (answer(), "hold 0 coefficients"),
    "without a beginning": (answer(*STILL, begin=()), "the answer begins with [262, 262], actions with [7, 8]"),
    "without an end": (answer(*STILL, end=(), padding=()), "does not end within its 10 tokens"),
    "an ordinary word": (answer(*STILL, end=(100, BAR)), "token 10 is 100; actions are 192 to 289"),
    "an id above the actions": (answer(*STILL, end=(290, BAR)), "token 10 is 290; actions are 192 to 289"),
    "a negative id": (answer(*STILL, end=(-3, BAR)), "token 10 is -3"),
    "half a character": (answer("Ã", *STILL[1:]), "broken UTF-8 at byte 0"),
    "a token no encoder writes": (answer("\x05", *STILL[1:]), "action token 0 is 97, which no action"),
    "far out of range": (answer(*["Ã©"] * 8), "half-widths from the middle of the training data's quantiles"),
    "more tokens than allowed": ([[*BEGIN, *[BAR] * 31]], "the answer has 33 tokens, policy.yaml says at most 32"),
    "floats": (np.zeros((1, 12), np.float32), "policy.yaml says int (1, any)"),
    "two answers": (np.zeros((2, 12), np.int64), "policy.yaml says int (1, any)"),
}


@pytest.mark.parametrize(("ids", "reason"), BAD.values(), ids=BAD)
def test_every_failure_is_invalid_and_never_zeros(bundle, ids, reason):
    decoded = decode(bundle, ids)
    assert not decoded.valid
    assert decoded.actions_rad.size == 0
    assert reason in decoded.reason


@pytest.mark.parametrize("horizon", [1, 2, 7, 50, 64])
def test_the_basis_is_orthonormal(horizon):
    basis = inverse_basis(horizon)
    np.testing.assert_allclose(basis.T @ basis, np.eye(horizon), atol=1e-12)


def test_the_sum_runs_over_rising_frequencies_in_float64():
    """What a kernel must do to give the same bits: 1 + 1e16 is 1e16, and 1 + 1e15 is not 1e15."""
    rising = [np.array([[1.0], [large], [-large]]) for large in (1e16, 1e15)]
    assert [inverse(coefficients, np.ones((3, 3)))[0, 0] for coefficients in rising] == [0.0, 1.0]


def test_a_byte_has_gpt_2s_letter():
    spelled = {"A": "A", "Ġ": " ", "Ā": "\x00", "ġ": "\x7f", "ÂĢ": "\x80", "Âł": "\xa0", "Â¡": "\xa1", "ÂŃ": "\xad"}
    pairs = BytePairs({letters: number for number, letters in enumerate(spelled)})
    assert [pairs.text([number]) for number in range(len(spelled))] == list(spelled.values())


FILES = {
    "not JSON": ("{", "not a tokenizer.json"),
    "another JSON": ("[1, 2]", "not a tokenizer.json"),
    "words instead of byte pairs": (
        json.dumps(tokenizer(model={"type": "WordPiece", "vocab": {"a": 0}})),
        "model WordPiece, decoder ByteLevel, 0 added tokens; must be model BPE",
    ),
    "another decoder": (json.dumps(tokenizer(decoder={"type": "Metaspace"})), "decoder Metaspace"),
    "no decoder": (json.dumps(tokenizer(decoder=None)), "not a tokenizer.json"),
    "added tokens": (json.dumps(tokenizer(added_tokens=[{"id": 9, "content": "<s>"}])), "1 added tokens"),
    "empty": (json.dumps(tokenizer({})), "has 0 tokens; their ids must run from 0 on"),
    "a hole": (json.dumps(tokenizer({"a": 0, "b": 2})), "has 2 tokens; their ids must run from 0 on, each once"),
    "an id twice": (json.dumps(tokenizer({"a": 0, "b": 0})), "has 2 tokens; their ids must run from 0 on, each once"),
    "no number": (json.dumps(tokenizer({"a": "x", "b": 1})), "not a tokenizer.json"),
}


@pytest.mark.parametrize(("text", "message"), FILES.values(), ids=FILES)
def test_a_file_that_is_no_byte_level_tokenizer_is_refused(tmp_path, text, message):
    path = tmp_path / "tokenizer.json"
    path.write_text(text)
    with pytest.raises(BundleError, match="tokenizer") as error:
        BytePairs.load(path)
    assert message in str(error.value)


def test_a_tokenizer_that_the_vocabulary_does_not_hold_is_refused(bundle):
    def holding(size):
        small = Fast(tokenizer="tokenizer.json", vocabulary_size=size, skipped_tokens=10)
        return bundle_of("fast", UNITS, horizon=ROWS, folder=bundle.folder, files=["tokenizer.json"], fast=small)

    FastDecoder(holding(108))
    with pytest.raises(BundleError, match=r"has 98 tokens; a vocabulary of 107 holds 97 before 10 skipped ones"):
        FastDecoder(holding(107))
