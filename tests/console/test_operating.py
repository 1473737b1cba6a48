"""What a person at the page can do, and what happens to the arm when the person is not there any more."""

import threading
import time

import pytest

from edgevla.console.lease import LEASE_S
from edgevla.messages import Confirm, Event, Heartbeat, Instruct, Mode, PolicyStatus, Request, ServoHealth, Watch
from edgevla.runtime.sockets import listen
from tests.console.conftest import wait_for
from tests.console.fake_supervisor import TICKS

PRESS = {"ticks": TICKS}  # what a page knows of the robot when somebody presses
PATIENCE_S = 3.0  # on a machine that is busy with something else


@pytest.fixture
def ann(console, supervisor):
    return console.client("Ann")


@pytest.fixture
def bob(console, supervisor):
    return console.client("Bob")


class Beating:
    """A page that holds the arm, at the console's own pace."""

    def __init__(self, client, page=None):
        self.page = page or client.socket()
        self.answer = client.post("/api/engage", PRESS)
        self.lease = self.answer.json.get("lease")

    def beat_for(self, seconds):
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            self.page.send({"beat": self.lease})
            time.sleep(0.1)


def released(supervisor):
    return supervisor.count(Request, Event.RELEASE)


# ---- the state


def test_the_session_tells_the_page_what_the_robot_is_like(console, ann):
    session = ann.get("/api/session").json
    assert session["who"] == {"session": 1, "name": "Ann"}
    robot = session["robot"]
    assert robot["name"] == "so101-tabletop"
    assert robot["cameras"] == ["front", "wrist"]
    assert robot["joints"][0] == {"name": "shoulder_pan", "soft_deg": [-100.0, 100.0], "hard_deg": [-110.0, 110.0]}
    assert "touch the red block" in robot["presets"]
    assert robot["has_overlay"] is False


def test_the_state_is_in_an_operator_s_units(ann):
    state = ann.socket().state(connected=True)
    assert state["mode"] == "disarmed"
    assert state["joints"][1]["position_deg"] == pytest.approx(5.73, abs=0.005)
    assert state["joints"][0]["limited"] == 3
    assert state["health"][0]["temperature_c"] == 35.0
    assert state["chunk_age_ms"] == 50
    assert 0 <= state["age_ms"] < 1e3 * PATIENCE_S
    assert state["realtime"]["scheduler"] == "fifo"
    assert state["holder"] is None


def test_a_change_of_mode_is_shown_at_once_and_told(console, ann, supervisor):
    page = ann.socket()
    page.state(mode="disarmed")
    supervisor.set(mode=Mode.FAULT, reason="servo fault: gripper reports overload")
    assert page.state(mode="fault")["reason"].endswith("overload")
    assert page.told("overload")


def test_a_robot_that_does_not_run_is_shown_with_the_command_that_starts_it(console):
    ann = console.client()
    state = ann.socket().state(connected=False)
    assert state["mode"] == ""
    assert "robot not running" in state["why"]
    assert state["why"].endswith("edgevla serve robot.yaml")
    for name in ("stop", "arm", "engage"):
        answer = ann.post(f"/api/{name}", PRESS if name == "engage" else {})
        assert (answer.status, answer.json["ok"]) == (503, False)


def test_a_robot_that_has_not_said_hello_yet_is_starting(console):
    page = console.client().socket()
    listener = listen(console.path)
    assert page.state(why="the robot is starting")["connected"] is False
    listener.close()


def test_the_press_that_a_robot_s_restart_has_overtaken_engages_nothing(console):
    first = console.supervise()
    ann = console.client()
    page = ann.socket()
    first.set(ticks=TICKS * 50)
    page.state(ticks=TICKS * 50)
    assert ann.post("/api/release").status == 200
    first.close()
    page.state(connected=False)
    console.supervise()
    page.state(connected=True)
    assert ann.post("/api/engage", {"ticks": TICKS * 50}).status == 409
    assert ann.post("/api/engage", PRESS).status == 200, "the new robot counts its ticks anew"


def test_a_robot_that_comes_back_is_shown_and_not_engaged_again(console):
    first = console.supervise()
    ann = console.client()
    held = Beating(ann)
    assert held.answer.status == 200
    first.close()
    held.page.state(connected=False, holder=None)
    second = console.supervise()
    held.page.state(connected=True)
    held.beat_for(0.3)
    assert second.count(Request) == second.count(Heartbeat) == 0


