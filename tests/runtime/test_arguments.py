"""What a parent process writes, its child reads."""

from pathlib import Path

import pytest

from edgevla.runtime.arguments import PolicyChoice, ProcessArguments, parse_process_arguments, process_arguments


@pytest.mark.parametrize("report", [None, Path("/var/log/edgevla")])
@pytest.mark.parametrize("recorder_fd", [None, 9])
@pytest.mark.parametrize("verified", [True, False])
def test_arguments_survive_the_command_line(report, recorder_fd, verified):
    overrides = {"motors.port": "/dev/ttyUSB0", "control.realtime.cpu": "null", "name": "a=b"}
    choice = PolicyChoice("int8", "triton:host:8001/model", verified)
    arguments = ProcessArguments(Path("/etc/edgevla/arm.yaml"), overrides, 5, 7, report, choice, recorder_fd)
    assert parse_process_arguments(process_arguments(arguments)) == arguments
