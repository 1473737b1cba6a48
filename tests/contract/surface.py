"""In a subprocess: import foreign bindings and our modules over them, and print which names are missing.

python surface.py MODULE NAMED_AS FILE_WITH_NAMES [OUR_MODULE ...]
"""

import importlib
import json
import sys
from pathlib import Path


def missing(module, names):
    """The names that lead nowhere."""
    lost = []
    for name in names:
        found = module
        for part in name.split("."):
            found = getattr(found, part, None)
            if found is None:
                lost.append(name)
                break
    return lost


def main():
    """Print {"version", "missing", "imported"}."""
    real, named_as, names, *ours = sys.argv[1:]
    module = sys.modules[named_as] = importlib.import_module(real)
    lost = missing(module, json.loads(Path(names).read_text()))
    imported = [importlib.import_module(name).__name__ for name in ours]
    print(json.dumps({"version": getattr(module, "__version__", ""), "missing": lost, "imported": imported}))


main()
