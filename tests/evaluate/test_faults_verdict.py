"""What was seen and what was expected become a row; whatever differs is said in words."""

import pytest

from edgevla.evaluate.faults.verdict import Watched, judge
from edgevla.evaluate.faults.vocabulary import Cell, Expect, FaultSpec
from edgevla.evaluate.faults.wire import WireVerdict
from edgevla.messages import Bounds, Mode, Status

RATE_HZ = 50.0
BROKEN_S = 10.0
KILLED = FaultSpec(target="policy", kind="off")


def status(t_s, mode=Mode.ENGAGED, reason="engage: swing", **changes):
    fields = {
        "t_s": t_s,
        "mode": mode,
        "reason": reason,
        "instruction": "",
        "ticks": round(t_s * RATE_HZ),
        "missed": 0,
        "rate_hz": RATE_HZ,
        "lateness_p99_us": 0.0,
        "chunk_age_ms": 0.0,
        "policy_ms": 0.0,
        "bounds": Bounds(),
        "position_rad": (),
        "setpoint_rad": (),
    }
    return Status(**{**fields, **changes})


LOST = "policy lost: the policy process is gone"
STORY = (status(10.02, Mode.STOPPING, LOST), status(10.1, Mode.HOLDING, LOST), status(12.0, Mode.HOLDING, LOST))


def row(heard=STORY, *, fault=KILLED, wire=None, expect=None, **changes):
    fields = {
        "broken_s": BROKEN_S,
        "phase_s": 1.0,
        "before": status(9.95),
        "heard": heard,
        "settled": len(heard),
        "gone_s": None,
        "exit_code": 0,
        "first_mode": Mode.DISARMED,
    }
    expect = expect or {"modes": ("holding",), "reason": "policy process", "detected": 0.1}
    cell = Cell(name="policy killed", faults=(fault,), expect=Expect(**expect))
    return judge(cell, Watched(**{**fields, **changes}), wire or on_the_wire(), RATE_HZ)


def on_the_wire(last_move_s=10.08, violations=()):
    excursion = {"position": 0.4, "velocity": 0.9871, "acceleration": 0.7}
    return WireVerdict(
        violations=violations,
        excursion=excursion,
        goals=99,
        first_goal_s=8.0,
        last_goal_s=12.0,
        last_move_s=last_move_s,
        frames={},
    )


def problems(*arguments, **changes):
    return " / ".join(row(*arguments, **changes).problems)


def test_a_story_as_expected_is_a_row_without_problems():
    found = row()
    assert found.problems == ()
    assert (found.detected_ms, found.ended_ms, found.stopped_ms) == (20.0, 20.0, 80.0)
    assert (found.mode, found.excursion, found.broken) == ("holding", 0.987, ("policy off",))


def test_another_mode_or_reason_is_a_problem():
    assert "ended holding, expected fault" in problems(expect={"modes": ("fault",)})
    assert 'does not say "serial lost"' in problems(expect={"modes": ("holding",), "reason": "serial lost"})


def test_a_late_or_missing_detection_is_a_problem():
    assert "detected after 20 ms; 10 ms are expected" in problems(expect={"modes": ("holding",), "detected": 0.01})
    on = (status(10.1), status(12.0))
    assert "detected not at all" in problems(on, expect={"modes": ("engaged",), "detected": 0.3})


@pytest.mark.parametrize("told", [{"reason": "holding: chunk 3 row 0 is not finite"}, {"bounds": Bounds(held=3)}])
def test_a_hold_without_a_change_of_mode_is_a_detection_too(told):
    heard = (status(10.06, **told), status(12.0))
    assert row(heard, expect={"modes": ("engaged",), "detected": 0.3}).detected_ms == 60.0


def test_a_hold_that_passes_is_a_detection_and_not_the_end():
    heard = (
        status(10.1, bounds=Bounds(held=3)),
        status(10.5),
        status(11.0, Mode.HOLDING, LOST),
        status(12.0, Mode.HOLDING, LOST),
    )
    found = row(heard, wire=on_the_wire(last_move_s=11.05))
    assert (found.detected_ms, found.ended_ms, found.stopped_ms, found.problems) == (100.0, 1000.0, 1050.0, ())


def test_an_arm_that_goes_on_has_no_end_of_its_motion():
    found = row((status(10.1), status(12.0)), expect={"modes": ("engaged",)})
    assert (found.detected_ms, found.stopped_ms, found.problems) == (None, None, ())


def test_motion_that_goes_on_after_the_end_is_a_problem():
    assert "goals moved for 380 ms after the end" in problems(wire=on_the_wire(last_move_s=10.4))


def test_a_violation_on_the_wire_is_a_problem_whatever_the_mode():
    assert "on the wire: 10.1 s: a burst" in problems(wire=on_the_wire(violations=("10.1 s: a burst",)))


def test_an_arm_that_engages_again_by_itself_is_a_problem_even_after_the_fault_is_mended():
    heard = (*STORY, status(12.2))
    found = row(heard, settled=3)
    assert found.mode == "holding"
    assert "it engaged again by itself" in found.problems


def test_a_loop_that_does_not_go_on_is_a_problem():
    heard = (*STORY[:2], status(12.0, Mode.HOLDING, LOST, ticks=510))
    assert "the loop made" in problems(heard)


def test_a_control_process_that_is_gone_is_expected_or_a_problem():
    killed = FaultSpec(target="control", kind="off")
    found = row((), fault=killed, gone_s=10.05, exit_code=-9, expect={"modes": ("gone",), "detected": 0.1})
    assert (found.mode, found.detected_ms, found.problems) == ("gone", 50.0, ())
    assert "ended gone, expected holding" in problems((), gone_s=10.05)


def test_a_control_process_that_leaves_with_an_error_is_a_problem():
    assert "left with exit code 1" in problems(exit_code=1)


def test_a_control_process_that_comes_up_armed_is_a_problem():
    assert "came up holding, not disarmed" in problems(first_mode=Mode.HOLDING)
