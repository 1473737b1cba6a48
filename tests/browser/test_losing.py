"""The connection, the console or the page goes while the arm is held: it pauses within a second and stays so."""

import signal
import time

from playwright.sync_api import expect

from edgevla.messages import Mode
from tests.browser.wire import Wire

PAUSED_S = 1.0  # by the clock of the control process


def paused_after(stand, moment_s):
    return stand.watcher.first(Mode.STOPPING, moment_s).t_s - moment_s


def test_a_pulled_cable_pauses_the_arm_and_plugging_it_in_does_not_run_it(stand, open_page, artefacts):
    with Wire(stand.port) as wire:
        operator = open_page(wire.port)
        operator.run()
        wire.pull()
        assert paused_after(stand, time.monotonic()) < PAUSED_S
        operator.sees("lost")
        operator.says("#lost", "Connection lost")
        expect(operator.page.locator("#hold")).to_have_attribute("aria-disabled", "true")
        expect(operator.page.locator("figure.old .age").first).to_contain_text("s old")
        operator.page.screenshot(path=artefacts / "lost.png")
        wire.plug_in()
        operator.sees("holding")
        operator.page.wait_for_timeout(500)
        assert stand.watcher.mode is Mode.HOLDING, "the mouse button is still down, and runs nothing"
        assert operator.page.locator("#lost").is_hidden()


def test_a_page_that_is_closed_pauses_the_arm(stand, operator):
    operator.run()
    left_s = time.monotonic()
    operator.page.close()
    assert paused_after(stand, left_s) < PAUSED_S


def test_a_page_that_hangs_pauses_the_arm_and_does_not_take_it_back(stand, operator):
    operator.run()
    hung_s = time.monotonic()
    operator.page.evaluate("{ const end = performance.now() + 1500; while (performance.now() < end); }")
    assert paused_after(stand, hung_s) < PAUSED_S
    operator.sees("holding")
    assert stand.watcher.mode is Mode.HOLDING


def test_a_killed_console_pauses_the_arm_and_the_page_asks_for_a_new_link(stand, open_page):
    operator = open_page()
    operator.run()
    killed_s = time.monotonic()
    stand.console.send_signal(signal.SIGKILL)
    assert paused_after(stand, killed_s) < PAUSED_S
    operator.says("#lost", "Connection lost")
    stand.console.wait()
    stand.start_console(stand.port)
    operator.says("#lost", "edgevla console link")
    assert stand.watcher.mode is Mode.HOLDING
