"""The cache holds whole engines or none: whatever ends a build, and whoever builds at the same time."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from edgevla import files
from edgevla.engine.cache import PLAN, RECORD, CacheUnusable, EngineCache, EngineDamaged, default_root, write_whole
from edgevla.engine.fingerprint import Fingerprint
from edgevla.engine.graph import file_sha256
from edgevla.engine.records import Record

HERE = Fingerprint(
    graph="a" * 64,
    plugin="",
    runtime="tensorrt 10.3.0",
    device="Orin",
    compute_capability="8.7",
    cuda="12.6",
    flags=("strongly typed",),
)


@pytest.fixture
def cache(tmp_path):
    return EngineCache(tmp_path / "engines")


def compiler(content, fingerprint=HERE):
    def make(folder):
        (folder / PLAN).write_bytes(content)
        return Record(fingerprint=fingerprint, source="policy.onnx", plan=file_sha256(folder / PLAN), seconds=1.0)

    return make


def engines(cache):
    return sorted(path.name for path in cache.root.iterdir() if path.is_dir())


def test_what_was_built_is_found(cache):
    assert cache.find(HERE) is None
    built = cache.build(HERE, compiler(b"plan"))
    assert cache.find(HERE) == built
    assert built.plan.read_bytes() == b"plan"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("graph", "b" * 64),
        ("plugin", "c" * 64),
        ("runtime", "tensorrt 10.16.2"),
        ("device", "NVIDIA Thor"),
        ("compute_capability", "11.0"),
        ("cuda", "13.2"),
        ("flags", ()),
    ],
)
def test_an_engine_for_anything_else_is_not_found_and_the_difference_can_be_told(cache, field, value):
    cache.build(HERE, compiler(b"plan"))
    now = msgspec.structs.replace(HERE, **{field: value})
    assert cache.find(now) is None
    assert now.differences(HERE) == f"{field} {getattr(HERE, field) or 'none'} -> {value or 'none'}"


def test_what_a_graph_was_built_for_before_can_be_asked(cache):
    other = msgspec.structs.replace(HERE, cuda="13.2")
    cache.build(other, compiler(b"plan", other))
    assert cache.others(HERE.graph) == [other]
    assert cache.others("b" * 64) == []


def test_a_plan_that_is_not_what_was_built_is_an_error_and_can_be_replaced(cache):
    built = cache.build(HERE, compiler(b"plan"))
    built.plan.write_bytes(b"plain")
    with pytest.raises(EngineDamaged, match="is not the file that was built"):
        cache.find(HERE)
    assert cache.build(HERE, compiler(b"again")).plan.read_bytes() == b"again"


@pytest.mark.parametrize("content", [b"{", b'{"fingerprint": 3}'])
def test_a_record_that_cannot_be_read_is_an_error(cache, content):
    built = cache.build(HERE, compiler(b"plan"))
    (built.folder / RECORD).write_bytes(content)
    with pytest.raises(EngineDamaged, match=r"engine\.json"):
        cache.find(HERE)


def test_a_record_of_another_engine_is_an_error(cache):
    """As when somebody copied a folder from another machine over this one's."""
    built = cache.build(HERE, compiler(b"plan"))
    foreign = Record(fingerprint=msgspec.structs.replace(HERE, device="NVIDIA Thor"), source="", plan="", seconds=1.0)
    (built.folder / RECORD).write_bytes(msgspec.json.encode(foreign))
    with pytest.raises(EngineDamaged, match="device NVIDIA Thor -> Orin"):
        cache.find(HERE)


@pytest.mark.parametrize("error", [MemoryError(), KeyboardInterrupt(), ValueError("no implementation for layer 7")])
def test_a_build_that_fails_leaves_the_engine_before_it_and_nothing_else(cache, error):
    cache.build(HERE, compiler(b"plan"))

    def fails(folder):
        (folder / PLAN).write_bytes(b"half")
        raise error

    with pytest.raises(type(error)):
        cache.build(HERE, fails)
    assert cache.find(HERE).plan.read_bytes() == b"plan"
    assert len(engines(cache)) == 1


def test_a_full_disk_is_one_line_and_leaves_nothing(cache):
    def fails(folder):
        (folder / PLAN).write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(CacheUnusable, match="No space left on device - free some, or set EDGEVLA_CACHE"):
        cache.build(HERE, fails)
    assert engines(cache) == []


