"""Confirm each movement: it is drawn first, and only what was seen is played, once."""

from playwright.sync_api import expect

from edgevla.messages import Mode
from tests.browser.operator import PATIENCE_MS, SENTENCE


def propose(operator):
    operator.arm()
    operator.page.click("#confirm")
    expect(operator.page.locator("#confirm")).to_have_attribute("aria-checked", "true")
    operator.page.fill("#sentence", SENTENCE)
    operator.page.press("#sentence", "Enter")
    operator.says("#proposal", "Proposed")


def test_the_way_of_the_tool_is_drawn_before_it_moves_and_played_once(stand, operator, artefacts):
    propose(operator)
    path = operator.page.locator("figure", has_text="front").locator(".path")
    points = [tuple(map(float, point.split(","))) for point in path.get_attribute("points").split()]
    assert len(points) > 5
    assert all(0 <= x <= 1000 and 0 <= y <= 1000 for x, y in points), "inside the picture"
    assert operator.page.locator("#joints .plan:not([hidden])").count() == 6
    assert stand.watcher.mode is Mode.HOLDING, "nothing moves yet"
    operator.page.screenshot(path=artefacts / "proposal.png")
    operator.press()
    operator.sees("engaged")
    operator.sees("holding")  # at its end, while the button is still held
    operator.let_go()
    assert path.count() == 0, "what was played is no proposal any more"
    expect(operator.page.locator("#hold")).to_have_attribute("aria-disabled", "true")
    operator.says("#hold", "Propose a movement first")


def test_letting_go_ends_a_confirmed_movement(operator):
    propose(operator)
    operator.press()
    operator.sees("engaged")
    operator.let_go()
    operator.sees("holding")


def test_without_the_switch_it_runs_on_its_own_again(operator):
    propose(operator)
    operator.page.click("#confirm")
    expect(operator.page.locator("#send")).to_have_text("Set")
    operator.says("#hold-title", "Hold to run")
    operator.may_hold()


def test_a_movement_is_proposed_only_to_an_armed_arm(operator):
    operator.disarm()
    operator.page.click("#confirm")
    expect(operator.page.locator("#hold-text")).to_have_text("Arm first", timeout=PATIENCE_MS)
