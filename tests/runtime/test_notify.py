"""Notification of the service manager, against real datagram sockets."""

from __future__ import annotations

import socket
import uuid
from typing import TYPE_CHECKING

import pytest

from edgevla.runtime.notify import Notifier, NotifyError, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def bound(address: str) -> socket.socket:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(address)
    manager.setblocking(False)
    return manager


def received(manager: socket.socket) -> list[str]:
    messages = []
    while True:
        try:
            messages.append(manager.recv(4096).decode())
        except BlockingIOError:
            return messages


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with bound(str(tmp_path / "notify")) as each:
        yield each


@pytest.fixture
def environment(manager: socket.socket) -> dict[str, str]:
    return {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "2000000"}


def test_ready_carries_a_status_of_one_line(manager: socket.socket, environment: dict[str, str]) -> None:
    Notifier(environment).ready("disarmed\nREADY=0")
    assert received(manager) == ["READY=1\nSTATUS=disarmed READY=0"]


def test_a_status_is_sent_when_it_changes(manager: socket.socket, environment: dict[str, str]) -> None:
    notifier = Notifier(environment)
    for text in ("holding", "holding", "engaged"):
        notifier.status(text)
    notifier.stopping()
    assert received(manager) == ["STATUS=holding", "STATUS=engaged", "STOPPING=1"]


def test_an_abstract_address_is_understood() -> None:
    name = f"edgevla-test-{uuid.uuid4()}"
    with bound("\0" + name) as manager:
        Notifier({"NOTIFY_SOCKET": "@" + name}).ready("up")
        assert received(manager) == ["READY=1\nSTATUS=up"]


def test_good_ticks_feed_the_watchdog_at_half_its_time(manager: socket.socket, environment: dict[str, str]) -> None:
    notifier = Notifier(environment)
    for tick in range(500):  # ten seconds at 50 Hz
        notifier.feed(100.0 + tick / 50.0)
    assert received(manager) == ["WATCHDOG=1"] * 10


def test_no_tick_no_food(manager: socket.socket, environment: dict[str, str]) -> None:
    notifier = Notifier(environment)
    notifier.feed(100.0)
    notifier.feed(109.0)  # the ticks in between were not good ones
    assert received(manager) == ["WATCHDOG=1"] * 2


@pytest.mark.parametrize("microseconds", [None, "0"])
def test_without_a_watchdog_nothing_is_fed(
    manager: socket.socket, environment: dict[str, str], microseconds: str | None
) -> None:
    environment.pop("WATCHDOG_USEC")
    if microseconds is not None:
        environment["WATCHDOG_USEC"] = microseconds
    Notifier(environment).feed(100.0)
    assert received(manager) == []


def test_a_manager_that_does_not_read_holds_nobody_up(manager: socket.socket, environment: dict[str, str]) -> None:
    notifier = Notifier(environment)
    for tick in range(5000):  # far more than the socket holds; a send that waits would never come back
        notifier.feed(100.0 + tick)
    assert 0 < len(received(manager)) < 5000


def test_a_manager_that_is_gone_is_no_fault(tmp_path: Path) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody"), "WATCHDOG_USEC": "1000"})
    notifier.ready("up")
    notifier.feed(1.0)
    notifier.close()
    notifier.stopping()


def test_without_a_manager_nothing_is_opened() -> None:
    notifier = Notifier({})
    notifier.ready("up")
    assert notifier.watchdog_interval_s == 0.0


@pytest.mark.parametrize(
    ("environment", "word"),
    [({"NOTIFY_SOCKET": "notify"}, "NOTIFY_SOCKET"), ({"WATCHDOG_USEC": "2 s"}, "WATCHDOG_USEC")],
)
def test_nonsense_in_the_environment_is_named(environment: dict[str, str], word: str) -> None:
    with pytest.raises(NotifyError, match=word):
        Notifier(environment)


def test_what_a_terminal_or_a_log_would_act_on_is_left_out() -> None:
    assert one_line("push\r\n\x1b[31m the\u2028red\x00 block\u202e") == "push [31m the red block"
