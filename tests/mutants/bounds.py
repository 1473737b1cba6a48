"""A pytest plugin: what one mutant may use. Processor time, not time on the clock, so that a busy machine kills none.

mutmut's own limits stay out of reach (pyproject.toml): they count seconds on the clock, and their signal goes to a
process id that may by then belong to somebody else.
"""

import math
import os
import resource
import time

from hypothesis import Phase, settings

# A counterexample kills, it need not be small.
settings.register_profile("mutants", settings.get_profile("ci"), phases=[Phase.explicit, Phase.generate])

CPU_S = 30  # all tests of the slowest module together take five
MEMORY_BYTES = 4 << 30  # a loop that collects ends with a MemoryError, not with the machine


def pytest_sessionstart():
    """In the process of a mutant: from here on it may compute for so long, then SIGXCPU ends it."""
    if "__mutmut_" not in os.environ.get("MUTANT_UNDER_TEST", ""):
        return
    most_s = math.ceil(time.process_time()) + CPU_S
    resource.setrlimit(resource.RLIMIT_CPU, (most_s, most_s + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
