"""A person at the page: what they see, press, hold and type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import TimeoutError, expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

PATIENCE_MS = 15_000
SENTENCE = "touch the red block"


class Operator:
    """Wraps a page on which somebody has logged in."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.set_default_timeout(PATIENCE_MS)

    @property
    def mode(self) -> str:
        return self.page.locator("body").get_attribute("data-mode") or ""

    def sees(self, *modes: str) -> None:
        """Waits until the page is in one of these modes."""
        wanted = ",".join(f"body[data-mode={mode}]" for mode in modes)
        try:
            self.page.wait_for_selector(wanted, state="attached")
        except TimeoutError as error:
            shown = [
                self.page.locator(part).inner_text() for part in (".strip", "#lost", "#preflight", "#dock", "#events")
            ]
            raise AssertionError(f"the page is not {' or '.join(modes)}, but shows: {shown}") from error

    def says(self, selector: str, text: str) -> None:
        expect(self.page.locator(selector)).to_contain_text(text, timeout=PATIENCE_MS)

    def instruct(self, sentence: str = SENTENCE) -> None:
        self.page.fill("#sentence", sentence)
        self.page.press("#sentence", "Enter")
        self.says("#instruction", sentence)

    def arm(self) -> None:
        if self.mode == "disarmed":
            self.page.click("#arm")
        self.sees("holding")

    def disarm(self) -> None:
        if self.mode == "holding":
            self.page.click("#disarm")
        self.sees("disarmed")

    def may_hold(self) -> None:
        """Waits until the page lets the arm be run."""
        expect(self.page.locator("#hold")).to_have_attribute("aria-disabled", "false", timeout=PATIENCE_MS)

    def press(self) -> None:
        """Presses the mouse on the button that runs the arm, and keeps it pressed."""
        self.may_hold()
        self.page.hover("#hold")
        self.page.mouse.down()

    def run(self) -> None:
        """Gives the sentence, holds the button, and waits until the arm runs."""
        self.instruct()
        self.press()
        self.sees("engaged")

    def let_go(self) -> None:
        self.page.mouse.up()

    def angles(self) -> list[float]:
        """The joint angles that the page shows, in degrees."""
        cells = self.page.locator("#joints tr td:nth-child(2)").all_inner_texts()
        return [float(cell.removesuffix("°")) for cell in cells]
