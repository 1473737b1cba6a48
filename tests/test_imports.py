"""The imports of edgevla/, drawn from its sources: arrows go down the floors, and nothing goes round in a circle."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "edgevla"

# A room missing here has no place in the house yet. Rooms of one floor do not import each other; the ground floor,
# which holds what everybody may use, is the exception.
FLOORS = {
    "edgevla": 0,
    "bundle": 0,
    "calibration_set": 0,
    "config": 0,
    "describe": 0,
    "tables": 0,
    "errors": 0,
    "files": 0,
    "memory": 0,
    "messages": 0,
    "plugins": 0,
    "registers": 0,
    "shipped": 0,
    "spread": 0,
    "cameras": 1,
    "control": 1,
    "engine": 1,
    "motors": 1,
    "policy": 2,
    "sim": 2,
    "plan": 3,
    "quantize": 3,
    "runtime": 3,
    "calibrate": 4,
    "console": 4,
    "distill": 4,
    "doctor": 4,
    "evaluate": 4,
    "importers": 4,
    "service": 4,
    "commands": 5,
    "cli": 6,
    "__main__": 7,  # the door: `python -m edgevla` is the command line
}
CODECS = {"edgevla.motors.dynamixel", "edgevla.motors.feetech", "edgevla.motors.mcu"}
WITH_TORCH = {"distill", "importers"}


def module_name(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


def imports_of(path: Path, package: Path, modules: set[str]) -> set[str]:
    """Every module that a file imports, wherever in the file, for types too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            below = {f"{node.module}.{alias.name}" for alias in node.names} & modules
            # `from package import module` is an arrow to the module, not to what else the package holds.
            found |= below if len(below) == len(node.names) else below | {node.module}
    return found


def draw(package: Path) -> dict[str, set[str]]:
    paths = {module_name(path, package): path for path in sorted(package.rglob("*.py"))}
    return {name: imports_of(path, package, set(paths)) for name, path in paths.items()}


def ours(imports: set[str]) -> set[str]:
    return {name for name in imports if name.split(".")[0] == "edgevla"}


def arrows_up(drawing: dict[str, set[str]]) -> list[str]:
    wrong = []
    for module, imports in drawing.items():
        for target in sorted(ours(imports)):
            here, there = room_of(module), room_of(target)
            if (here != there and FLOORS[there] >= FLOORS[here] > 0) or FLOORS[there] > FLOORS[here]:
                wrong.append(f"{module} -> {target}")
    return wrong


def circle(drawing: dict[str, set[str]]) -> list[str]:
    """One circle, if there is any."""
    done: set[str] = set()

    def walk(module: str, way: list[str]) -> list[str]:
        if module in way:
            return [*way[way.index(module) :], module]
        if module in done:
            return []
        for target in sorted(drawing.get(module, set())):
            if found := walk(target, [*way, module]):
                return found
        done.add(module)
        return []

    return next((found for module in drawing if (found := walk(module, []))), [])


@pytest.fixture(scope="module")
def drawing() -> dict[str, set[str]]:
    return draw(PACKAGE)


def test_every_room_has_a_floor(drawing):
    assert {room_of(module) for module in drawing} <= FLOORS.keys()


def test_no_arrow_points_up_or_sideways(drawing):
    assert arrows_up(drawing) == []


def test_nothing_goes_round_in_a_circle(drawing):
    assert circle(drawing) == []


def test_a_codec_knows_only_the_standard_library_and_the_ground_floor(drawing):
    found = CODECS & drawing.keys()
    assert "edgevla.motors.feetech" in found
    for codec in found:
        foreign = {name for name in drawing[codec] if name.split(".")[0] not in sys.stdlib_module_names}
        assert {name for name in foreign if name not in ours(foreign) or FLOORS[room_of(name)] > 0} == set()


def test_torch_stays_where_policies_are_made(drawing):
    with_torch = {
        room_of(module) for module, imports in drawing.items() if "torch" in {n.split(".")[0] for n in imports}
    }
    assert with_torch <= WITH_TORCH


def test_nothing_reaches_a_room_that_imports_torch_from_below(drawing):
    reachable, todo = set(), [module for module in drawing if FLOORS[room_of(module)] <= 3]
    while todo:
        module = todo.pop()
        if module not in reachable:
            reachable.add(module)
            todo.extend(ours(drawing.get(module, set())))
    assert not {room_of(module) for module in reachable} & WITH_TORCH


@pytest.mark.parametrize(
    ("files", "wrong"),
    [
        (
            {"control/limits.py": "from edgevla.policy.policy import Policy"},
            ["edgevla.control.limits -> edgevla.policy.policy"],
        ),
        ({"control/gate.py": "def f():\n    import edgevla.motors"}, ["edgevla.control.gate -> edgevla.motors"]),
        (
            {"config/load.py": "if TYPE_CHECKING:\n    from edgevla.control.gate import Gate"},
            ["edgevla.config.load -> edgevla.control.gate"],
        ),
        ({"runtime/a.py": "from edgevla.cli import main"}, ["edgevla.runtime.a -> edgevla.cli"]),
        ({"runtime/a.py": "from edgevla import cli"}, ["edgevla.runtime.a -> edgevla.cli"]),
        ({"control/gate.py": "from edgevla.control.limits import x", "bundle.py": "import edgevla.config"}, []),
        ({"cli.py": "from edgevla.control import gate", "sim/robot.py": "from edgevla.motors import bus"}, []),
    ],
)
def test_the_drawing_shows_an_arrow_that_points_up(tmp_path, files, wrong):
    assert arrows_up(draw(planted(tmp_path, files))) == wrong


def test_the_drawing_shows_a_circle(tmp_path):
    files = {"config/a.py": "import edgevla.config.b", "config/b.py": "from edgevla import errors", "errors.py": ""}
    assert circle(draw(planted(tmp_path, files))) == []
    files["errors.py"] = "def f():\n    from edgevla.config.a import x"
    found = circle(draw(planted(tmp_path, files)))
    assert found == ["edgevla.config.a", "edgevla.config.b", "edgevla.errors", "edgevla.config.a"]


def planted(folder: Path, files: dict[str, str]) -> Path:
    package = folder / "edgevla"
    for name, text in {"__init__.py": "", "cli.py": "", "control/gate.py": "", "motors/bus.py": "", **files}.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return package
