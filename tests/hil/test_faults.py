"""The promise, on the wire: what breaks while the arm moves, and what the independent wire check says to the bytes.

A handful of cells of the whole matrix, which `make faults` runs. With EDGEVLA_HIL_ROBOT naming a robot.yaml, and
EDGEVLA_HIL_MOVE=yes, a cell that needs no simulator runs on that robot: it moves, and its processes are killed.
"""

import os
from pathlib import Path

import pytest

from edgevla.evaluate.faults.load import MATRIX
from edgevla.evaluate.faults.runner import FaultOptions, run_faults
from edgevla.evaluate.faults.wire import Wire, check_wire
from edgevla.messages import Instruct, Mode
from edgevla.runtime.arguments import REFERENCE
from edgevla.runtime.demo import simulated_devices
from edgevla.runtime.homing import HOME_INSTRUCTION
from edgevla.runtime.session import Session
from edgevla.shipped import shipped
from edgevla.sim.process import spawn_simulator

pytestmark = pytest.mark.realtime

ROBOT_YAML = shipped("so101-tabletop") / "robot.yaml"
REAL = os.environ.get("EDGEVLA_HIL_ROBOT") if os.environ.get("EDGEVLA_HIL_MOVE") == "yes" else None
CELLS = ("policy killed",) if REAL else ("policy killed", "adapter unplugged and plugged")


def test_cells_of_the_matrix_end_as_expected_and_inside_the_envelope(tmp_path):
    options = FaultOptions(
        plan=MATRIX,
        robot_path=Path(REAL) if REAL else None,
        overrides={},
        only=CELLS,
        seed=7,
        report=tmp_path,
        done=None,
    )
    results = run_faults(options, lambda row, total: None)["results"]
    assert {cell["fault"]: cell["problems"] for cell in results["cells"] if cell["problems"]} == {}
    assert len(results["cells"]) == len(CELLS)
    if not REAL:
        assert all(0.3 < cell["excursion"] <= 1.0 for cell in results["cells"])
        assert all(cell["goals"] > 50 for cell in results["cells"])


@pytest.mark.skipif(REAL is not None, reason="the bytes are captured at the simulated robot")
def test_every_byte_of_an_ordinary_session_is_inside_the_envelope(tmp_path):
    """As `edgevla demo` drives the arm: home, then a sentence in an engagement of its own."""
    capture = tmp_path / "bus.jsonl"
    with spawn_simulator(seed=5, capture=capture) as simulator:
        wire = Wire(capture)
        with Session(ROBOT_YAML, simulated_devices(simulator), tmp_path, REFERENCE) as session:
            session.arm()
            for sentence in (HOME_INSTRUCTION, "push the red block left"):
                home = sentence == HOME_INSTRUCTION
                session.instruct(Instruct(home=True) if home else Instruct(text=sentence))
                if not home:
                    simulator.start_task(sentence, 5)
                session.engage(sentence)
                session.wait_until(_after(session, 0.7 if home else 2.5), 5.0, "time to pass")
                session.release("seen enough")
                assert session.mode is Mode.HOLDING
        verdict = check_wire(wire.cut(tmp_path / "session.jsonl"), ROBOT_YAML)
    assert verdict.violations == ()
    assert verdict.goals > 180
    assert 0.3 < verdict.worst <= 1.0


def _after(session, seconds):
    ends_s = session.status.t_s + seconds
    return lambda: session.status.t_s > ends_s
