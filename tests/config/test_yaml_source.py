from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevla.config.problems import ConfigError
from edgevla.config.source import MAX_BYTES, parse_yaml, read_yaml
from edgevla.config.written import yaml_text

if TYPE_CHECKING:
    from edgevla.config.node import Node


def plain(node: Node):
    if isinstance(node.value, list):
        return [plain(item) for item in node.value]
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.value.items()}
    return node.value


def parsed(text: str):
    return plain(parse_yaml(text, lambda line: f"f:{line}"))


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, lambda line: f"f:{line}")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-3", -3),
        ("0.5", 0.5),
        ("1e-05", 1e-5),
        ("1.0e-05", 1e-5),
        ("-.inf", float("-inf")),
        ("true", True),
        ("null", None),
        ("~", None),
        ("", None),
        ('"12"', "12"),
        ("on", "on"),
        ("no", "no"),
        ("010", "010"),
        ("1:30", "1:30"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("2024-01-01", "2024-01-01"),
        pytest.param("9" * 5000, "9" * 5000, id="more digits than int() takes"),
    ],
)
def test_only_plain_decimals_true_false_and_null_are_not_text(text, value):
    assert parsed(f"a: {text}\n") == {"a": value}


def test_an_entry_stands_on_the_line_of_its_key_and_an_item_on_its_own():
    root = parse_yaml("a:\n  b: 1\nc:\n  - 2\n  - d:\n      3\n", lambda line: f"f:{line}")
    assert root.value["a"].where == "f:1"
    assert root.value["a"].value["b"].where == "f:2"
    first, second = root.value["c"].value
    assert (first.where, second.where, second.value["d"].where) == ("f:4", "f:5", "f:5")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", 'f:3: the key "a" stands twice; first at f:1'),
        ("a:\n\tb: 1\n", "f:2: not valid YAML: a tab where YAML allows only spaces - replace the tab by spaces"),
        (
            "a: 1\nb:2\nc: 3\n",
            'f:2: not valid YAML: a line that is neither "key: value" nor "- item" - write a space after the colon',
        ),
        ("a: 1\n b: 2\n", 'f:2: not valid YAML: a ":" where no key can stand - line the key up with its neighbours'),
        ("a: 1\nb: 'x\n\n", "f:2: not valid YAML: a bracket or quote that is never closed - close it"),
        ("a: 1\nb: [1,\n\n", "f:2: not valid YAML: a bracket or quote that is never closed - close it"),
        ("a: 1\n'b: 2\nc: 3\n", "f:2: not valid YAML: a bracket or quote that is never closed - close it"),
        ("a: 1\nb: [1, 2\nc: [3]\nd: 4\n", "f:2: not valid YAML: a bracket with a missing comma, or never closed"),
        ("a: {b: 1\nc: 2\n", "f:1: not valid YAML: a bracket with a missing comma, or never closed"),
        ("a:\n- b: 1\n c: 3\n", "f:3: not valid YAML: a line indented differently from its neighbours"),
        ("a: @x\n", "f:1: not valid YAML: a character that text cannot begin with - put quotes round the text"),
        ("a: 1\nb: \x07\n", "f:2: not valid YAML: a control character - delete it"),
        ("a: &x 1\nb: *x\n", "f:1: anchors (&) and aliases (*) are not allowed - write it out"),
        ("a: 1\nb: *x\n", "f:2: anchors (&) and aliases (*) are not allowed - write it out"),
        ("a: !!python/object:os.system x\n", 'f:1: the tag "tag:yaml.org,2002:python/object:os.system" is not allowed'),
        ("a: 1\n---\nb: 2\n", 'f:3: a second document begins - remove the line "---" above'),
        ("1: a\n", "f:1: got 1 as a key; must be text - put it in quotes"),
        ("? [a]\n: 1\n", "f:1: got [a] as a key; must be text"),
        ("", "f:1: the file is empty"),
        ("# only a comment\n", "f:1: the file is empty"),
        ("a: " + "[" * 40 + "]" * 40, "f:1: nested more than 16 deep"),
    ],
)
def test_what_is_not_our_yaml_is_refused_with_its_line(text, message):
    assert refusal(text).startswith(message)


def test_a_bomb_of_aliases_is_refused_before_it_grows():
    bomb = "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*a, *a]\n" for n in range(30))
    assert "anchors" in refusal(bomb)


def test_a_file_that_only_nests_is_refused_quickly(tmp_path: Path):
    path = tmp_path / "deep.yaml"
    path.write_text("[" * (MAX_BYTES - 1))
    started_s = time.monotonic()
    with pytest.raises(ConfigError):
        read_yaml(path)
    assert time.monotonic() - started_s < 5.0


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("latin.yaml").write_bytes(b"a: 1\nname: J\xfcrgen\n")
    Path("large.yaml").write_bytes(b"#" * (MAX_BYTES + 1))
    os.mkfifo("pipe")
    Path("loop").symlink_to("loop")
    expected = {
        "missing.yaml": "missing.yaml: there is no such file - check the path",
        "folder": "folder: is a folder - name the file inside it",
        "latin.yaml": "latin.yaml:2: byte 0xfc is not UTF-8 - save the file as UTF-8",
        "large.yaml": "large.yaml: is larger than 256 KiB - this cannot be the right file",
        "pipe": "pipe: is not a regular file",
        "loop": "loop: cannot be read: Too many levels of symbolic links",
        "latin.yaml/x": "latin.yaml/x: cannot be read: Not a directory",
    }
    for name, message in expected.items():
        with pytest.raises(ConfigError) as caught:
            read_yaml(Path(name))
        assert str(caught.value).startswith(message)


def test_a_file_of_just_the_largest_size_is_read(tmp_path: Path):
    path = tmp_path / "robot.yaml"
    path.write_bytes(b"a: 1\n" + b"#" * (256 * 1024 - 5))
    assert plain(read_yaml(path)) == {"a": 1}


def test_a_file_without_permission_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "robot.yaml"
    path.write_text("a: 1\n")

    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(ConfigError, match=r"cannot be read: Permission denied - check its permissions"):
        read_yaml(path)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path):
    path = tmp_path / "robot.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert plain(read_yaml(path)) == {"a": 1}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4))
def test_what_is_written_is_read_back(data):
    assert parsed(yaml_text(data)) == data


@pytest.mark.parametrize(
    "text", ["1e5", "12", "null", "~", "", "true", ".inf", "on", "- a", "a: b", "#", "&x", "\x1b[31m"]
)
def test_text_that_looks_like_something_else_is_read_back_as_text(text):
    assert parsed(yaml_text({"a": text})) == {"a": text}


def test_flat_lists_are_written_on_one_line_and_order_is_kept():
    assert yaml_text({"b": [1, 2.5], "a": {"c": "x"}}) == "b: [1, 2.5]\na:\n  c: x\n"
