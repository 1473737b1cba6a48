"""Reading a machine: what is not there is empty, what may not be read is unknown."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from edgevla.doctor.machine import Denied, Machine, ask
from tests.doctor.trees import ORIN, PORT, link, plant, process


def test_text_is_without_the_white_space_and_zeros_around_it(tmp_path):
    machine = plant(tmp_path, {"a": " 12\n\0", "b": "twelve"})
    assert (machine.text("/a"), machine.number("/a"), machine.number("/b")) == ("12", 12, None)
    assert (machine.text("/none"), machine.number("/none")) == ("", None)


def test_a_sensor_that_is_switched_off_answers_with_an_error_and_has_no_value(tmp_path, monkeypatch):
    machine = plant(tmp_path, {"temp": "1"})
    monkeypatch.setattr(Path, "read_text", raising(OSError(11, "Resource temporarily unavailable")))
    assert machine.text("/temp") == ""


def test_what_may_not_be_read_is_not_taken_for_missing(tmp_path, monkeypatch):
    machine = plant(tmp_path, {"secret": "1"})
    monkeypatch.setattr(Path, "read_text", raising(PermissionError(13, "Permission denied")))
    with pytest.raises(Denied, match="/secret"):
        machine.text("/secret")


def test_names_and_devices_are_as_on_the_machine(tmp_path):
    machine = plant(tmp_path, {"dev/ttyACM1": "", "dev/ttyACM0": ""})
    link(tmp_path, "dev/edgevla/servo", "../ttyACM1")
    assert machine.names("/dev/ttyACM[0-9]*") == ["/dev/ttyACM0", "/dev/ttyACM1"]
    assert machine.device("/dev/edgevla/servo") == "/dev/ttyACM1"


def test_the_user_is_who_runs_this_with_their_capabilities(tmp_path):
    machine = plant(tmp_path, ORIN)
    assert (machine.user, machine.capabilities) == ("ann", 0)
    assert Machine().capabilities >= 0


def test_processes_are_found_by_the_name_that_the_kernel_keeps(tmp_path):
    process(tmp_path, 5, "NetworkManager-")
    machine = plant(tmp_path, ORIN)
    assert machine.processes("NetworkManager-dispatcher") == [5]
    assert machine.processes("Network") == []


def test_a_device_that_is_really_open_is_found_with_its_process():
    leader, follower = os.openpty()
    name = os.ttyname(follower)
    try:
        assert Machine().holders(name)[0] == []  # this process does not count
        with subprocess.Popen(["sleep", "60"], stdin=follower) as other:
            try:
                assert [(each.pid, each.is_ours) for each in Machine().holders(name)[0]] == [(other.pid, False)]
            finally:
                other.kill()
    finally:
        os.close(leader)
        os.close(follower)


def test_a_real_device_has_owner_group_and_mode():
    node = Machine().node("/dev/null")
    assert node is not None
    assert (node.is_character, node.mode, node.allowed, node.owner) == (True, 0o666, True, "root")
    assert Machine().node("/dev/not-there") is None
    assert PORT.is_character


def test_a_program_that_cannot_be_run_gives_no_answer():
    assert ask(["/no/such/program"]).code == -1
    assert ask(["/bin/sh", "-c", "echo out; echo err >&2; exit 3"]) == (3, "out", "err")


def raising(error):
    def read_text(*_arguments, **_named):
        raise error

    return read_text
