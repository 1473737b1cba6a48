"""Sentences to token ids. What the policy cannot know is refused by name."""

import numpy as np
import pytest

from edgevla.policy.language import InstructionError, Vocabulary

VOCABULARY = Vocabulary(["<pad>", "touch", "the", "red", "block"], length=5)


@pytest.mark.parametrize("text", ["touch the red block", "  Touch the RED block!", "touch, the; red - block..."])
def test_case_punctuation_and_spaces_do_not_matter(text):
    tokens = VOCABULARY.encode(text)
    assert tokens.dtype == np.int64
    assert tokens.tolist() == [[1, 2, 3, 4, 0]]


def test_order_matters():
    assert VOCABULARY.encode("red touch").tolist() == [[3, 1, 0, 0, 0]]


def test_an_unknown_word_is_named_beside_the_known_ones():
    with pytest.raises(
        InstructionError, match='"purple" is not a word this policy knows - it knows: touch, the, red, block'
    ):
        VOCABULARY.encode("touch the purple block")


@pytest.mark.parametrize("text", ["<pad>", "pad", "red's", "röd", "red_block", "0"])
def test_nothing_slips_through_as_padding_or_part_of_a_word(text):
    with pytest.raises(InstructionError, match="is not a word"):
        VOCABULARY.encode(text)


@pytest.mark.parametrize("text", ["", "   ", "?!", "\n"])
def test_an_empty_sentence_is_refused(text):
    with pytest.raises(InstructionError, match="is empty"):
        VOCABULARY.encode(text)


def test_a_sentence_fills_the_length_and_no_more():
    assert VOCABULARY.encode("the red red red block").tolist() == [[2, 3, 3, 3, 4]]
    with pytest.raises(InstructionError, match="has 6 words, the policy reads 5"):
        VOCABULARY.encode("touch the red red red block")
