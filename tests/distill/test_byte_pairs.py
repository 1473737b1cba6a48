"""Byte pairs: frequent pairs become tokens, and the runtime reads back what was written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevla.distill.byte_pairs import CHARACTERS, BytePairTokenizer
from edgevla.policy.decode.byte_pairs import BytePairs

TEXTS = [[64, 64, 64, 70], [64, 64, 71], [64, 64, 64, 64], [10, 20, 10, 20]] * 3


@pytest.fixture(scope="module")
def tokenizer():
    return BytePairTokenizer.learn(TEXTS, CHARACTERS + 4)


@pytest.fixture(scope="module")
def reader(tokenizer, tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    path.write_text(tokenizer.to_json(), encoding="utf-8")
    return BytePairs.load(path)


def test_the_most_frequent_pair_is_learned_first():
    tokenizer = BytePairTokenizer.learn(TEXTS, CHARACTERS + 1)
    assert tokenizer.encode([64, 64, 10, 20]) == [CHARACTERS, 10, 20]


def test_it_stops_when_no_pair_comes_twice():
    assert len(BytePairTokenizer.learn([[1, 2, 3]], CHARACTERS + 9)) == CHARACTERS


def test_two_ways_to_spell_a_token_are_one_token():
    tokenizer = BytePairTokenizer.learn([[5, 5, 5]] * 4 + [[5, 5]] * 9 + [[6, 5, 5, 5]] * 4, CHARACTERS + 6)
    assert len(set(map(str, tokenizer._spelled))) == len(tokenizer)


def test_lengths_count_characters(tokenizer):
    text = [64, 64, 64, 64, 10, 20, 3]
    assert sum(tokenizer.lengths[token] for token in tokenizer.encode(text)) == len(text)


@given(text=st.lists(st.one_of(st.integers(0, CHARACTERS - 1), st.sampled_from([64, 10, 20])), min_size=1, max_size=40))
def test_the_runtime_reads_what_was_written(tokenizer, reader, text):
    assert [ord(letter) for letter in reader.text(tokenizer.encode(text))] == text