def test_pictures_come_while_somebody_looks(ann, supervisor):
    assert ann.get("/api/camera/front").status == 204
    wait_for(lambda: any(isinstance(each, Watch) and each.pictures_hz > 0.0 for each in supervisor.heard))
    supervisor.show("front", b"jpeg")
    wait_for(lambda: ann.get("/api/camera/front").status == 200)
    answer = ann.get("/api/camera/front")
    assert answer.body == b"jpeg"
    assert answer.headers["content-type"] == "image/jpeg"
    assert 50 <= int(answer.headers["x-age-ms"]) < 1e3 * PATIENCE_S
    assert ann.get("/api/camera/side").status == 204


def test_the_newest_valid_plan_is_the_proposal(ann, supervisor):
    page = ann.socket()
    assert ann.get("/api/proposal").status == 204
    wait_for(lambda: any(isinstance(each, Watch) and each.planned for each in supervisor.heard))
    supervisor.plan(7, ((0.0,) * 6, (0.1,) * 6, (0.2,) * 6))
    page.state(proposal_seq=7)
    proposal = ann.get("/api/proposal").json
    assert (proposal["seq"], proposal["duration_s"], proposal["path"]) == (7, 0.2, {})
    assert proposal["joints_deg"][1] == [5.73] * 6
    supervisor.plan(8, (), valid=False)
    page.state(proposal_seq=-1)
    assert ann.get("/api/proposal").status == 204


def test_events_are_numbered_and_can_be_read_again(ann, supervisor):
    events = ann.get("/api/events").json["events"]
    assert [event["n"] for event in events] == list(range(1, len(events) + 1))
    assert ann.get(f"/api/events?after={len(events) - 1}").json["events"] == events[-1:]
    assert ann.get("/api/events?after=-1").status == 400


# ---- what is asked for


@pytest.mark.parametrize("event", [Event.ARM, Event.DISARM, Event.RESET, Event.RELEASE, Event.STOP])
def test_a_request_reaches_the_robot_in_the_name_of_the_person(ann, supervisor, event):
    answer = ann.post(f"/api/{event.value}")
    assert (answer.status, answer.json["ok"]) == (200, True)
    wait_for(lambda: supervisor.count(Request, event) == 1)
    (request,) = (each for each in supervisor.heard if isinstance(each, Request))
    assert request.why == "Ann at the console"


def test_an_instruction_reaches_the_policy_in_one_line(ann, supervisor):
    assert ann.post("/api/instruct", {"text": " push the\nred block ", "once": True}).status == 200
    assert ann.post("/api/instruct", {"home": True}).status == 200
    wait_for(lambda: supervisor.count(Instruct) == 2)
    sentence, home = (each for each in supervisor.heard if isinstance(each, Instruct))
    assert (sentence.text, sentence.once) == ("push the red block", True)
    assert home.home


def test_a_stop_is_taken_whatever_its_body_is(ann, supervisor):
    headers = {"Origin": ann.origin, "X-EdgeVLA-Token": ann.token}
    assert ann.request("POST", "/api/stop", b"\xff" * 100, headers).status == 200
    wait_for(lambda: supervisor.count(Request, Event.STOP) == 1)


# ---- engage, hold, let go


def test_who_holds_the_arm_keeps_it_engaged_by_beating(ann, supervisor):
    held = Beating(ann)
    assert held.answer.json["mode"] == "engaged"
    order = [each.event for each in supervisor.heard if isinstance(each, Request)]
    assert order == [Event.ARM, Event.ENGAGE]
    before = supervisor.count(Heartbeat)
    held.beat_for(3.0 * LEASE_S)
    assert supervisor.count(Heartbeat) >= before + 8
    assert released(supervisor) == 0
    assert held.page.state(holder={"session": 1, "name": "Ann"})


def test_without_beats_the_arm_is_let_go(ann, supervisor):
    held = Beating(ann)
    held.beat_for(0.2)
    wait_for(lambda: released(supervisor) == 1)
    assert held.page.state(holder=None)["mode"] == "holding"


def test_who_never_beats_lets_go_as_well(ann, supervisor):
    Beating(ann)
    wait_for(lambda: released(supervisor) == 1)


