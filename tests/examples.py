"""How many random examples a property test takes: fewer for mutants, many more for `make properties`."""

import os


def examples(count):
    """`count`, scaled by EDGEVLA_EXAMPLES."""
    return max(10, round(count * float(os.environ.get("EDGEVLA_EXAMPLES", "1"))))
