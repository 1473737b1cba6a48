"""The servo port: there, open to this user, free, and answering at once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edgevla.doctor.finding import Level
from edgevla.doctor.ports import check_port
from tests.doctor.trees import ORIN, PORT, link, plant, process

ACM, USB = "/dev/ttyACM0", "/dev/ttyUSB0"
TIMER = "sys/class/tty/ttyUSB0/device/latency_timer"


@pytest.fixture
def check(tmp_path):
    """Check a port on a tree that was planted in `tmp_path`."""
    return lambda machine, port=ACM: check_port(machine, port, Path("arm.yaml"))


def levels(findings):
    return {finding.name: finding.level for finding in findings}


def test_a_free_port_of_ones_own_group_is_right(tmp_path, check):
    found = check(plant(tmp_path, ORIN, {ACM: PORT}))
    assert set(levels(found).values()) == {Level.OK}
    assert "root:dialout 660" in found[0].found


def test_a_port_that_is_not_there_names_the_one_that_is(tmp_path, check):
    (found,) = check(plant(tmp_path, ORIN, {USB: PORT}))
    assert (found.level, found.fix) == (Level.FAIL, f"set motors.port in robot.yaml to {USB}")


def test_with_no_adapter_at_all_it_wants_to_be_plugged_in(tmp_path, check):
    (found,) = check(plant(tmp_path, ORIN))
    assert (found.level, found.fix.split(";")[0]) == (Level.FAIL, "plug it in")


def test_brltty_takes_the_adapter_away_altogether(tmp_path, check):
    process(tmp_path, 77, "brltty")
    (found,) = check(plant(tmp_path, ORIN))
    assert (found.level, found.fix) == (Level.FAIL, "sudo apt-get remove brltty")


def test_a_user_outside_the_group_is_told_how_to_join(tmp_path, check):
    (found,) = check(plant(tmp_path, ORIN, {ACM: PORT._replace(allowed=False)}))
    assert (found.level, found.fix) == (Level.FAIL, "sudo usermod -aG dialout ann, and log in again")


def test_a_port_of_root_alone_wants_the_udev_rules(tmp_path, check):
    (found,) = check(plant(tmp_path, ORIN, {ACM: PORT._replace(allowed=False, group="root", mode=0o600)}))
    assert found.fix.startswith(f"sudo {sys.prefix}/bin/edgevla service install arm.yaml")


def test_what_is_no_device_is_refused(tmp_path, check):
    (found,) = check(plant(tmp_path, ORIN, {ACM: PORT._replace(is_character=False)}))
    assert found.level is Level.FAIL


def test_another_program_on_the_port_is_named(tmp_path, check):
    process(tmp_path, 4242, "minicom", opens=["/dev/null", ACM])
    found = check(plant(tmp_path, ORIN, {ACM: PORT}))[0]
    assert (found.level, found.fix) == (Level.FAIL, "kill 4242")
    assert "minicom (process 4242)" in found.found


def test_a_robot_that_runs_may_have_its_port(tmp_path, check):
    words = ("/opt/edgevla/bin/python", "-m", "edgevla.runtime.control_process", "--robot", "x")
    process(tmp_path, 4242, "python3", words=words, opens=[ACM])
    found = check(plant(tmp_path, ORIN, {ACM: PORT}))[0]
    assert found.level is Level.OK
    assert "EdgeVLA (process 4242)" in found.found


def test_processes_that_may_not_be_looked_into_are_counted_and_not_guessed(tmp_path, check, monkeypatch):
    process(tmp_path, 1, "init")
    process(tmp_path, 4242, "minicom", opens=[ACM])
    closed, iterate = tmp_path / "proc/4242/fd", Path.iterdir

    def iterdir(folder):
        if folder == closed:
            raise PermissionError
        return iterate(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    found = check(plant(tmp_path, ORIN, {ACM: PORT}))[0]
    assert found.level is Level.OK
    assert "1 processes of other users could not be looked into" in found.found


def test_a_lasting_name_leads_to_its_device(tmp_path, check):
    machine = plant(tmp_path, ORIN, {ACM: PORT, "/dev/ttyACM1": PORT})
    link(tmp_path, "dev/edgevla/5A4B", "../ttyACM1")
    process(tmp_path, 9, "minicom", opens=["/dev/ttyACM1"])
    found = check(machine, "/dev/edgevla/5A4B")
    assert "/dev/ttyACM1" in found[0].found
    assert found[0].level is Level.FAIL
    assert not [each for each in found if "name" in each.name]


def test_one_of_two_adapters_by_its_number_may_be_the_other_one_tomorrow(tmp_path, check):
    machine = plant(tmp_path, ORIN, {ACM: PORT, "/dev/ttyACM1": PORT})
    link(tmp_path, "dev/serial/by-id/usb-1a86_USB_Single_Serial_5A4B-if00", "../../ttyACM0")
    found = check(machine)[-1]
    assert found.level is Level.WARN
    assert found.fix.endswith("/dev/serial/by-id/usb-1a86_USB_Single_Serial_5A4B-if00")


@pytest.mark.parametrize(("timer", "level"), [("1", Level.OK), ("16", Level.WARN)])
def test_the_timer_of_an_ftdi_adapter(tmp_path, check, timer, level):
    found = check(plant(tmp_path, {**ORIN, TIMER: timer}, {USB: PORT}), USB)
    assert levels(found)["port latency"] is level
    assert found[-1].fix.startswith("echo 1 | sudo tee /sys/class/tty/ttyUSB0/" if level is Level.WARN else "")


def test_an_adapter_without_a_timer_has_no_line_about_it(tmp_path, check):
    assert "port latency" not in levels(check(plant(tmp_path, ORIN, {ACM: PORT})))


def test_modem_manager_is_a_trouble_until_udev_tells_it_not_to(tmp_path, check):
    process(tmp_path, 600, "ModemManager")
    told = {**ORIN, "sys/class/tty/ttyACM0/dev": "166:0"}
    machine = plant(tmp_path, told, {ACM: PORT})
    found = {each.name: each for each in check(machine)}["port owners"]
    assert found.level is Level.WARN
    assert found.fix.startswith(f"sudo {sys.prefix}/bin/edgevla service install arm.yaml")
    plant(tmp_path, {"run/udev/data/c166:0": "S:edgevla/servo\nE:ID_MM_DEVICE_IGNORE=1\n"})
    assert levels(check(machine))["port owners"] is Level.OK


def test_brltty_is_a_trouble_until_the_rules_are_installed(tmp_path, check):
    process(tmp_path, 601, "brltty")
    machine = plant(tmp_path, ORIN, {ACM: PORT})
    assert levels(check(machine))["port owners"] is Level.WARN
    plant(tmp_path, {"etc/udev/rules.d/70-edgevla.rules": "# rules"})
    assert levels(check(machine))["port owners"] is Level.OK
