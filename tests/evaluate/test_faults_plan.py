"""A fault plan is checked word by word before anything is broken."""

from pathlib import Path

import pytest

from edgevla.config.load import load_robot
from edgevla.config.problems import ConfigError
from edgevla.evaluate.faults.load import MATRIX, load_plan
from edgevla.evaluate.faults.vocabulary import WAYS

ROBOT = load_robot(Path(__file__).parents[2] / "engines" / "so101-tabletop" / "robot.yaml")
PLAN = """\
format: edgevla-faults/1
name: mine
cells:
  - name: first
    faults: [{target: bus, kind: off}]
    expect: {modes: [fault], reason: serial lost, detected: 200 ms}
  - name: second
    faults:
      - {target: engine, kind: garbage, how: nan}
      - {target: servo, kind: wrong, joint: gripper, angle: 30 deg}
    expect: {modes: [fault]}
"""


def load(tmp_path, text):
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    return load_plan(path, ROBOT)


def test_a_plan_is_read_with_its_units(tmp_path):
    plan = load(tmp_path, PLAN)
    assert [cell.name for cell in plan.cells] == ["first", "second"]
    assert plan.cells[0].expect.detected == pytest.approx(0.2)
    assert plan.cells[1].faults[1].angle == pytest.approx(0.5236, abs=1e-4)


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ("target: bus", "target: cable", ['plan.yaml:5: cells.first.faults[0].target: got "cable"', '"bus"']),
        ("kind: off", "kind: broken", ['plan.yaml:5: cells.first.faults[0].kind: got "broken"', '"stuck"']),
        ("target: bus, kind: off", "target: port, kind: slow", ['got "slow"', "for the target port, one of: off"]),
        ("how: nan", "how: zero", ["plan.yaml:9", 'got "zero"', "for engine garbage, one of: nan, inf"]),
        ("kind: off", "kind: off, how: nan", ["plan.yaml:5", "for bus off, left out"]),
        ("kind: off", "kind: slow", ["plan.yaml:5", 'bus slow needs "by"']),
        ("kind: off", "kind: intermittent, every: 1", ['needs "every", at least 2']),
        ("angle: 30 deg", "angle: 30", ["plan.yaml:10", "got 30", "deg or rad"]),
        (", angle: 30 deg", "", ["plan.yaml:10", 'servo wrong needs "angle"']),
        ("joint: gripper", "joint: elbow", ["plan.yaml:10", 'got "elbow"', "elbow_flex"]),
        ("kind: off", "kind: off, lasts: 1 min", ["plan.yaml:5", "ms or s"]),
        ("modes: [fault], reason", "modes: [broken], reason", ["plan.yaml:6", '"broken"', '"holding"']),
        ("modes: [fault], reason", "modes: [], reason", ["plan.yaml:6", "at least one mode"]),
        ("reason: serial", "because: serial", ["plan.yaml:6", 'unknown key "because"', "reason"]),
        ("[{target: bus, kind: off}]", "[]", ["plan.yaml:5", "at least one fault"]),
        ("name: second", "name: first", ["plan.yaml:7", "no other cell has"]),
        ("edgevla-faults/1", "edgevla-faults/2", ["plan.yaml:1", '"edgevla-faults/1"']),
    ],
)
def test_a_wrong_word_is_named_with_its_line_and_what_is_allowed(tmp_path, right, wrong, says):
    assert right in PLAN
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, PLAN.replace(right, wrong, 1))
    for words in says:
        assert words in str(refused.value)


def test_the_plan_that_ships_has_forty_cells_and_every_kind_of_every_target():
    plan = load_plan(MATRIX, ROBOT)
    assert len(plan.cells) >= 40
    played = {(fault.target, fault.kind) for cell in plan.cells for fault in cell.faults}
    assert played == {(target, kind) for target, kinds in WAYS.items() for kind in kinds}
