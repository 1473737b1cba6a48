"""The words: every task can be said in several ways, and no way means two tasks."""

import pytest

from edgevla.distill.sentences import LENGTH, PADDING, paraphrases, vocabulary
from edgevla.policy.language import Vocabulary
from edgevla.sim.tasks import TASKS


def test_the_first_way_to_say_a_task_is_its_instruction():
    assert all(paraphrases(task)[0] == sentence for sentence, task in TASKS.items())


def test_no_sentence_means_two_tasks():
    sentences = [sentence for task in TASKS.values() for sentence in paraphrases(task)]
    assert len(sentences) == len(set(sentences)) > 2 * len(TASKS)


def test_padding_comes_first_and_words_are_listed_once():
    words = vocabulary()
    assert words[0] == PADDING
    assert len(set(words)) == len(words)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_the_runtime_reads_every_sentence_and_tells_them_apart(task):
    read = Vocabulary(vocabulary(), LENGTH).encode
    tokens = [tuple(read(sentence)[0]) for sentence in paraphrases(task)]
    assert len(set(tokens)) == len(tokens)
