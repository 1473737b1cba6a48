"""Somebody who cannot program runs the arm: instruct, hold, watch, let go, stop."""

import re
import time
from http import HTTPStatus

import pytest
from playwright.sync_api import expect

from edgevla.messages import Mode

MOVED_RAD = 0.02
MOVED_DEG = 1.0


def farthest(one, other):
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def robot_rad(stand):
    return list(stand.simulator.state()["joints_rad"].values())


def test_the_link_of_the_console_works_once(stand, chromium, key):
    context = chromium.new_context()
    page = context.new_page()
    answer = page.goto(stand.link)
    assert answer.status == 403
    assert "edgevla console link" in page.inner_text("body")
    context.close()


def test_nothing_moves_before_somebody_holds_the_button(stand, operator):
    opened_s = time.monotonic()
    operator.disarm()
    operator.instruct()
    operator.may_hold()
    operator.page.wait_for_timeout(500)
    assert stand.watcher.mode is Mode.DISARMED
    assert all(status.mode is Mode.DISARMED for status in stand.watcher.statuses if status.t_s > opened_s)


def test_the_arm_runs_while_the_button_is_held_and_pauses_when_it_is_let_go(stand, operator, artefacts):
    operator.arm()
    shown, real = operator.angles(), robot_rad(stand)
    operator.run()
    stand.watcher.wait(lambda: farthest(real, robot_rad(stand)) > 3 * MOVED_RAD, 10.0)
    assert farthest(real, robot_rad(stand)) > 3 * MOVED_RAD, "the robot has moved"
    operator.page.wait_for_timeout(300)
    assert farthest(shown, operator.angles()) > MOVED_DEG, "and the page shows it"
    operator.page.screenshot(path=artefacts / "running.png")
    assert operator.mode == "engaged", "it goes on while it is held"
    operator.let_go()
    operator.sees("holding")
    still = robot_rad(stand)
    operator.page.wait_for_timeout(500)
    assert farthest(still, robot_rad(stand)) < MOVED_RAD, "and stands still again"


@pytest.mark.parametrize("camera", ["front", "wrist"])
def test_the_live_pictures_of_the_cameras_that_the_policy_looks_through_are_shown(operator, camera):
    figure = operator.page.locator("figure", has_text=camera)
    expect(figure.locator(".age")).to_have_text("live", timeout=10_000)
    colours = figure.locator("canvas").evaluate(
        "canvas => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size"
    )
    assert colours > 50, "a photograph, no empty rectangle"


def test_a_camera_that_never_had_a_picture_takes_no_room(operator):
    operator.page.route("**/api/camera/wrist", lambda route: route.fulfill(status=HTTPStatus.NO_CONTENT))
    operator.page.reload()
    expect(operator.page.locator("figure", has_text="front").locator(".age")).to_have_text("live", timeout=10_000)
    expect(operator.page.locator("figure", has_text="wrist")).to_be_hidden()


def test_the_stop_button_stops_and_the_hold_must_begin_anew(stand, open_page):
    holder, other = open_page(), open_page()
    holder.run()
    pressed_s = time.monotonic()
    other.page.click("#stop")  # anybody may
    stand.watcher.first(Mode.STOPPING, pressed_s)
    holder.sees("holding")
    holder.page.wait_for_timeout(500)
    assert stand.watcher.mode is Mode.HOLDING, "the button is still pressed, and runs nothing"


def test_the_space_bar_stops_even_in_the_text_box(stand, open_page):
    holder, other = open_page(), open_page()
    other.page.focus("#sentence")
    holder.run()
    other.sees("engaged")
    pressed_s = time.monotonic()
    other.page.keyboard.press("Space")
    stand.watcher.first(Mode.STOPPING, pressed_s)
    assert other.page.input_value("#sentence") == ""


def test_the_space_bar_types_while_the_arm_stands(operator):
    operator.page.focus("#sentence")
    operator.page.keyboard.type("push the red block")
    assert operator.page.input_value("#sentence") == "push the red block"


def test_the_space_bar_never_presses_a_button_that_has_the_focus(stand, operator):
    operator.disarm()
    operator.page.focus("#arm")
    operator.page.keyboard.press("Space")
    operator.page.wait_for_timeout(400)
    assert stand.watcher.mode is Mode.DISARMED


def test_everything_can_be_done_with_the_keyboard(stand, operator):
    keyboard = operator.page.keyboard
    keyboard.press("Tab")
    expect(operator.page.locator(".skip")).to_be_focused()
    for _ in range(3):
        if operator.page.evaluate("document.activeElement.id") == "sentence":
            break
        keyboard.press("Tab")
    expect(operator.page.locator("#sentence")).to_be_focused()
    keyboard.type("touch the blue block")
    keyboard.press("Enter")
    operator.says("#instruction", "touch the blue block")
    operator.may_hold()
    for _ in range(40):
        if operator.page.evaluate("document.activeElement.id") == "hold":
            break
        keyboard.press("Tab")
    keyboard.down("Enter")
    operator.sees("engaged")
    keyboard.press("Space")  # the other hand
    operator.sees("holding")
    keyboard.up("Enter")
    operator.may_hold()
    keyboard.down("Enter")
    operator.sees("engaged")
    keyboard.up("Enter")
    operator.sees("holding")


def test_leaving_the_button_or_the_page_lets_go(operator):
    operator.run()
    box = operator.page.locator("#hold").bounding_box()
    operator.page.mouse.move(box["x"] + 20, box["y"] - 200)
    operator.sees("holding")
    operator.let_go()
    operator.press()
    operator.sees("engaged")
    operator.page.evaluate("window.dispatchEvent(new Event('blur'))")
    operator.sees("holding")
    operator.says("#note", "the page lost the focus")


def test_a_second_person_is_told_who_has_the_arm(open_page):
    holder, other = open_page(), open_page()
    holder.run()
    other.sees("engaged")
    expect(other.page.locator("#holder")).to_have_text(re.compile("Held"))
    expect(other.page.locator("#hold")).to_have_attribute("aria-disabled", "true")


def test_a_sentence_that_was_given_is_offered_again(operator):
    operator.instruct("push the green block left")
    operator.instruct("touch the green block")
    operator.page.click("#earlier summary")
    operator.page.click("#history button:has-text('push the green block left')")
    operator.says("#instruction", "push the green block left")


def test_events_say_what_happened_newest_first(operator):
    operator.instruct("touch the green block")
    first = operator.page.locator("#events li").first
    expect(first).to_contain_text("touch the green block")
