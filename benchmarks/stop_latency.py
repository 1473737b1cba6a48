"""`python -m benchmarks.stop_latency`: from the space bar in a real browser to the mode `stopping`.

Starts the simulated robot, `edgevla serve` at robot.yaml's rate, `edgevla console` and a headless Chromium. Two clocks:
the page's own, from its key event to its change of mode; and CLOCK_MONOTONIC, from before the key is sent to the
browser to the control process's first status in `stopping`. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

from edgevla.messages import Mode
from edgevla.runtime.report import envelope, now, write_json
from tests.browser.operator import Operator
from tests.browser.stand import Stand

WATCH = """() => {
  window.stops = [];
  let pressed = 0;
  window.addEventListener("keydown", () => { pressed = performance.now(); }, true);
  new MutationObserver(() => {
    if (document.body.dataset.mode !== "stopping" || !pressed) return;
    window.stops.push(performance.now() - pressed);
    pressed = 0;
  }).observe(document.body, { attributes: true, attributeFilter: ["data-mode"] });
}"""


def measure(count: int, folder: Path) -> dict[str, object]:
    stand = Stand(folder, {})
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium") or shutil.which("chromium-browser"), args=["--no-sandbox"]
            )
            page = browser.new_page()
            page.goto(stand.link)
            operator = Operator(page)
            operator.sees("disarmed")
            page.evaluate(WATCH)
            control_ms = []
            for _ in range(count):
                operator.run()
                pressed_s = time.monotonic()
                page.keyboard.press("Space")
                control_ms.append((stand.watcher.first(Mode.STOPPING, pressed_s).t_s - pressed_s) * 1e3)
                operator.let_go()
                operator.sees("holding")
            return {"page_ms": _spread(page.evaluate("window.stops")), "control_ms": _spread(control_ms)}
    finally:
        stand.close()


def _spread(values: list[float]) -> dict[str, float]:
    return {"p50": float(np.median(values)), "max": max(values), "n": len(values)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    started = now()
    with tempfile.TemporaryDirectory() as folder:
        results = measure(given.count, Path(folder))
    print(results)
    if given.json is not None:
        write_json(given.json, envelope("benchmarks.stop_latency", started, results))


if __name__ == "__main__":
    main()
