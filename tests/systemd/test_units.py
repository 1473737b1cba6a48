"""The units, checked by systemd's own tools, without systemd running this machine."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parents[2] / "systemd"
ROBOT, CONSOLE = "edgevla@.service", "edgevla-console@.service"
EXPOSURE = {ROBOT: 2.0, CONSOLE: 2.0}  # 0 is closed, 10 is open
needs_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no systemd-analyze: apt-get install systemd"
)


def directives(unit: str) -> dict[str, list[str]]:
    """Every directive's values in order."""
    found: dict[str, list[str]] = {}
    for line in (SYSTEMD / unit).read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def image(folder: Path) -> Path:
    """A folder with the units and the program that they start, as an installed system has them."""
    units = folder / "etc/systemd/system"
    units.mkdir(parents=True)
    for unit in (ROBOT, CONSOLE):
        shutil.copy(SYSTEMD / unit, units)
    program = folder / "opt/edgevla/bin/edgevla"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return folder


@needs_analyze
@pytest.mark.parametrize("unit", [ROBOT, CONSOLE])
def test_systemd_understands_every_line(tmp_path, unit):
    program = image(tmp_path) / "opt/edgevla/bin/edgevla"
    text = (SYSTEMD / unit).read_text().replace("/opt/edgevla/bin/edgevla", str(program))
    copy = tmp_path / unit.replace("@", "@arm")
    copy.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True, timeout=60, check=False
    )
    ours = [line for line in done.stderr.splitlines() if "edgevla" in line]
    assert (done.returncode, ours) == (0, [])


@needs_analyze
@pytest.mark.parametrize("unit", [ROBOT, CONSOLE])
def test_the_service_is_hardly_exposed(unit):
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(SYSTEMD / unit)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert level is not None, done.stderr
    assert float(level[1]) <= EXPOSURE[unit]


def test_the_watchdog_ends_a_loop_that_has_stopped():
    robot = directives(ROBOT)
    assert robot["Type"] == ["notify"]
    assert robot["NotifyAccess"] == ["all"]  # the control process, a child, is the one who feeds it
    assert 0 < float(robot["WatchdogSec"][0]) <= 5
    assert robot["Restart"] == ["on-failure"]


def test_a_configuration_that_is_wrong_is_not_tried_again():
    assert all("2" in directives(unit)["RestartPreventExitStatus"] for unit in (ROBOT, CONSOLE))


def test_the_service_manager_waits_for_a_controlled_stop():
    robot = directives(ROBOT)
    assert robot["KillMode"] == ["mixed"]  # SIGTERM to the main process only, which stops the arm first
    assert float(robot["TimeoutStopSec"][0]) >= 5


def test_the_page_reaches_the_socket_of_the_robot_and_none_of_its_files():
    robot, console = directives(ROBOT), directives(CONSOLE)
    assert console["Group"] == robot["Group"], "which the socket lets in"
    assert "SupplementaryGroups" not in console, "no device"
    assert robot["RuntimeDirectoryMode"] == ["0750"]
    for kind in ("State", "Cache", "Logs"):
        assert robot[f"{kind}DirectoryMode"] == ["0700"]
    assert robot["UMask"] == ["0077"]
    assert all(
        f"EDGEVLA_RUNTIME_DIR=/run/{robot['RuntimeDirectory'][0]}" in each["Environment"][0]
        for each in (robot, console)
    )


def test_the_users_can_be_made(tmp_path):
    if shutil.which("systemd-sysusers") is None:
        pytest.skip("no systemd-sysusers: apt-get install systemd")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/group").write_text("dialout:x:20:\nvideo:x:44:\nrender:x:105:\n")
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    words = ["systemd-sysusers", f"--root={tmp_path}", str(SYSTEMD / "edgevla-sysusers.conf")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    groups = {line.split(":")[0]: line.split(":") for line in (tmp_path / "etc/group").read_text().splitlines()}
    users = {line.split(":")[0]: line.split(":") for line in (tmp_path / "etc/passwd").read_text().splitlines()}
    assert users["edgevla"][3] == users["edgevla-console"][3] == groups["edgevla"][2]
    assert users["edgevla"][2] != users["edgevla-console"][2]
    for group in ("dialout", "video", "render"):
        assert groups[group][3] == "edgevla", "and not the page"


def test_a_device_is_allowed_by_class_or_by_its_node():
    """systemd takes no folder and no pattern of paths: such a line would allow nothing."""
    for device in directives(ROBOT)["DeviceAllow"]:
        assert re.fullmatch(r"(char-[\w-]+|/dev/[\w/-]+) rw", device)
    nodes = [device.split()[0] for device in directives(ROBOT)["DeviceAllow"]]
    assert not [node for node in nodes for other in nodes if other.startswith(f"{node}/")]
    assert "/dev/nvgpu" not in nodes


def test_real_time_is_permitted():
    robot = directives(ROBOT)
    assert int(robot["LimitRTPRIO"][0]) >= 50
    assert robot["LimitMEMLOCK"] == ["infinity"]
    assert robot["RestrictRealtime"] == ["no"]


def test_nothing_that_starts_the_robot_engages_it():
    started = " ".join(directives(ROBOT)["ExecStart"] + directives(ROBOT)["Environment"])
    assert "engage" not in started


def test_the_page_has_no_device_and_cannot_take_the_robot_down():
    console = directives(CONSOLE)
    assert console["PrivateDevices"] == ["yes"]
    assert console["IPAddressAllow"] == ["localhost"]
    assert not {"BindsTo", "Requires", "PartOf"} & (console.keys() | directives(ROBOT).keys())


@pytest.mark.parametrize("unit", [ROBOT, CONSOLE])
def test_users_are_those_that_are_made(unit):
    made = (SYSTEMD / "edgevla-sysusers.conf").read_text()
    user = directives(unit)["User"][0]
    assert re.search(rf"^u {user} ", made, re.MULTILINE)
    assert directives(unit)["Group"] == ["edgevla"]


def test_units_are_plain_files_of_known_sections():
    for unit in (ROBOT, CONSOLE):
        parser = configparser.RawConfigParser(strict=False, comment_prefixes=("#",), delimiters=("=",))
        parser.read(SYSTEMD / unit)
        assert parser.sections() == ["Unit", "Service", "Install"]


RULE = re.compile(
    r'(?:(?:[A-Z]+(?:\{[\w./-]+\})?)(?:==|!=|\+=|=)"[^"]*"(?:, )?)+',
)


def test_udev_rules_are_well_formed_and_their_jumps_arrive():
    text = (SYSTEMD / "70-edgevla.rules").read_text()
    rules = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert rules
    assert [line for line in rules if not RULE.fullmatch(line)] == []
    assert set(re.findall(r'GOTO="(\w+)"', text)) == set(re.findall(r'LABEL="(\w+)"', text))


def test_a_servo_port_has_one_user_a_lasting_name_and_no_latency():
    text = (SYSTEMD / "70-edgevla.rules").read_text()
    for word in ('SYMLINK+="edgevla/servo"', 'ENV{ID_MM_DEVICE_IGNORE}="1"', 'latency_timer}="1"', 'GROUP="dialout"'):
        assert word in text
