"""A clock step changes nothing: no room on the way of a frame reads the wall clock.

The clock of a machine under test cannot be stepped without stepping it for everybody on it, so this is proved on the
sources instead: there is nothing there that a step could reach.
"""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "edgevla"
ROOMS = ("cameras", "control", "engine", "motors", "policy", "runtime")
WALL = {
    "time": {"time", "time_ns", "localtime", "gmtime", "ctime", "asctime", "strftime", "CLOCK_REALTIME"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}
# The `started` field of a report; nothing is computed from it.
ALLOWED = {"runtime/report.py": {"datetime.now"}, "runtime/recording/clock.py": {"time.time_ns"}}


def reads_of_the_wall_clock(source):
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner, name = node.value.id, node.attr
            if name in WALL.get(owner, ()):
                found.add(f"{owner}.{name}")
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            found |= {f"time.{alias.name}" for alias in node.names if alias.name in WALL["time"]}
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_nothing_in_this_room_reads_the_wall_clock(room):
    paths = sorted((PACKAGE / room).rglob("*.py"))
    assert paths
    for path in paths:
        name = path.relative_to(PACKAGE).as_posix()
        assert reads_of_the_wall_clock(path.read_text(encoding="utf-8")) == ALLOWED.get(name, set()), name


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.time()",
        "from time import time_ns",
        "datetime.now()",
        "time.clock_gettime(time.CLOCK_REALTIME)",
    ],
)
def test_the_search_finds_what_it_looks_for(source):
    assert reads_of_the_wall_clock(source)
    assert not reads_of_the_wall_clock("import time\ntime.monotonic()")