def test_a_page_that_is_gone_lets_go_at_once(ann, supervisor):
    held = Beating(ann)
    held.beat_for(0.1)
    gone_s = time.monotonic()
    held.page.close()
    wait_for(lambda: released(supervisor) == 1)
    request = next(each for each in supervisor.heard if isinstance(each, Request) and each.event is Event.RELEASE)
    assert request.t_s >= gone_s
    assert "is gone" in request.why


def test_beats_that_come_back_too_late_engage_nothing(ann, supervisor):
    held = Beating(ann)
    held.beat_for(0.1)
    wait_for(lambda: released(supervisor) == 1)
    beats = supervisor.count(Heartbeat)
    held.beat_for(0.3)
    assert supervisor.count(Heartbeat) == beats
    assert supervisor.count(Request, Event.ENGAGE) == 1


def test_beats_on_another_page_do_not_count(ann, supervisor):
    other = ann.socket()
    held = Beating(ann)
    held.beat_for(0.1)
    for _ in range(8):
        other.send({"beat": held.lease})
        time.sleep(0.1)
    assert released(supervisor) == 1


def test_the_lease_of_another_person_is_no_use(ann, bob, supervisor):
    theirs = bob.socket()
    held = Beating(ann)
    held.beat_for(0.1)
    for _ in range(8):
        theirs.send({"beat": held.lease})
        time.sleep(0.1)
    assert released(supervisor) == 1


def test_the_first_holder_keeps_the_arm(ann, bob, supervisor):
    bob.socket()
    held = Beating(ann)
    refused = bob.post("/api/engage", PRESS)
    assert (refused.status, refused.json["why"]) == (409, "Ann (session 1) has the arm")
    for name, body in {"arm": {}, "reset": {}, "instruct": {"text": "push the red block"}}.items():
        assert bob.post(f"/api/{name}", body).status == 409, name
    assert ann.post("/api/engage", PRESS).status == 409, "a second tab"
    held.beat_for(0.1)
    assert released(supervisor) == 0


@pytest.mark.parametrize("name", ["stop", "release", "disarm"])
def test_everybody_may_stop_it(ann, bob, supervisor, name):
    held = Beating(ann)
    held.beat_for(0.1)
    assert bob.post(f"/api/{name}").status == 200
    beats = supervisor.count(Heartbeat)
    held.beat_for(0.3)
    assert supervisor.count(Heartbeat) == beats, "the lease is over"
    assert supervisor.count(Request, Event(name)) == 1


def test_an_engagement_that_ends_by_itself_ends_the_lease(ann, supervisor):
    held = Beating(ann)
    held.beat_for(0.1)
    supervisor.set(mode=Mode.STOPPING, reason="plan stale: the newest plan is 700 ms old")
    held.page.state(holder=None)
    supervisor.set(mode=Mode.ENGAGED, reason="by somebody else")
    beats = supervisor.count(Heartbeat)
    held.beat_for(0.2)
    assert supervisor.count(Heartbeat) == beats


def test_without_an_open_page_nothing_is_engaged(ann, supervisor):
    answer = ann.post("/api/engage", PRESS)
    assert (answer.status, answer.json["why"]) == (409, "your page has no connection")
    assert supervisor.count(Request, Event.ENGAGE) == 0


def test_letting_go_while_it_is_still_being_engaged_wins(console, ann, supervisor):
    page = ann.socket()
    supervisor.set(mode=Mode.HOLDING, instruction="an older one")  # so the console waits for a plan
    supervisor.say(PolicyStatus(ready=True, detail="thinking", instruction=""))
    supervisor.set(chunk_age_ms=-1.0)
    console.hub.desk.checks = lambda: []
    page.state(mode="holding", chunk_age_ms=None)
    answers = []
    asking = threading.Thread(target=lambda: answers.append(ann.post("/api/engage", PRESS)))
    asking.start()
    wait_for(lambda: console.hub.desk._asked_by == "Ann")
    assert ann.post("/api/release").status == 200
    asking.join()
    assert (answers[0].status, answers[0].json["why"]) == (409, "let go before it was engaged")
    supervisor.set(chunk_age_ms=10.0)
    page.state(chunk_age_ms=10)
    assert supervisor.count(Request, Event.ENGAGE) == 0


def test_what_control_refuses_is_said(ann, supervisor):
    ann_page = ann.socket()
    supervisor.refuses = "engage refused: no fresh plan from the policy"
    answer = ann.post("/api/engage", PRESS)
    assert (answer.status, answer.json["why"]) == (409, "engage refused: no fresh plan from the policy")
    assert ann_page.state()["holder"] is None
    assert released(supervisor) == 0


