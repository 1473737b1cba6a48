"""The host library needs a C++ compiler and nothing else; without one it says so, and nothing half-built is left."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kernels import build_host
from tests.kernels import building

SCRIPT = building.KERNELS / "build_host.py"


def build(into, *options, **environment):
    command = [sys.executable, str(SCRIPT), "--into", str(into), *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_without_a_compiler_one_line_says_what_to_do(tmp_path):
    done = build(tmp_path, PATH=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: host kernels not built: no C++ compiler (c++, g++, clang++) - sudo apt-get install -y g++"
    ]
    optional = build(tmp_path, "--optional", PATH=str(tmp_path))
    assert (optional.returncode, len(optional.stderr.splitlines())) == (0, 1)


def test_a_named_compiler_is_taken_and_no_other(tmp_path):
    done = build(tmp_path, PATH="/usr/bin:/bin", CXX="no-such-compiler")
    assert done.returncode == 2
    assert "no C++ compiler (no-such-compiler)" in done.stderr


def test_what_the_compiler_refuses_leaves_the_old_library_and_no_rubbish(tmp_path, monkeypatch):
    (tmp_path / "libedgevla_host.so").write_text("old")
    monkeypatch.setattr(build_host, "compiler", lambda: "false")
    with pytest.raises(build_host.BuildFailed, match=r"decode_host\.cpp"):
        build_host.build("host", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["libedgevla_host.so"]
    assert (tmp_path / "libedgevla_host.so").read_text() == "old"


def test_a_new_library_replaces_the_old_one(tmp_path, monkeypatch):
    compiler = tmp_path / "compiler"
    compiler.write_text('#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done; echo new > "$2"\n')
    compiler.chmod(0o755)
    monkeypatch.setattr(build_host, "compiler", lambda: str(compiler))
    (tmp_path / "into").mkdir()
    (tmp_path / "into" / "libedgevla_host.so").write_text("old")
    assert build_host.build("host", tmp_path / "into").read_text() == "new\n"


@pytest.mark.parametrize("library", sorted(build_host.SOURCES))
def test_every_build_forbids_contraction(library):
    assert "-ffp-contract=off" in build_host.FLAGS[library]
    assert {(building.KERNELS / source).is_file() for source in build_host.SOURCES[library]} == {True}
