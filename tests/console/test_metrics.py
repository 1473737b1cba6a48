"""/metrics is what Prometheus reads, and the Grafana dashboard asks for nothing that is not there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("prometheus_client", reason="prometheus_client is not installed: make test installs it")

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from edgevla.console.metrics import host_temperatures, render
from edgevla.console.robot_link import Heard
from edgevla.messages import (
    LATENESS_BUCKETS_US,
    Bounds,
    Hello,
    Mode,
    PolicyStatus,
    RecorderStatus,
    ServoHealth,
    StageTimes,
    Status,
)
from tests.examples import examples

BUCKET = "edgevla_tick_lateness_seconds_bucket"
DASHBOARD = Path(__file__).parents[2] / "systemd" / "grafana-dashboard.json"
HELLO = Hello(
    version="0.1.0",
    robot="so101",
    joint_names=("pan", "lift"),
    pid=7,
    variant="int8",
    engine="tensorrt",
    supervision="supervised",
    recording=True,
)
STATUS = Status(
    t_s=99.75,
    mode=Mode.ENGAGED,
    reason="engaged",
    instruction="touch the red block",
    ticks=1500,
    missed=3,
    rate_hz=49.9,
    lateness_p99_us=180.0,
    chunk_age_ms=120.0,
    policy_ms=12.0,
    bounds=Bounds(limited=40, blocked=2, held=7),
    position_rad=(0.0, 0.1),
    setpoint_rad=(0.0, 0.1),
    health=(
        ServoHealth(joint="pan", voltage_v=7.4, temperature_c=41.0, load=-0.25, status=0),
        ServoHealth(joint="lift", voltage_v=7.1, temperature_c=55.0, load=0.5, status=32),
    ),
    lateness_counts=(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
    reads_lost=5,
    limited_joints=(11, 29),
    stages=StageTimes(capture_ms=20.0, preprocess_ms=1.5, engine_ms=9.0, decode_ms=0.5),
)


def heard(**changes):
    policy = PolicyStatus(ready=True, detail="ready", blind=("wrist",))
    recorder = RecorderStatus(recording=True, detail="", dropped=4, written_mb=12.5)
    status = msgspec.structs.replace(STATUS, **changes)
    return Heard(hello=HELLO, status=status, policy=policy, recorder=recorder)


def families(heard, host_c=None):
    text = render(heard, 100.0, host_c or {}).decode()
    return list(text_string_to_metric_families(text))


def series(heard, host_c=None):
    """Every sample as {(name, label values): value}."""
    found = {}
    for family in families(heard, host_c):
        for sample in family.samples:
            key = (sample.name, *sample.labels.values())
            assert key not in found
            found[key] = sample.value
    return found


def test_a_robot_that_is_away_leaves_nothing_but_that_fact_and_the_machine():
    assert series(Heard(), {"cpu-thermal": 48.5}) == {
        ("edgevla_connected",): 0.0,
        ("edgevla_host_temperature_celsius", "cpu-thermal"): 48.5,
    }


def test_counts_times_and_temperatures_are_in_base_units():
    found = series(heard(), {"gpu-thermal": 51.0})
    assert found[("edgevla_connected",)] == 1.0
    assert found[("edgevla_status_age_seconds",)] == 0.25
    assert found[("edgevla_ticks_total",)] == 1500
    assert found[("edgevla_missed_ticks_total",)] == 3
    assert found[("edgevla_tick_rate_hertz",)] == 49.9
    assert found[("edgevla_chunk_age_seconds",)] == pytest.approx(0.12)
    assert found[("edgevla_policy_stage_seconds", "capture")] == pytest.approx(0.020)
    assert found[("edgevla_policy_stage_seconds", "engine")] == pytest.approx(0.009)
    assert found[("edgevla_bounds_ticks_total", "limited")] == 40
    assert found[("edgevla_bounds_ticks_total", "blocked")] == 2
    assert found[("edgevla_bounds_ticks_total", "held")] == 7
    assert found[("edgevla_serial_reads_lost_total",)] == 5
    assert found[("edgevla_policy_ready",)] == 1.0
    assert found[("edgevla_blind_cameras",)] == 1
    assert found[("edgevla_recorder_dropped_records_total",)] == 4
    assert found[("edgevla_recorder_written_bytes",)] == 12.5e6
    assert found[("edgevla_host_temperature_celsius", "gpu-thermal")] == 51.0


def test_joints_and_servos_go_by_their_names():
    found = series(heard())
    assert found[("edgevla_joint_limited_ticks_total", "pan")] == 11
    assert found[("edgevla_joint_limited_ticks_total", "lift")] == 29
    assert found[("edgevla_servo_temperature_celsius", "lift")] == 55.0
    assert found[("edgevla_servo_voltage_volts", "pan")] == 7.4
    assert found[("edgevla_servo_load_ratio", "pan")] == -0.25
    assert (found[("edgevla_servo_fault", "pan")], found[("edgevla_servo_fault", "lift")]) == (0.0, 1.0)


@pytest.mark.parametrize("mode", list(Mode))
def test_the_robot_is_in_exactly_one_mode(mode):
    states = {key[1]: value for key, value in series(heard(mode=mode)).items() if key[0] == "edgevla_mode"}
    assert states.keys() == {each.value for each in Mode}
    assert [name for name, value in states.items() if value == 1.0] == [mode.value]


def test_without_a_plan_there_is_no_age_of_one():
    assert ("edgevla_chunk_age_seconds",) not in series(heard(chunk_age_ms=-1.0))


@settings(max_examples=examples(50))
@given(st.lists(st.integers(0, 10**9), min_size=11, max_size=11))
def test_lateness_is_a_cumulative_histogram_in_seconds(counts):
    buckets = {key[1]: value for key, value in series(heard(lateness_counts=tuple(counts))).items() if key[0] == BUCKET}
    assert [float(le) for le in buckets] == pytest.approx([*(us / 1e6 for us in LATENESS_BUCKETS_US), float("inf")])
    so_far = 0
    for value, count in zip(buckets.values(), counts, strict=True):
        so_far += count
        assert value == so_far
    assert series(heard(lateness_counts=tuple(counts)))[("edgevla_tick_lateness_seconds_count",)] == so_far


def test_before_the_first_tick_there_is_no_histogram():
    assert not [key for key in series(heard(lateness_counts=())) if key[0].startswith("edgevla_tick_lateness")]


@settings(max_examples=examples(50))
@given(st.text(min_size=1))
def test_any_name_survives_the_format(name):
    health = (ServoHealth(joint=name, voltage_v=7.0, temperature_c=40.0, load=0.0, status=0),)
    assert series(heard(health=health))[("edgevla_servo_temperature_celsius", name)] == 40.0


def test_every_metric_is_named_and_explained_as_prometheus_wants_it():
    for family in families(heard(), {"cpu": 40.0}):
        assert re.fullmatch(r"edgevla_[a-z_]+", family.name)
        assert family.documentation.endswith("."), family.name
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter"), sample.name
        assert not re.search(r"_(ms|us|milli|micro|mb|rad_s|percent)", family.name)


def test_host_temperatures_are_those_of_the_zones_that_are_switched_on(tmp_path):
    for number, (name, milli) in enumerate([("cpu-thermal", "48500"), ("cv0-thermal", ""), ("cpu-thermal", "47000")]):
        folder = tmp_path / f"sys/class/thermal/thermal_zone{number}"
        folder.mkdir(parents=True)
        (folder / "type").write_text(f"{name}\n")
        (folder / "temp").write_text(f"{milli}\n")
    assert host_temperatures(tmp_path) == {"cpu-thermal": 48.5}
    assert host_temperatures(tmp_path / "nothing") == {}


@pytest.fixture(scope="module")
def dashboard():
    return json.loads(DASHBOARD.read_text())


def expressions(dashboard):
    asked = [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel["targets"]]
    variables = [each["definition"] for each in dashboard["templating"]["list"] if each["type"] == "query"]
    return [*asked, *(("variable", definition) for definition in variables)]


def test_the_dashboard_asks_for_metrics_and_labels_that_are_there(dashboard):
    labels = {}
    for family in families(heard(), {"cpu": 40.0}):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    for title, expression in expressions(dashboard):
        bare = re.sub(
            r"\{[^}]*\}|\([a-z_, ]*\)(?= *\()", "", expression
        )  # selectors and `by (le) (` are looked at below
        names = re.findall(r"\bedgevla_\w+", bare)
        assert names, title
        assert set(names) <= labels.keys(), title
        known = set().union(*(labels[name] for name in names)) | {"instance"}
        used = re.findall(r"([a-z_]+) *=~?", " ".join(re.findall(r"\{([^}]*)\}", expression)))
        used += re.findall(r"[a-z_]+", " ".join(re.findall(r"(?:by|ignoring) \(([^)]*)\)", expression)))
        assert set(used) <= known, title


def test_the_dashboard_names_in_its_legends_only_labels_that_are_there(dashboard):
    known = {label for family in families(heard(), {"c": 1.0}) for sample in family.samples for label in sample.labels}
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= known, panel["title"]


def test_the_dashboard_takes_its_data_source_from_a_variable_and_no_panel_covers_another(dashboard):
    variables = {each["name"]: each for each in dashboard["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    sources = set(re.findall(r'"uid": "([^"]*)"', json.dumps(dashboard["panels"])))
    assert sources == {"${datasource}"}
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    cells = [
        (x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells))
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(places)


def test_the_dashboard_shows_what_a_person_on_call_looks_for(dashboard):
    asked = " ".join(expression for _, expression in expressions(dashboard))
    for name in (
        "edgevla_mode",
        BUCKET,
        "edgevla_missed_ticks_total",
        "edgevla_policy_stage_seconds",
        "edgevla_chunk_age_seconds",
        "edgevla_joint_limited_ticks_total",
        "edgevla_serial_reads_lost_total",
        "edgevla_servo_temperature_celsius",
        "edgevla_host_temperature_celsius",
    ):
        assert name in asked