def test_a_press_that_the_network_delivers_after_the_release_engages_nothing(ann, supervisor):
    page = ann.socket()
    supervisor.set(ticks=TICKS + 10)
    page.state(ticks=TICKS + 10)
    assert ann.post("/api/release").status == 200
    late = ann.post("/api/engage", PRESS)
    assert (late.status, late.json["why"]) == (409, "your press came too late; press again")
    supervisor.set(mode=Mode.HOLDING, confirmable_seq=12)
    page.state(confirmable_seq=12)
    assert ann.post("/api/confirm", {**PRESS, "seq": 12}).status == 409
    assert supervisor.count(Request, Event.ENGAGE) == supervisor.count(Confirm) == 0
    assert ann.post("/api/engage", {"ticks": TICKS + 10}).status == 200, "and the next one does"


@pytest.mark.parametrize("ticks", [TICKS - 101, -1, TICKS + 1, 2**63])
def test_a_press_from_long_ago_or_of_another_run_engages_nothing(ann, supervisor, ticks):
    ann.socket()
    assert ann.post("/api/engage", {"ticks": ticks}).status in {400, 409}
    assert ann.post("/api/engage", {}).status == 400, "nor does one that does not say"
    assert supervisor.count(Request, Event.ENGAGE) == 0


def test_disarming_an_arm_that_runs_stops_it_at_once(ann, bob, supervisor):
    held = Beating(ann)
    held.beat_for(0.1)
    assert bob.post("/api/disarm").status == 200
    wait_for(lambda: released(supervisor) == supervisor.count(Request, Event.DISARM) == 1)


# ---- preflight

HOT = (ServoHealth(joint="gripper", voltage_v=12.0, temperature_c=70.0, load=0.1, status=0),)


@pytest.mark.parametrize(
    ("name", "why", "status", "policy"),
    [
        ("arm ready", "reset", {"mode": Mode.FAULT, "reason": "overrun"}, {}),
        ("fresh plan", "900 ms", {"chunk_age_ms": 900.0}, {}),
        ("fresh plan", "another instruction", {"instruction": "push the red block"}, {}),
        ("instruction accepted", "refused", {"instruction": ""}, {"detail": "instruction refused", "instruction": ""}),
        ("cameras alive", "wrist", {}, {"blind": ("wrist",)}),
    ],
)
def test_what_is_not_right_refuses_to_engage_with_the_list(ann, supervisor, name, why, status, policy):
    page = ann.socket()
    fields = {"ready": True, "detail": "touch the red block", "instruction": "touch the red block"}
    supervisor.say(PolicyStatus(**{**fields, **policy}))
    supervisor.set(**status)
    state = page.hear(lambda said: not check(said, name)["ok"])
    assert why in check(state, name)["why"]
    answer = ann.post("/api/engage", PRESS)
    assert answer.status == 409
    assert why in check(answer.json, name)["why"]
    assert supervisor.count(Request) == 0


def test_what_is_only_a_warning_does_not_refuse(console, ann, supervisor):
    supervisor.granted = supervisor.granted.__class__(
        scheduler="other", mlock=False, affinity=(), refused="no SCHED_FIFO"
    )
    supervisor.say(supervisor.granted)
    page = ann.socket()
    state = page.hear(lambda said: not check(said, "real time granted")["ok"])
    assert check(state, "real time granted") == {
        "name": "real time granted",
        "ok": False,
        "warn": True,
        "why": "no SCHED_FIFO",
    }
    assert Beating(ann, page).answer.status == 200


# ---- confirm each chunk


def test_exactly_the_chunk_that_was_seen_is_played(ann, supervisor):
    page = ann.socket()
    supervisor.set(mode=Mode.HOLDING, confirmable_seq=12)
    page.state(confirmable_seq=12)
    assert ann.post("/api/confirm", {**PRESS, "seq": 11}).status == 409
    answer = ann.post("/api/confirm", {**PRESS, "seq": 12})
    assert answer.status == 200
    assert answer.json["lease"]
    (confirm,) = (each for each in supervisor.heard if isinstance(each, Confirm))
    assert confirm.seq == 12


def check(said, name):
    return next(each for each in said["preflight"] if each["name"] == name)
