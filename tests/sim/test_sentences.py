"""The words: every task can be said in several ways, some of them kept from training, and no way means two tasks."""

import pytest

from edgevla.policy.language import Vocabulary
from edgevla.sim.sentences import LENGTH, PADDING, held_out_paraphrases, paraphrases, vocabulary
from edgevla.sim.tasks import TASKS


def test_the_first_way_to_say_a_task_is_its_instruction():
    assert all(paraphrases(task)[0] == sentence for sentence, task in TASKS.items())


def test_no_sentence_means_two_tasks_or_is_both_taught_and_held_out():
    sentences = [sentence for task in TASKS.values() for sentence in (*paraphrases(task), *held_out_paraphrases(task))]
    assert len(sentences) == len(set(sentences)) > 5 * len(TASKS)


def test_padding_comes_first_and_words_are_listed_once():
    words = vocabulary()
    assert words[0] == PADDING
    assert len(set(words)) == len(words)
    assert list(words[1:]) == sorted(words[1:])


def test_held_out_sentences_are_made_of_words_that_training_uses():
    words = {word for task in TASKS.values() for sentence in held_out_paraphrases(task) for word in sentence.split()}
    assert words <= set(vocabulary())


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_the_runtime_reads_every_sentence_and_tells_them_apart(task):
    read = Vocabulary(vocabulary(), LENGTH).encode
    sentences = (*paraphrases(task), *held_out_paraphrases(task))
    assert len({tuple(read(sentence)[0]) for sentence in sentences}) == len(sentences)
