"""Who did what is written down, and a disk that does not take it costs the log and nothing else."""

import json
import os
import threading
import time

import pytest

from edgevla.console import audit as module
from edgevla.console.audit import KEPT, AuditLog
from tests.console.conftest import wait_for


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(log, count=1):
    for number in range(count):
        log.write(3, "Ann", "127.0.0.1", "POST /api/stop", mode_before="engaged", number=number)


def test_a_line_says_who_when_from_where_and_what(tmp_path):
    log = AuditLog(tmp_path / "audit.jsonl")
    before_s = time.monotonic()
    write(log)
    log.close()
    (line,) = lines(tmp_path / "audit.jsonl")
    assert line["utc"].endswith("Z")
    assert before_s - 0.001 <= line["monotonic_s"] <= time.monotonic() + 0.001, "rounded to ms"
    expected = {"session": 3, "who": "Ann", "from": "127.0.0.1", "what": "POST /api/stop", "mode_before": "engaged"}
    assert expected.items() <= line.items()
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o077 == 0


def test_a_text_cannot_begin_a_line_of_its_own(tmp_path):
    log = AuditLog(tmp_path / "audit.jsonl")
    log.write(1, 'A"\n{}', "", "POST /api/instruct", text="push\n\u2028\r")
    log.close()
    (line,) = lines(tmp_path / "audit.jsonl")
    assert (line["who"], line["text"]) == ('A"\n{}', "push\n\u2028\r")


def test_it_goes_on_where_it_ended_and_is_kept_small(tmp_path):
    for _ in range(3):
        log = AuditLog(tmp_path / "audit.jsonl", max_bytes=1000)
        write(log, 20)
        log.close()
    files = sorted(tmp_path.iterdir())
    assert len(files) == KEPT + 1
    assert all(file.stat().st_size <= 1000 for file in files)
    numbers = [line["number"] for number in range(KEPT, 0, -1) for line in lines(tmp_path / f"audit.jsonl.{number}")]
    numbers += [line["number"] for line in lines(tmp_path / "audit.jsonl")]
    assert numbers == [number % 20 for number in range(60)][-len(numbers) :], "nothing is missing in between"


def test_a_full_disk_is_said_once_and_so_is_its_end(tmp_path, monkeypatch):
    full = threading.Event()
    real = os.write

    def write_or_not(descriptor, data):
        if full.is_set():
            raise OSError(28, os.strerror(28))
        return real(descriptor, data)

    monkeypatch.setattr(module.os, "write", write_or_not)
    log = AuditLog(tmp_path / "audit.jsonl")
    full.set()
    write(log, 3)
    wait_for(lambda: log._lines.empty() and log._missing == 3)
    full.clear()
    write(log)
    log.close()
    lost, again = log.news()
    assert "No space left on device" in lost
    assert "3 lines are missing" in again
    assert len(lines(tmp_path / "audit.jsonl")) == 1


def test_a_disk_that_takes_half_a_line_keeps_none_of_it(tmp_path, monkeypatch):
    real = os.write
    log = AuditLog(tmp_path / "audit.jsonl")
    write(log)
    wait_for(lambda: (tmp_path / "audit.jsonl").exists() and (tmp_path / "audit.jsonl").stat().st_size)
    monkeypatch.setattr(module.os, "write", lambda descriptor, data: real(descriptor, data[:10]))
    write(log)
    log.close()
    assert len(lines(tmp_path / "audit.jsonl")) == 1
    assert "the disk is full" in log.news()[0]


def test_a_stuck_disk_keeps_nobody_waiting(tmp_path, monkeypatch):
    stuck = threading.Event()
    real = os.write

    def wait_and_write(descriptor, data):
        stuck.wait(10.0)
        return real(descriptor, data)

    monkeypatch.setattr(module.os, "write", wait_and_write)
    log = AuditLog(tmp_path / "audit.jsonl")
    write(log, module._WAITING + 10)
    assert "takes too long" in log.news()[0]
    stuck.set()
    log.close()


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.symlink_to("/etc/hostname")])
def test_what_lies_in_its_place_is_not_written_to(tmp_path, make):
    path = tmp_path / "audit.jsonl"
    make(path)
    log = AuditLog(path)
    write(log)
    log.close()
    assert str(path) in log.news()[0]
