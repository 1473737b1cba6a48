"""The flight log has the last seconds, the bytes included, and writing it cannot hurt."""

import json
from pathlib import Path

from edgevla import files
from edgevla.messages import Mode
from edgevla.motors import feetech
from edgevla.runtime.flightlog import SECONDS, TickTiming


def remembered(rig, path):
    rig.flight_log.write(path).join()
    return [json.loads(line) for line in path.read_text().splitlines()]


def tick(rig, count=1):
    for _ in range(count):
        rig.tick()
        controller = rig.controller
        rig.flight_log.add(
            rig.now_s,
            controller.mode,
            controller.reason,
            controller.state.position_rad,
            controller.setpoint_rad,
            controller.chunk,
            TickTiming(lateness_s=57e-6, skipped=1, work_s=0.8e-3, wire_s=2e-3),
        )


def test_every_tick_has_its_mode_its_plan_and_the_bytes_it_sent(rig, tmp_path):
    rig.engaged()
    tick(rig, 5)
    last = remembered(rig, tmp_path / "flight.jsonl")[-1]
    assert last["mode"] == "engaged"
    assert last["plan"]["seq"] == rig.controller.chunk.seq
    assert last["plan"]["age_ms"] > 0
    assert last["timing"] == {"lateness_us": 57.0, "skipped": 1, "work_us": 800.0, "wire_us": 2000.0}
    assert bytes.fromhex(last["sent"][-1]) == rig.wire[-1]
    assert last["blocked"] == []


def test_a_blocked_frame_is_kept_as_blocked_and_never_as_sent(rig, tmp_path):
    rig.engaged()
    tick(rig)
    rig.controller._limits.start([0.5, *rig.controller.setpoint_rad[1:]])
    tick(rig)
    assert rig.controller.mode is Mode.FAULT
    last = remembered(rig, tmp_path / "flight.jsonl")[-1]
    assert len(last["blocked"]) == 1
    assert feetech.writes_in(bytes.fromhex(last["blocked"][0]))
    assert not any(feetech.writes_in(bytes.fromhex(frame)) for frame in last["sent"])
    assert "gate blocked" in last["reason"]


def test_it_keeps_its_seconds_and_no_more(rig, tmp_path):
    rig.armed()
    tick(rig, round(SECONDS * 50) + 20)
    assert len(remembered(rig, tmp_path / "flight.jsonl")) == round(SECONDS * 50)


def test_a_disk_that_takes_nothing_loses_the_log_and_nothing_else(rig, tmp_path, monkeypatch):
    rig.armed()
    tick(rig)

    def full(_path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "sync", full)
    rig.flight_log.write(tmp_path / "flight.jsonl").join()
    assert not list(tmp_path.iterdir()), "half a log would be taken for a whole one"
    rig.flight_log.write(Path("/proc/nowhere/flight.jsonl")).join()
    tick(rig)
    assert rig.controller.mode is Mode.HOLDING
