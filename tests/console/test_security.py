"""Who has no business here does not get in, and learns nothing but how to get in."""

import json
import time
from types import SimpleNamespace

import pytest

from edgevla.console import guard
from edgevla.console.crowd import MAX_PER_SESSION, MAX_SOCKETS
from edgevla.console.guard import MAX_BODY_BYTES
from edgevla.console.sessions import LIFE_S
from edgevla.messages import Event, Mode, Request
from tests.console.client import Client
from tests.console.conftest import SCRAPER, wait_for

READS = ["/api/session", "/api/camera/front", "/api/proposal", "/api/events", "/metrics", "/docs", "/api/stop"]
CHANGES = ["arm", "disarm", "reset", "release", "stop", "instruct", "engage", "confirm"]


@pytest.fixture
def ann(console, supervisor):
    return console.client()


def asked(supervisor):
    return supervisor.count(Request)


# ---- getting in


def test_a_link_gives_a_cookie_that_scripts_and_other_sites_do_not_get(console):
    answer = Client(console.port).log_in(console.link())
    assert answer.status == 303
    assert answer.headers["location"] == "/"
    name, *attributes = answer.headers["set-cookie"].split("; ")
    assert name.startswith("edgevla-so101-tabletop=")
    assert {each.lower() for each in attributes} == {"httponly", "samesite=strict", "path=/"}


def test_a_replayed_link_is_refused_and_says_how_to_get_another(console):
    link = console.link()
    assert Client(console.port).log_in(link).status == 303
    again = Client(console.port).log_in(link)
    assert again.status == 403
    assert b"edgevla console link so101-tabletop" in again.body
    assert "set-cookie" not in again.headers


@pytest.mark.parametrize("query", ["", "?key=", "?key=wrong", "?key=" + "a" * 5000])
def test_a_wrong_link_is_refused(console, query):
    console.link()
    assert Client(console.port).get(f"/login{query}").status == 403


def test_without_a_session_the_page_says_how_to_get_one(console):
    answer = Client(console.port).get("/")
    assert answer.status == 401
    assert b"edgevla console link so101-tabletop" in answer.body


@pytest.mark.parametrize("path", READS)
def test_without_a_session_nothing_is_read(console, supervisor, path):
    assert Client(console.port).get(path).status == 401


@pytest.mark.parametrize("name", CHANGES)
def test_without_a_session_nothing_is_changed(console, supervisor, name):
    stranger = Client(console.port)
    assert stranger.post(f"/api/{name}", X_EdgeVLA_Token="0" * 64).status == 401
    assert asked(supervisor) == 0


def test_without_a_session_there_is_no_socket(console, supervisor):
    assert Client(console.port).socket() == 401


def test_a_session_that_is_over_is_none(console, supervisor):
    ann = console.client()
    page = ann.socket()
    console.hub.sessions._clock = lambda: time.monotonic() + LIFE_S
    assert ann.get("/api/session").status == 401
    assert ann.post("/api/stop").status == 401
    assert page.ended() == 4401


def test_a_scraper_reads_metrics_and_nothing_else(console, supervisor):
    stranger, key = Client(console.port), f"Bearer {SCRAPER}"
    assert stranger.get("/metrics", Authorization=key).status != 401
    assert stranger.get("/metrics", Authorization="Bearer wrong").status == 401
    assert stranger.get("/api/events", Authorization=key).status == 401
    assert stranger.post("/api/stop", Authorization=key, X_EdgeVLA_Token="").status == 401


# ---- other sites


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("token", [None, "", "0" * 64, "é"])
def test_a_wrong_or_missing_token_changes_nothing(ann, supervisor, name, token):
    headers = {"X_EdgeVLA_Token": None, "X-EdgeVLA-Token": None if token is None else token.encode()}
    answer = ann.post(f"/api/{name}", **headers)
    assert (answer.status, answer.json["ok"]) == (403, False)
    assert asked(supervisor) == 0


def test_the_token_of_another_session_changes_nothing(console, ann, supervisor):
    ann.token = console.client("Bob").token
    assert ann.post("/api/arm").status == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1", "https://127.0.0.1:{port}", ""])
def test_a_foreign_origin_is_refused_for_requests_and_sockets(console, ann, supervisor, origin):
    origin = origin.format(port=console.port)
    assert ann.get("/api/session", Origin=origin).status == 403
    assert ann.post("/api/arm", Origin=origin).status == 403
    assert ann.socket(Origin=origin) == 403
    assert asked(supervisor) == 0


