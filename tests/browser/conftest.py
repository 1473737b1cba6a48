"""One robot, one console and one headless Chromium for every test of this folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgevla.messages import Mode
from tests.browser.stand import Stand

pytest.importorskip("playwright", reason="Playwright is not installed: make test installs it")
pytest.importorskip("starlette", reason="starlette is not installed: make test installs it")
from playwright.sync_api import sync_playwright

from tests.browser.operator import Operator

HERE = Path(__file__).parent
ARTEFACTS = HERE.parents[1] / "reports" / "browser"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# Everything has its time here: browser, simulator and robot share what processors there are.
PATIENT = {
    "control.rate": "10 Hz",
    "control.replan": "5 Hz",
    "motors.reply_timeout": "95 ms",
    "cameras.front.max_age": "2 s",
    "cameras.wrist.max_age": "2 s",
    "control.plan_hold_after": "1200 ms",
    "control.plan_stop_after": "3 s",
}
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]  # root has no sandbox; /dev/shm may be small


# What a machine with too few free processors does to the simulated robot; the page has no part in it. A fault of the
# page shows in both runs.
BUSY = "serial lost|cannot keep its rate|no joint state as recent"


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(pytest.mark.flaky(reruns=1, only_rerun=BUSY))


@pytest.fixture(scope="package")
def stands(tmp_path_factory):
    """The robot that all tests share, by its only key."""
    running = {}
    yield running
    for each in running.values():
        each.close()


@pytest.fixture
def stand(stands, tmp_path_factory):
    """A robot that can be armed: one that has lost its servos is replaced, as no reset brings them back."""
    shared = stands.get("shared")
    if shared is not None and shared.watcher.mode is Mode.FAULT:
        stands.pop("shared").close()
    if "shared" not in stands:
        stands["shared"] = Stand(tmp_path_factory.mktemp("stand"), PATIENT)
    return stands["shared"]


@pytest.fixture(scope="package")
def chromium():
    if CHROMIUM is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def keys():
    """Link -> the cookie of somebody who has opened it: it works once, and every later page needs it."""
    return {}


@pytest.fixture
def key(stand, chromium, keys):
    if stand.link not in keys:
        context = chromium.new_context()
        page = context.new_page()
        page.goto(stand.link)
        assert page.url == f"http://127.0.0.1:{stand.port}/", "the key is gone from the address"
        keys[stand.link] = context.storage_state()
        context.close()
    return keys[stand.link]


@pytest.fixture
def open_page(stand, chromium, key):
    """Opens the page in a browser of its own; afterwards the arm stands, and nothing went wrong on the page."""
    contexts, wrong = [], []

    def open_(port=stand.port, **options):
        context = chromium.new_context(storage_state=key, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
        page.goto(f"http://127.0.0.1:{port}/")
        operator = Operator(page)
        operator.sees("disarmed", "holding")
        return operator

    yield open_
    for context in contexts:
        context.close()  # whoever held the arm lets go
    stand.watcher.wait(lambda: stand.watcher.mode in {Mode.HOLDING, Mode.DISARMED}, 10.0)
    assert stand.watcher.mode in {Mode.HOLDING, Mode.DISARMED}, stand.watcher.newest.reason
    assert not wrong


@pytest.fixture
def operator(open_page):
    return open_page()


@pytest.fixture(scope="session")
def artefacts():
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    return ARTEFACTS
