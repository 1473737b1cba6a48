"""A file is the older one or the new one, whatever ends the writing."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from edgevla import files
from edgevla.files import sha256, whole, write_whole


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"older")
    return path


def test_what_is_written_takes_the_older_file_s_place(path):
    write_whole(path, b"newer")
    assert path.read_bytes() == b"newer"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("end", [KeyboardInterrupt(), MemoryError(), OSError(errno.ENOSPC, "No space left on device")])
def test_a_body_that_ends_early_leaves_the_older_file_and_nothing_else(path, end):
    with pytest.raises(type(end)), whole(path) as draft:
        draft.write_bytes(b"new")
        raise end
    assert path.read_bytes() == b"older"
    assert list(path.parent.iterdir()) == [path]


def test_a_disk_that_fills_up_leaves_the_older_file_and_nothing_else(path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"newer")
    assert path.read_bytes() == b"older"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_is_on_the_disk_before_it_has_the_name_and_the_name_before_the_caller_goes_on(path, monkeypatch):
    happened = []
    sync, replace = files.sync, Path.replace
    monkeypatch.setattr(files, "sync", lambda place: happened.append(("sync", place)) or sync(place))
    monkeypatch.setattr(Path, "replace", lambda self, to: happened.append(("name", to)) or replace(self, to))
    with whole(path) as draft:
        draft.write_bytes(b"newer")
    assert happened == [("sync", draft), ("name", path), ("sync", path.parent)]


def test_a_hash_is_of_all_blocks(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (tmp_path / "million").write_bytes(b"a" * 1_000_000 * 2)
    (tmp_path / "other").write_bytes(b"a" * (1_000_000 * 2 - 1) + b"b")
    assert sha256(tmp_path / "million") != sha256(tmp_path / "other")