def test_a_change_or_a_socket_without_an_origin_is_refused(ann, supervisor):
    assert ann.post("/api/stop", Origin=None).status == 403
    assert ann.socket(Origin=None) == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "localhost.evil.example", "", "127.0.0.1@evil"]
)
def test_a_foreign_host_is_refused_even_with_a_matching_origin(console, ann, supervisor, host):
    host = host.format(port=console.port)
    assert ann.get("/", Host=host).status == 403
    assert ann.post("/api/arm", Host=host, Origin=f"http://{host}").status == 403
    assert ann.socket(Host=host or "evil", Origin=f"http://{host}") == 403
    assert asked(supervisor) == 0


@pytest.mark.parametrize("host", ["localhost:{port}", "localhost:9000", "[::1]:{port}", "robot.local:{port}"])
def test_its_own_names_are_taken_whatever_port_a_tunnel_has(console, ann, supervisor, host):
    host = host.format(port=console.port)
    assert ann.get("/api/session", Host=host).status == 200
    assert ann.post("/api/arm", Host=host, Origin=f"http://{host}").status == 200


# ---- what is asked


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "GET"])
def test_a_wrong_method_does_nothing(ann, supervisor, method):
    headers = {"Origin": ann.origin, "X-EdgeVLA-Token": ann.token}
    assert ann.request(method, "/api/stop", headers=headers).status == 405
    assert asked(supervisor) == 0


@pytest.mark.parametrize("path", ["/nowhere", "/api/", "/api/stop/", "/static/", "/api/camera/", "/api/camera/a/b"])
def test_an_unknown_path_is_not_there(ann, path):
    assert ann.get(path).status == 404


@pytest.mark.parametrize(
    "name",
    [
        "../app.py",
        "..%2fapp.py",
        "%2e%2e/app.py",
        "..%5capp.py",
        "%2fetc%2fpasswd",
        "/etc/passwd",
        "page.html%00.css",
        ".",
        "..",
        "missing.js",
    ],
)
def test_only_the_page_s_own_files_are_served(console, name):
    assert Client(console.port).get(f"/static/{name}").status == 404


def test_the_page_s_files_have_their_types_and_are_not_guessed_at(console):
    answer = Client(console.port).get("/static/page.js")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/api/session", "/static/page.js", "/nowhere", "/login"])
def test_every_answer_has_the_headers_that_protect_it(console, ann, path):
    for who in (ann, Client(console.port)):
        headers = who.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers


def test_a_body_that_is_too_large_is_refused_before_it_is_read(ann, supervisor):
    answer = ann.request("POST", "/api/instruct", headers=change(ann, Content_Length=str(MAX_BODY_BYTES + 1)))
    assert answer.status == 413
    assert answer.headers["connection"] == "close"


