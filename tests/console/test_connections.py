"""Sockets that say nothing, too little, too much or take nothing: the operator gets through, and memory stays small."""

import resource
import socket
import ssl
import time
from pathlib import Path

import pytest

from edgevla.console import connections, crowd
from edgevla.console.address import Address
from edgevla.console.certificate import server_context
from edgevla.console.connections import MAX_CONNECTIONS, MAX_HEADER_BYTES, bind
from edgevla.console.errors import AddressInUse, AddressRefused
from edgevla.messages import Event, Mode, Request
from tests.console.client import Client
from tests.console.conftest import Console, wait_for

CERTIFICATES = Path(__file__).parent / "certificates"


@pytest.fixture
def sockets():
    """Those of the test, both ends of which are files of this process."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, before[1]), before[1]))
    opened = []
    yield opened
    for each in opened:
        each.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def connect(console):
    return socket.create_connection(("127.0.0.1", console.port), timeout=10.0)


def is_closed(end):
    end.settimeout(10.0)
    try:
        return end.recv(65536) == b""
    except ConnectionError:
        return True


def test_a_thousand_open_sockets_neither_fill_it_nor_keep_the_operator_out(console, supervisor, sockets):
    ann = console.client()
    page = ann.socket()
    for count in range(1000):
        sockets.append(connect(console))
        if count % 100 == 0:
            assert ann.post("/api/stop").status == 200
        assert len(console.connections) <= MAX_CONNECTIONS
    assert ann.get("/api/session").status == 200
    supervisor.set(mode=Mode.HOLDING)
    assert page.state(mode="holding"), "a page that was open stays open"
    assert console.client("Bob").socket().state(), "and there is room for another one"
    assert supervisor.count(Request, Event.STOP) > 0


def test_the_oldest_stranger_gives_way_and_a_session_does_not(console, supervisor, sockets):
    ann = console.client()
    page = ann.socket()
    sockets += [connect(console) for _ in range(MAX_CONNECTIONS + 5)]
    assert is_closed(sockets[0])
    supervisor.set(mode=Mode.HOLDING)
    assert page.state(mode="holding")


def test_who_says_nothing_or_says_it_too_slowly_is_cut(console, sockets, monkeypatch):
    monkeypatch.setattr(connections, "IDLE_S", 0.5)
    silent, slow = connect(console), connect(console)
    sockets += [silent, slow]
    for letter in b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ":
        try:
            slow.send(bytes([letter]))
        except ConnectionError:
            break
        time.sleep(0.05)
    assert is_closed(silent)
    assert is_closed(slow)
    wait_for(lambda: len(console.connections) == 0)


def test_a_body_that_never_comes_is_not_waited_for_long(console, supervisor, monkeypatch):
    monkeypatch.setattr("edgevla.console.guard.REQUEST_S", 0.3)
    ann = console.client()
    headers = {"Origin": ann.origin, "X-EdgeVLA-Token": ann.token, "Content-Length": "10"}
    assert ann.request("POST", "/api/instruct", headers=headers).status == 408


def test_headers_without_end_are_refused(console, sockets):
    end = connect(console)
    sockets.append(end)
    end.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * (MAX_HEADER_BYTES + 1000))
    assert b"400 Bad Request" in end.recv(65536)


@pytest.mark.parametrize(
    "noise", [b"\x00" * 100, b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 100]
)
def test_noise_is_answered_shortly_or_not_at_all(console, sockets, noise):
    end = connect(console)
    sockets.append(end)
    end.sendall(noise + b"\r\n\r\n")
    answer = end.recv(65536)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert b"Traceback" not in answer
    assert Client(console.port).get("/").status == 401


def test_a_page_that_reads_nothing_is_dropped_and_the_others_see_everything(console, supervisor, monkeypatch):
    monkeypatch.setattr(crowd, "SEND_S", 0.3)
    ann, bob = console.client(), console.client("Bob")
    deaf, page = ann.socket(), bob.socket()
    wait_for(lambda: len(console.hub.crowd) == 2)
    until_s = time.monotonic() + 30.0
    flood = "x" * 400
    while len(console.hub.crowd) == 2 and time.monotonic() < until_s:
        for _ in range(20):
            console._loop.call_soon_threadsafe(console.journal.add, flood)
        assert page.state()
        time.sleep(0.005)
    assert len(console.hub.crowd) == 1
    assert page.state()
    assert deaf.ended() in {1006, 4408}


def test_what_waits_for_a_slow_page_is_bounded(console, supervisor):
    ann = console.client()
    page = ann.socket()
    wait_for(lambda: len(console.hub.crowd) == 1)
    (waiting,) = console.hub.crowd._pages.values()
    for number in range(1000):
        waiting.state = ""
        console.hub.crowd.show(f"{number}")
        console.hub.crowd.tell("{}")
    assert waiting.state == "999", "the newest state wins"
    assert len(waiting.events) <= crowd._WAITING_EVENTS
    assert waiting.slow
    page.close()


def test_tls_is_spoken_and_plain_http_is_not(tmp_path):
    console = Console(tmp_path, server_context(CERTIFICATES / "certificate.pem", CERTIFICATES / "key.pem"))
    try:
        console.supervise()
        trust = ssl.create_default_context(cafile=str(CERTIFICATES / "certificate.pem"))
        ann = Client(console.port, trust)
        assert ann.log_in(console.link()).status == 303
        assert "Secure" in ann.get(console.link().split(str(console.port))[1]).headers["set-cookie"]
        assert ann.post("/api/stop").status == 200
        assert ann.post("/api/stop", Origin=f"http://127.0.0.1:{console.port}").status == 403
        with connect(console) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert is_closed(plain)
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        with pytest.warns(DeprecationWarning):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            old.wrap_socket(connect(console))
    finally:
        console.close()


def test_a_tls_handshake_that_never_comes_is_cut(tmp_path, monkeypatch, sockets):
    monkeypatch.setattr(connections, "HANDSHAKE_S", 0.3)
    console = Console(tmp_path, server_context(CERTIFICATES / "certificate.pem", CERTIFICATES / "key.pem"))
    try:
        sockets += [connect(console) for _ in range(20)]
        assert all(is_closed(each) for each in sockets)
        wait_for(lambda: len(console.connections) == 0)
    finally:
        console.close()


def test_an_address_that_is_taken_is_said_in_one_line(console):
    with pytest.raises(AddressInUse, match=f"127.0.0.1:{console.port}: another program") as refused:
        bind(Address("127.0.0.1", console.port))
    assert refused.value.exit_code == 3


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(AddressRefused, match=r"192\.0\.2\.1:0"):
        bind(Address("192.0.2.1", 0))
