"""A person at the console, `edgevla serve`, and the simulated arm: everything real but the arm and the browser."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("starlette", reason="starlette is not installed: make test installs it")

from edgevla.messages import Mode
from tests.browser.stand import Stand
from tests.console.client import Client
from tests.console.conftest import wait_for

# What a machine that is busy with something else needs.
PATIENT = {
    "control.rate": "20 Hz",
    "control.replan": "5 Hz",
    "motors.reply_timeout": "45 ms",
    "cameras.front.max_age": "2 s",
    "cameras.wrist.max_age": "2 s",
    "control.plan_hold_after": "1200 ms",
    "control.plan_stop_after": "3 s",
}
SENTENCE = "push the green block to the left"
LIMIT_S = 30.0

pytestmark = pytest.mark.realtime


@pytest.fixture(scope="module")
def stand(tmp_path_factory):
    stand = Stand(tmp_path_factory.mktemp("stand"), PATIENT)
    yield stand
    stand.close()


@pytest.fixture(scope="module")
def ann(stand):
    ann = Client(stand.port)
    assert ann.log_in(stand.link).status == 303
    return ann


@pytest.fixture
def page(ann):
    page = ann.socket()
    yield page
    ann.post("/api/release")
    page.state(standing=True)
    ann.post("/api/disarm")
    page.close()


def engage(ann, page):
    """Say what to do, wait until everything is right, and take the arm."""
    assert ann.post("/api/instruct", {"text": SENTENCE}).status == 200
    page.hear(lambda said: all(check["ok"] or check["warn"] for check in said["preflight"]), LIMIT_S)
    answer = ann.post("/api/engage", {"ticks": page.state()["ticks"]})
    assert answer.status == 200, answer.json
    return answer.json["lease"]


def turned_deg(before, after):
    return max(abs(a["position_deg"] - b["position_deg"]) for a, b in zip(before, after, strict=True))


def hold(page, lease, seconds):
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        page.send({"beat": lease})
        time.sleep(0.05)


def test_it_comes_up_disarmed_and_says_what_is_missing(ann, page):
    state = page.state(connected=True)
    assert state["mode"] == "disarmed"
    assert not all(check["ok"] for check in state["preflight"])


def test_the_arm_moves_while_it_is_held_and_stands_when_it_is_not(ann, page):
    lease = engage(ann, page)
    before = page.state(mode="engaged")["joints"]
    hold(page, lease, 2.0)
    state = page.hear(lambda said: turned_deg(before, said["joints"]) > 1.0)
    assert state["mode"] == "engaged"
    assert state["holder"]["name"] == "operator"
    let_go_s = time.monotonic()
    assert page.state(mode="holding", holder=None)
    assert time.monotonic() - let_go_s < LIMIT_S
    assert page.told("released: the page that held the arm has stopped beating")


def test_a_stop_ends_it_and_nothing_engages_it_again(ann, page):
    lease = engage(ann, page)
    hold(page, lease, 0.5)
    assert ann.post("/api/stop").json["ok"]
    page.hear(lambda said: said["mode"] in {"stopping", "holding"}, LIMIT_S)
    hold(page, lease, 1.0)
    assert page.state(standing=True)["mode"] == "holding"


def test_the_proposal_is_drawn_into_the_picture(ann, page):
    assert ann.post("/api/instruct", {"text": SENTENCE, "once": True}).status == 200
    page.hear(lambda said: said["proposal_seq"] >= 0, LIMIT_S)
    proposal = ann.get("/api/proposal").json
    assert proposal["instruction"] == SENTENCE
    path = proposal["path"]["front"]
    assert len(path) == len(proposal["joints_deg"]) > 1
    assert all(0.0 <= x <= 1.0 and 0.0 <= y <= 1.0 for x, y in path), "the front camera sees the tool"
    wait_for(lambda: ann.get("/api/camera/front").body.startswith(b"\xff\xd8"), LIMIT_S)


def test_a_console_that_is_killed_while_it_holds_lets_go(stand, ann):
    page = ann.socket()
    lease = engage(ann, page)
    hold(page, lease, 0.5)
    killed_s = time.monotonic()
    stand.console.kill()
    stopping = stand.watcher.first(Mode.STOPPING, killed_s, LIMIT_S)
    assert "program is gone" in stopping.reason
    assert stopping.t_s - killed_s < 1.0, "by the clock of the control process"
    assert stand.watcher.first(Mode.HOLDING, killed_s, LIMIT_S)
