"""calibration/calibrate: five steps in order, each remembered, none after one that failed."""

import subprocess
import sys
from pathlib import Path

import pytest

from edgevla.shipped import shipped

SCRIPT = Path(__file__).parents[2] / "calibration" / "calibrate"
ROBOT_YAML = shipped("so101-tabletop") / "robot.yaml"
ALL = ["calibrate capture", "calibrate capture", "calibrate quantize", "build", "verify"]


class Machine:
    """A folder with an `edgevla` that writes down what it is asked, and fails when the file `fails` names the word."""

    def __init__(self, folder):
        self.folder, self.work = folder, folder / "work"
        self._log, self.fails = folder / "log", folder / "fails"
        (folder / "edgevla").write_text(
            f"""#!/bin/sh
            echo "$*" >>{self._log}
            if grep -qs "^$1\\$" {self.fails}; then echo "no good" >&2; exit 2; fi
            """
        )
        (folder / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        for name in ("edgevla", "python"):
            (folder / name).chmod(0o755)

    def run(self, *words, robot=ROBOT_YAML):
        return subprocess.run(
            [SCRIPT, robot, "--work", self.work, *words],
            env={"PATH": "/usr/bin:/bin", "EDGEVLA_BIN": str(self.folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def asked(self):
        return self._log.read_text().splitlines() if self._log.exists() else []

    def commands(self):
        return [" ".join(line.split()[: 2 if line.startswith("calibrate") else 1]) for line in self.asked]


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_the_steps_run_in_order_and_show_what_they_run(machine):
    result = machine.run("--target", "cpu", "--simulate", "30", "--yes")
    assert result.returncode == 0, result.stderr
    assert machine.commands() == ALL
    for line in machine.asked:
        assert f"$ edgevla {line}" in result.stdout
    assert f"quantize {ROBOT_YAML.parent} {machine.work}/set --held-out {machine.work}/held-out" in machine.asked[2]
    assert machine.asked[3] == f"build {ROBOT_YAML} --target cpu"
    assert "--target cpu" in machine.asked[4]


def test_what_is_done_is_not_done_again(machine):
    machine.run("--simulate", "30", "--yes")
    again = machine.run("--simulate", "30", "--yes")
    assert machine.commands() == ALL
    assert "verify: done on 20" in again.stdout


def test_what_was_done_for_another_target_or_another_robot_is_done_anew(machine, tmp_path):
    machine.run("--target", "cpu", "--simulate", "30", "--yes")
    result = machine.run("--target", "orin-agx-64", "--simulate", "30", "--yes")
    assert machine.commands() == [*ALL, "build", "verify"], "observations and graphs are the same for every target"
    assert "--engine tensorrt --variant int8 " in result.stdout
    other = tmp_path / "other"
    other.mkdir()
    for file in ROBOT_YAML.parent.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    result = machine.run("--target", "cpu", "--simulate", "30", "--yes", robot=other / "robot.yaml")
    assert machine.commands() == [*ALL, "build", "verify", *ALL]
    assert "--engine cpu --variant int8-cpu " in result.stdout


def test_after_a_failure_nothing_more_is_tried_and_the_same_command_goes_on_there(machine):
    machine.fails.write_text("build\n")
    result = machine.run("--simulate", "30", "--yes")
    assert result.returncode == 2
    assert "build did not succeed (exit code 2)" in result.stderr
    assert machine.commands() == ALL[:4]
    machine.fails.unlink()
    assert machine.run("--simulate", "30", "--yes").returncode == 0
    assert machine.commands() == [*ALL[:4], "build", "verify"]


def test_the_second_capture_does_not_follow_a_first_that_failed(machine):
    machine.fails.write_text("calibrate\n")
    assert machine.run("--simulate", "30", "--yes").returncode == 2
    assert machine.commands() == ["calibrate capture"]


def test_a_step_done_again_takes_those_with_it_that_build_on_it(machine):
    machine.run("--simulate", "30", "--yes")
    machine.run("--simulate", "30", "--yes", "--again", "build")
    assert machine.commands() == [*ALL, "build", "verify"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--yes", "--agian", "build"), "--agian is not known"),
        (("--yes", "--again", "paint"), "the steps are joints capture quantise build verify"),
        (("--yes", "--simulate", "many"), "must be a number of episodes"),
        (("--yes", "--target"), "--target needs a value"),
        ((), "nobody is there to say yes"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(machine, words, said):
    result = machine.run(*words)
    assert result.returncode == 2
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert machine.asked == []


def test_a_robot_yaml_with_a_mistake_is_named_before_anything_is_done(machine, tmp_path):
    robot = tmp_path / "robot.yaml"
    robot.write_text(ROBOT_YAML.read_text().replace("velocity: 120 deg/s", "velocity: 120", 1))
    result = machine.run("--yes", robot=robot)
    assert result.returncode == 2
    assert "robot.yaml:23" in result.stderr
    assert machine.asked == []
