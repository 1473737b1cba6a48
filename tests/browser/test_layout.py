"""The page on a telephone and on a desk, light and dark, and for people who cannot see it."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

AUDIT = (Path(__file__).parent / "audit.js").read_text(encoding="utf-8")
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
DESK = {"viewport": {"width": 1280, "height": 860}}


def live(operator):
    """Waits for pictures, for the screenshots."""
    expect(operator.page.locator("figure .age").first).to_have_text("live", timeout=10_000)


def test_on_a_phone_nothing_is_wider_than_the_screen_and_stop_is_the_largest_control_in_reach(open_page, artefacts):
    operator = open_page(**PHONE)
    operator.instruct()
    live(operator)
    operator.page.evaluate("window.scrollTo(0, 0)")
    operator.page.screenshot(path=artefacts / "phone.png")
    for share in (0, 0.5, 1):
        operator.page.evaluate(f"window.scrollTo(0, {share} * document.body.scrollHeight)")
        stop = operator.page.locator("#stop").bounding_box()
        assert stop["x"] >= 0
        assert stop["x"] + stop["width"] <= 360
        assert stop["y"] + stop["height"] <= 740
    assert operator.page.evaluate("document.documentElement.scrollWidth") == 360
    boxes = operator.page.locator("button:visible").evaluate_all("all => all.map(e => e.offsetWidth * e.offsetHeight)")
    assert max(boxes) == pytest.approx(stop["width"] * stop["height"], rel=0.02)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_names_sizes_and_contrast_suffice(open_page, artefacts, scheme):
    operator = open_page(color_scheme=scheme, **DESK)
    operator.instruct()
    live(operator)
    operator.page.screenshot(path=artefacts / f"{scheme}.png")
    assert operator.page.evaluate(AUDIT) == []


def test_the_audit_finds_what_is_wrong(operator):
    operator.page.evaluate("document.getElementById('arm').textContent = ''")
    operator.page.evaluate("document.getElementById('mode').style.color = 'rgb(120, 130, 140)'")
    found = " ".join(operator.page.evaluate(AUDIT))
    assert "button#arm. has no name" in found
    assert "contrast" in found


def test_a_change_of_mode_is_spoken(operator):
    operator.disarm()
    operator.arm()
    expect(operator.page.locator("#polite")).to_contain_text("Holding", timeout=10_000)
    operator.disarm()
    expect(operator.page.locator("#polite")).to_contain_text("Disarmed", timeout=10_000)