def test_a_disk_that_fills_up_while_a_file_is_written_leaves_the_older_file(tmp_path, monkeypatch):
    path = tmp_path / "timing.bin"
    write_whole(path, b"before")

    def full(_path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "sync", full)
    with pytest.raises(CacheUnusable, match="No space left"):
        write_whole(path, b"after")
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "engines").write_text("a file, where a folder should be")
    with pytest.raises(CacheUnusable, match="engines: File exists - check its owner"):
        EngineCache(tmp_path / "engines").build(HERE, compiler(b"plan"))


def test_a_killed_build_is_swept_away_by_the_next(cache):
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from tests.engine.test_engine_cache import HERE\n"
        "from edgevla.engine.cache import EngineCache\n"
        "def make(folder):\n"
        "    (folder / 'engine.plan').write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "EngineCache(Path(sys.argv[1])).build(HERE, make)\n"
    )
    root = Path(__file__).parents[2]
    killed = subprocess.run([sys.executable, "-c", script, str(cache.root)], cwd=root, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(engines(cache)) == 1  # what it left behind
    assert cache.find(HERE) is None
    assert cache.others(HERE.graph) == []
    built = cache.build(HERE, compiler(b"plan"))
    assert engines(cache) == [built.folder.name]


def test_a_build_killed_between_two_renames_loses_neither_engine(cache):
    """The older engine has moved aside and the new one is not there yet: the next build begins by putting it back."""
    cache.build(HERE, compiler(b"older"))
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from tests.engine.test_engine_cache import HERE, compiler\n"
        "from edgevla.engine.cache import EngineCache\n"
        "rename = Path.rename\n"
        "def killed(self, target):\n"
        "    rename(self, target)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "Path.rename = killed\n"
        "EngineCache(Path(sys.argv[1])).build(HERE, compiler(b'newer'))\n"
    )
    root = Path(__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", script, str(cache.root)], cwd=root, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert cache.find(HERE) is None

    def fails(folder):
        raise ValueError("no implementation for layer 7")

    with pytest.raises(ValueError, match="layer 7"):
        cache.build(HERE, fails)
    assert cache.find(HERE).plan.read_bytes() == b"older"
    assert len(engines(cache)) == 1


def test_a_rename_that_fails_leaves_the_older_engine(cache, monkeypatch):
    cache.build(HERE, compiler(b"older"))
    rename = Path.rename

    def fails(self, target):
        if self.name.startswith(".building-"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(CacheUnusable, match="Input/output error"):
        cache.build(HERE, compiler(b"newer"))
    assert cache.find(HERE).plan.read_bytes() == b"older"
    assert len(engines(cache)) == 1


def test_two_builds_of_one_engine_wait_for_each_other(cache):
    inside, release = threading.Event(), threading.Event()
    order = []

    def slow(folder):
        inside.set()
        release.wait(10)
        order.append("first")
        return compiler(b"first")(folder)

    def second(folder):
        order.append("second")
        return compiler(b"second")(folder)

    threads = [threading.Thread(target=cache.build, args=(HERE, make)) for make in (slow, second)]
    threads[0].start()
    inside.wait(10)
    threads[1].start()
    threads[1].join(0.3)
    assert order == []  # the second has begun, and waits
    release.set()
    for thread in threads:
        thread.join(10)
    assert order == ["first", "second"]
    assert cache.find(HERE).plan.read_bytes() == b"second"


def test_the_timing_cache_is_kept_between_builds(cache):
    with cache.timing_cache("tensorrt-10.3.0-Orin") as path:
        write_whole(path, b"timings")
    with cache.timing_cache("tensorrt-10.3.0-Orin") as path:
        assert path.read_bytes() == b"timings"


def test_where_the_cache_lies_can_be_named(monkeypatch, tmp_path):
    monkeypatch.delenv("EDGEVLA_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_root() == tmp_path / "xdg" / "edgevla" / "engines"
    monkeypatch.setenv("EDGEVLA_CACHE", str(tmp_path / "named"))
    assert default_root() == tmp_path / "named" / "engines"


def test_a_record_made_anew_keeps_the_signature_and_an_engine_built_anew_loses_it(cache):
    """Without a plan the fingerprint is all that there is; with one, another build is another engine."""

    def described(folder):
        return Record(fingerprint=HERE, source="policy.onnx", plan="", seconds=0.1)

    for make, stays in ((described, True), (compiler(b"plan"), False)):
        folder = cache.folder(HERE)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "verified.json").write_bytes(b"signed")
        assert cache.build(HERE, make).signoff.exists() is stays
