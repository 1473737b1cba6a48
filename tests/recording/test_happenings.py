"""Which of the things that happen to an arm are interventions."""

import pytest

from edgevla.messages import Chunk, Mode
from edgevla.runtime.recording.happenings import Watcher
from tests.recording.test_recorder import tick

E, H, S, F = Mode.ENGAGED, Mode.HOLDING, Mode.STOPPING, Mode.FAULT
ENGAGED = tick(1, mode=E, reason="engage: go", chunk_seq=3)


def watch(*ticks, done=()):
    watcher = Watcher()
    for seq in done:
        watcher.plan(Chunk(seq=seq, t_obs_s=0.0, rate_hz=1.0, actions_rad=(), valid=True, done=True))
    return [each for one in ticks for each in watcher.tick(one)]


@pytest.mark.parametrize(
    ("mode", "reason", "done", "intervention"),
    [
        (S, "stop: the operator pressed stop", (), True),
        (S, "stop: the operator pressed stop", (3,), True),
        (S, "release: the operator let go", (), True),
        (S, "release: the operator let go", (3,), False),
        (S, "release: the operator let go", (2,), True),
        (S, "release: the confirmed chunk is over", (), False),
        (S, "lease lost: the operator's heartbeat stopped", (), True),
        (F, "tracking: elbow_flex does not follow", (), True),
    ],
)
def test_how_an_engagement_ends(mode, reason, done, intervention):
    _, end = watch(ENGAGED, tick(2, mode=mode, reason=reason, chunk_seq=3), done=done)
    assert (end.text, end.intervention) == (f"{mode.value}: {reason}", intervention)


def test_a_refusal_is_an_intervention_although_the_mode_stays():
    refused = tick(2, mode=H, reason="confirm refused: the arm has moved")
    assert [each.intervention for each in watch(tick(1, mode=H, reason="stop: x"), refused)] == [False, True]


def test_what_the_bounds_hold_is_said_when_it_begins():
    held = [tick(number, mode=E, held=number in {2, 3, 5}) for number in range(1, 7)]
    said = [each for each in watch(*held) if each.text == "the bounds hold the arm"]
    assert [each.t_s for each in said] == [held[1].t_s, held[4].t_s]
    assert all(each.intervention for each in said)


def test_nothing_new_is_nothing():
    assert len(watch(ENGAGED, tick(2, mode=E), tick(3, mode=E))) == 1


def test_the_reason_is_remembered_where_only_the_mode_changes():
    (_, end, stopped) = watch(ENGAGED, tick(2, mode=S, reason="stop: x"), tick(3, mode=H))
    assert stopped.text == "holding: stop: x"
    assert not stopped.intervention
    assert end.intervention


def test_a_fault_is_an_error():
    assert [each.level for each in watch(ENGAGED, tick(2, mode=F, reason="serial lost: x"))] == ["info", "error"]
