"""For every test: a machine that is busy with something else is not a mistake of the code under test."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# What `make test` runs by itself: whole folders where nearly every test watches a clock; in others each says so itself.
KEEPS_TIME = {"browser", "hil"}

settings.register_profile("patient", settings(), suppress_health_check=[HealthCheck.too_slow], deadline=None)
settings.load_profile("patient")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.relative_to(Path(__file__).parent).parts[0] in KEEPS_TIME:
            item.add_marker(pytest.mark.realtime)
