"""`edgevla latency --robot`: what can be timed on an arm without moving it.

Runs against the robot whose robot.yaml EDGEVLA_HIL_ROBOT names; without it, against the simulated arm, which meets the
runtime as a serial port and cameras and nothing else. Supervision is shadow in both: no byte is sent that could move a
joint, whatever the file says.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from edgevla.evaluate.latency import LatencyOptions, run_latency
from edgevla.runtime.demo import simulated_devices
from edgevla.shipped import shipped
from edgevla.sim.process import spawn_simulator

ROBOT = os.environ.get("EDGEVLA_HIL_ROBOT")
ROBOT_YAML = Path(ROBOT) if ROBOT else shipped("so101-tabletop") / "robot.yaml"


# Instructions of the servo protocol, after FF FF and id and length: ping, read, sync read. All others write.
ONLY_LOOKS = {0x01, 0x02, 0x82}


@pytest.fixture
def simulator(tmp_path):
    if ROBOT:
        yield None
    else:
        with spawn_simulator(seed=11, capture=tmp_path / "wire.jsonl") as running:
            yield running


@pytest.mark.realtime
def test_round_trip_ticks_and_stages_are_timed_and_the_arm_is_not_touched(simulator, tmp_path):
    overrides = simulated_devices(simulator) if simulator else {}
    overrides["control.supervision"] = "supervised"  # asking for more does not get it
    given = LatencyOptions(ROBOT_YAML, overrides, 0, 2.0, 50, 1, 0, tmp_path, "fp32", None)
    results = run_latency(given, lambda _: None)["results"]
    assert results["glass_to_motor_ms"]["n"] == 0
    assert results["glass_to_motor_ms"]["p50"] is None
    assert results["serial_rtt_us"]["n"] > 0
    assert results["tick_lateness_us"]["n"] > 0
    assert results["policy_ms"]["total"]["n"] > 0
    if simulator:
        assert not any(simulator.state()["torque_on"])
        records = [json.loads(line) for line in (tmp_path / "wire.jsonl").read_text().splitlines()]
        requests = [bytes.fromhex(record["hex"]) for record in records if record["from"] == "host"]
        assert len(requests) > 100
        assert {request[4] for request in requests} <= ONLY_LOOKS
