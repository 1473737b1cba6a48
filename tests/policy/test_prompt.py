"""Sentences for policies that stand on a pretrained language model."""

import numpy as np
import pytest

tokenizers = pytest.importorskip("tokenizers", reason="needs tokenizers: pip install 'edgevla[language]'")

from edgevla.bundle import BundleError  # noqa: E402 - tokenizers first
from edgevla.config.policy import Tokenizer  # noqa: E402
from edgevla.policy.language import InstructionError, Prompt  # noqa: E402

IDS = {"<pad>": 0, "<bos>": 1, "<unk>": 2, "push": 3, "the": 4, "block": 5, "State:": 6, "127": 7, "255": 8, "0": 9}


@pytest.fixture
def path(tmp_path):
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel(IDS, unk_token="<unk>"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    words.post_processor = tokenizers.processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 1)])
    words.add_special_tokens(["<pad>", "<bos>"])
    words.enable_truncation(2)  # upstream's settings of the file must not cut a sentence unseen
    words.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def prompt(path, length=8, **config):
    return Prompt(path, Tokenizer(**config), length, joints=2)


def test_a_sentence_is_put_into_the_prompt_and_padded(path):
    ids = prompt(path, prompt="the {instruction} block", suffix_ids=(9, 9), pad_id=0).encode("push")
    assert ids.tolist() == [[1, 4, 3, 5, 9, 9, 0, 0]]
    assert ids.dtype == np.int64


def test_the_state_is_told_in_bins(path):
    told = prompt(path, prompt="{instruction} State: {state}", length=9)
    state = np.array([-1.0, 0.9999], np.float32)
    assert told.encode("push", state).tolist() == [[1, 3, 6, 9, 8, 0, 0, 0, 0]]
    below = told.encode("push", np.array([-0.001, 5.0], np.float32))
    assert below[0, 3:5].tolist() == [7, 8]


def test_what_the_sentence_spells_is_not_taken_for_the_prompt(path):
    ids = prompt(path, prompt="{instruction} the {state}").encode("{state} {instruction}")
    assert ids[0, :4].tolist() == [1, 2, 2, 4]


@pytest.mark.parametrize(
    ("spelling", "text", "ids"),
    [
        ("as_is", "  push ", [3]),
        ("lower", "PUSH", [3]),
        ("spaces", "push_the\nblock", [3, 4, 5]),
        ("as_is", "PUSH", [2]),
    ],
)
def test_spelling(path, spelling, text, ids):
    found = prompt(path, spelling=spelling).encode(text)[0]
    assert found[1 : 1 + len(ids)].tolist() == ids


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the instruction is empty"),
        (" \n", "the instruction is empty"),
        ("push " * 8, "has 9 tokens, the policy reads 8"),
        ("push <pad>", "spells the padding"),
    ],
)
def test_a_sentence_that_cannot_be_given(path, text, message):
    with pytest.raises(InstructionError, match=message):
        prompt(path).encode(text)


def test_a_file_that_is_no_tokenizer(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(BundleError, match=r"tokenizer.json: is no Hugging Face tokenizer"):
        prompt(tmp_path / "tokenizer.json")


def test_a_robot_without_the_library_is_told(path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(BundleError, match=r"tokenizers, which is not installed - pip install 'edgevla\[language\]'"):
        prompt(path)
