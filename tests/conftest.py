"""For every test: a machine that is busy with something else is not a mistake of the code under test."""

import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# What `make test` runs by itself: whole folders where nearly every test watches a clock; in others each says so itself.
KEEPS_TIME = {"browser", "hil"}

# nohup(1), or a shell's &, leaves some of these ignored, and every process that a test starts would inherit that.
SIGNALS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
for _number, _handler in SIGNALS.items():
    signal.signal(_number, _handler)

settings.register_profile("patient", settings(), suppress_health_check=[HealthCheck.too_slow], deadline=None)
settings.load_profile("patient")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.relative_to(Path(__file__).parent).parts[0] in KEEPS_TIME:
            item.add_marker(pytest.mark.realtime)


@pytest.fixture(autouse=True)
def signals_are_left_as_they_were():
    """One test that left SIGINT ignored made a Ctrl-C fail in another, long after."""
    yield
    left = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in SIGNALS.items():
        signal.signal(number, handler)
    assert left == SIGNALS
