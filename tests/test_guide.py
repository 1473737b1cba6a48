"""What the READMEs tell people to type exists: commands, their options, make targets, files."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer

from edgevla.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator

    import click

ROOT = Path(__file__).parents[1]
PAGES = [
    path
    for path in sorted(ROOT.rglob("*.md"))
    if not {part for part in path.relative_to(ROOT).parts if part.startswith(".") or part in {"reports", "build"}}
]
FENCED = re.compile(r"^```.*?\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`]+)`")
COMMAND = re.compile(r"(?:^|(?<!-u)\s)(?:[^\s=]*/)?edgevla (?=[a-z-])(.*)")
TARGET = re.compile(r"(?:^|\s)make ([a-z][a-z-]*)(?!\S)")
OPTIONS_OF = {"EDGEVLA_OPTIONS": "serve", "EDGEVLA_CONSOLE_OPTIONS": "console"}
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)\)")
FOLDERS = "edgevla|engines|kernels|calibration|systemd|tests|benchmarks"
FILE = re.compile(rf"(?<![\w/~])(?:{FOLDERS})/[\w./@-]+\.(?:py|md|yaml|json|service)")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def lines_of(path: Path) -> list[str]:
    """Everything set as code: fenced, indented, inline."""
    text = path.read_text(encoding="utf-8")
    fenced = [line for block in FENCED.findall(text) for line in block.splitlines()]
    rest = FENCED.sub("", text)
    indented = [line for line in rest.splitlines() if line.startswith("    ")]
    return [*fenced, *indented, *(found.replace("\n", " ") for found in INLINE.findall(rest))]


def words_of(line: str) -> list[str]:
    words = shlex.split(line, comments=True)
    ends = [index for index, word in enumerate(words) if word in {"&&", "|", ";"}]
    return words[: ends[0]] if ends else words


def commands_of(path: Path) -> Iterator[list[str]]:
    """The words after `edgevla`, for every command line; a description may follow after several spaces."""
    for line in lines_of(path):
        for variable, command in OPTIONS_OF.items():
            if line.startswith(f"{variable}="):
                yield [command, *words_of(line.partition("=")[2])]
        found = COMMAND.search(re.split(r"(?<=\S) {4,}(?=[a-zA-Z\"])", line.strip())[0])
        if found and not line.startswith(("pip ", "sudo mv", "u edgevla")):
            yield words_of(found[1])


def resolve(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that the words name, and the rest of them."""
    command: click.Command = typer.main.get_command(app)
    rest = list(words)
    while (known := getattr(command, "commands", None)) is not None and rest and rest[0] in known:
        command = known[rest.pop(0)]
    if (default := getattr(command, "commands", {}).get("start")) is not None:  # `console ROBOT`
        command = default
    return command, rest


def options_of(command: click.Command) -> set[str]:
    named = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
    return {*named, "--help"}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_and_options_exist(page):
    for words in commands_of(page):
        root = typer.main.get_command(app)
        if words[:1] == ["COMMAND"] or words[:1] == ["--version"]:
            continue
        assert words[0] in root.commands, f"{name_of(page)}: edgevla {' '.join(words)}: no such command"
        command, rest = resolve(words)
        given = [word.partition("=")[0] for word in rest if word.startswith("--")]
        unknown = set(given) - options_of(command)
        assert not unknown, f"{name_of(page)}: edgevla {' '.join(words)}: no option {sorted(unknown)}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_make_targets_exist(page):
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for line in lines_of(page) for name in TARGET.findall(line)}
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_and_files_exist(page):
    text = page.read_text(encoding="utf-8")
    missing = [link for link in LINK.findall(text) if not (page.parent / link).exists()]
    missing += [file for file in FILE.findall(text) if not (ROOT / file).exists()]
    assert missing == []


def test_the_pages_are_found_and_commands_in_them():
    found = {name_of(page): len(list(commands_of(page))) for page in PAGES}
    assert found["README.md"] > 10
    assert found["systemd/README.md"] > 10
    assert found["calibration/README.md"] > 3


@pytest.mark.parametrize("line", ["edgevla frobnicate", "sudo edgevla run ROBOT.yaml --no-such-option"])
def test_what_does_not_exist_is_noticed(tmp_path, line, monkeypatch):
    page = tmp_path / "README.md"
    page.write_text(f"```\n{line}\n```\n")
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    with pytest.raises(AssertionError, match=r"no such command|no option"):
        test_commands_and_options_exist(page)