def test_a_body_that_does_not_say_how_large_it_is_is_cut_off(ann, supervisor):
    pieces = (b"x" * 1024 for _ in range(2 * MAX_BODY_BYTES // 1024))
    try:
        status = ann.request("POST", "/api/instruct", pieces, change(ann)).status
    except ConnectionError:  # answered and closed while we were still sending
        status = 413
    assert status == 413


BODIES = {
    "empty": b"",
    "cut off": b"{",
    "a list": b"[]",
    "a number": b'{"text": 1}',
    "another field": b'{"texts": ""}',
    "no text": b'{"text": " "}',
    "text and home": b'{"text": "a", "home": true}',
    "no UTF-8": b"\xff",
    "too deep": b"[" * 10000,
    "half a letter": b'{"text": "\\ud800"}',
    "too long": b'{"text": "%s"}' % (b"x" * 501),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_cannot_be_understood_is_refused_in_one_line(ann, supervisor, body):
    answer = ann.request("POST", "/api/instruct", body, change(ann))
    assert answer.status == 400
    assert answer.json["ok"] is False
    assert "\n" not in answer.json["why"]


def test_an_error_of_our_own_shows_no_insides(console, ann, supervisor, monkeypatch):
    monkeypatch.setattr(console.hub.desk, "ask", lambda *_: 1 / 0)
    answer = ann.post("/api/arm")
    assert (answer.status, answer.json["why"]) == (500, "internal error; see the event log")
    assert b"Traceback" not in answer.body
    assert "ZeroDivisionError" in ann.get("/api/events").json["events"][-1]["text"]


# ---- how often, and how many


def test_changes_are_rationed_and_a_stop_is_not(ann, supervisor):
    refused = [ann.post("/api/arm").status for _ in range(60)].count(429)
    assert refused > 0
    assert {ann.post("/api/stop").status for _ in range(60)} == {200}
    assert {ann.post("/api/release").status for _ in range(10)} == {200}


def test_strangers_are_rationed_and_those_inside_do_not_notice(console, ann, supervisor, monkeypatch):
    stands_s = time.monotonic()  # however slow this machine is
    monkeypatch.setattr(guard, "time", SimpleNamespace(monotonic=lambda: stands_s))
    stranger = Client(console.port)
    statuses = {stranger.get("/api/session").status for _ in range(200)}
    assert statuses == {401, 429}
    assert ann.post("/api/stop").status == 200


def test_a_session_has_so_many_pages_and_the_console_so_many_in_all(console, ann, supervisor):
    pages = [ann.socket() for _ in range(MAX_PER_SESSION)]
    assert ann.socket() == 403
    others = [console.client("Bob").socket() for _ in range(MAX_SOCKETS - MAX_PER_SESSION - 1)]
    others.append(console.client("Cid").socket())
    assert console.client("Dan").socket() == 403
    assert all(page.state() for page in (*pages, *others))
    pages[0].close()
    wait_for(lambda: len(console.hub.crowd) == MAX_SOCKETS - 1)
    assert ann.socket().state()


@pytest.mark.parametrize(
    "message", ["", "[]", "{}", '{"beat": 1}', '{"stop": "now"}', '{"beat": "x", "mode": "engaged"}']
)
def test_a_page_that_talks_nonsense_is_closed(ann, supervisor, message):
    page = ann.socket()
    page.send(message)
    assert page.ended() == 4413


def test_a_message_that_is_too_large_closes_its_page(ann, supervisor):
    page = ann.socket()
    page.send(json.dumps({"beat": "x" * 5000}))
    assert page.ended() in {1009, 1006}


def test_a_page_that_beats_too_fast_is_closed(ann, supervisor):
    page = ann.socket()
    for _ in range(200):
        try:
            page.send({"beat": "x"})
        except ConnectionError:
            break
    assert page.ended() in {4429, 1006}


# ---- what is written down


def test_what_was_done_is_in_the_audit_log_and_no_secret_is(console, ann, supervisor):
    link = console.link("Bob")
    bob = Client(console.port)
    bob.log_in(link)
    bob.log_in(link)
    ann.post("/api/instruct", {"text": "push the red block"})
    ann.post("/api/stop")
    ann.post("/api/confirm", {"seq": 1, "ticks": 100})
    supervisor.set(mode=Mode.FAULT, reason="servo fault: gripper reports overload")
    ann.socket().state(mode="fault")
    log = console.audited()
    came, *lines, became = (json.loads(line) for line in log.splitlines())
    assert [line["what"] for line in lines] == [
        "login",
        "login",
        "login refused",
        "POST /api/instruct",
        "POST /api/stop",
        "POST /api/confirm",
    ]
    stop = lines[4]
    assert (stop["session"], stop["who"], stop["from"], stop["ok"]) == (1, "Ann", "127.0.0.1", True)
    assert stop["mode_when_asked"] == "disarmed"
    assert (came["what"], came["mode"]) == ("mode", "disarmed")
    assert (became["what"], became["mode"]) == ("mode", "fault")
    assert became["why"].endswith("overload"), "what came of it is there, whoever or whatever it was"
    assert lines[3]["text"] == "push the red block"
    events = json.dumps(ann.get("/api/events").json)
    for secret in (link.split("key=")[1], ann.cookie.split("=")[1], ann.token, bob.token):
        assert secret not in log
        assert secret not in events
    assert supervisor.count(Request, Event.STOP) == 1


def test_whoever_tries_a_thousand_keys_fills_neither_the_log_nor_the_page(console, supervisor):
    stranger = Client(console.port)
    for _ in range(40):
        assert stranger.get("/login?key=guess").status == 403
    refused = [json.loads(line) for line in console.audited().splitlines() if "login refused" in line]
    assert 10 <= len(refused) <= 12
    assert sum("was refused" in entry.text for entry in console.journal.after(0)) == len(refused)


def change(client, **headers):
    """The headers of a change, with others beside them."""
    given = {"Origin": client.origin, "X-EdgeVLA-Token": client.token, "Content-Type": "application/json"}
    return given | {name.replace("_", "-"): value for name, value in headers.items()}
