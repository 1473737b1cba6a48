"""Another one-time link, for whoever may act as the console's own user on its machine."""

import asyncio
import os
import socket
import threading
from pathlib import Path

import msgspec
import pytest

from edgevla.console import door
from edgevla.console.door import DOOR, MAX_NAME, ask_for_link, door_of, keep_door
from edgevla.console.errors import DoorClosed
from edgevla.runtime.sockets import listen


@pytest.fixture
def folder(tmp_path):
    """Of a console that gives links."""
    listener = listen(tmp_path / DOOR)
    loop = asyncio.new_event_loop()
    keeping = loop.create_task(keep_door(listener.socket, lambda name: f"link for {name}"))

    def keep():
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(keeping)

    thread = threading.Thread(target=keep)
    thread.start()
    yield tmp_path
    loop.call_soon_threadsafe(keeping.cancel)
    thread.join()
    loop.close()
    listener.close()


def test_a_link_is_given_for_a_name(folder):
    assert ask_for_link(folder, "Ann") == "link for Ann"
    assert ask_for_link(folder, "Bob") == "link for Bob"


def test_other_users_cannot_open_the_door(folder):
    assert (folder / DOOR).stat().st_mode & 0o007 == 0


def test_another_user_who_got_through_is_refused_by_what_the_kernel_says(folder, monkeypatch):
    monkeypatch.setattr(door, "_uid", lambda _end: os.getuid() + 1)
    with pytest.raises(DoorClosed, match="only the console's own user"):
        ask_for_link(folder, "Ann")


@pytest.mark.parametrize("name", ["", "x" * (MAX_NAME + 1), "two\nlines", "\x1b[31m"])
def test_a_name_that_cannot_stand_in_a_log_is_refused(folder, name):
    with pytest.raises(DoorClosed, match="a name has"):
        ask_for_link(folder, name)


@pytest.mark.parametrize("raw", [b"x", b"\xc1", msgspec.msgpack.encode({"name": 1}), b"y" * 5000])
def test_nonsense_is_refused_and_the_next_one_is_served(folder, raw):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as end:
        end.connect(str(folder / DOOR))
        end.send(raw)
        end.settimeout(10.0)
        assert b"cannot be understood" in end.recv(1000)
    assert ask_for_link(folder, "Ann") == "link for Ann"


def test_who_knocks_and_says_nothing_does_not_block_it_for_ever(folder, monkeypatch):
    monkeypatch.setattr(door, "_ANSWER_S", 0.2)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as end:
        end.connect(str(folder / DOOR))
        end.settimeout(10.0)
        assert end.recv(1000) == b""


def test_without_a_console_the_command_that_starts_one_is_named(tmp_path):
    with pytest.raises(DoorClosed, match="edgevla console ROBOT") as closed:
        ask_for_link(tmp_path, "Ann")
    assert closed.value.exit_code == 3

    assert "sudo" not in str(closed.value)


def test_the_console_of_another_user_is_named_with_the_command_that_asks_it(tmp_path, monkeypatch):
    mine, others = tmp_path / "mine" / "arm", tmp_path / "others" / "arm"
    lstat = Path.lstat

    def denied(path):
        if path == others / DOOR:
            raise PermissionError(13, "Permission denied")
        return lstat(path)

    monkeypatch.setattr(Path, "lstat", denied)
    assert door_of([mine, others]) == others
    mine.mkdir(parents=True)
    (mine / DOOR).touch()
    assert door_of([mine, others]) == mine
    (mine / DOOR).unlink()
    monkeypatch.undo()
    assert door_of([mine, others]) == mine, "nobody is anywhere: the first is where one would be"


def test_a_door_that_may_not_be_opened_says_whose_it_is(folder, monkeypatch):
    def denied(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", denied)
    command = f"sudo -u edgevla-console edgevla console link {folder.name} --state {folder}"
    with pytest.raises(DoorClosed, match=f"Permission denied.* {command}"):
        ask_for_link(folder, "Ann")
