"""Installing the service into a folder that stands for /: shown first, done once, undone exactly."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgevla.commands.service import app
from edgevla.config.load import load_robot
from edgevla.service.changes import apply, at, to_install, to_uninstall
from edgevla.service.errors import NotVisible, ServiceError
from edgevla.service.layout import UNITS, Wanted, instance_name, system_config, wanted_files
from edgevla.shipped import shipped

PROGRAM = Path("/opt/edgevla/bin/edgevla")
ROBOT = shipped("so101-tabletop") / "robot.yaml"


@pytest.fixture
def visible(monkeypatch):
    """The checkout may lie in a home or a temporary folder, which a real service could not see."""
    monkeypatch.setattr("edgevla.service.layout._HIDDEN", ("/hidden/",))


@pytest.fixture
def wanted(visible) -> list[Wanted]:
    return wanted_files(PROGRAM, *system_config(ROBOT))


def kinds(changes) -> list[str]:
    return [change.kind for change in changes]


def files_of(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_nothing_is_written_before_it_is_asked_for(tmp_path, wanted):
    changes = to_install(tmp_path, wanted)
    assert kinds(changes) == ["write"] * len(wanted)
    assert all(f"+++ {change.path}" in change.diff for change in changes)
    assert not list(tmp_path.iterdir())


def test_installing_twice_changes_nothing(tmp_path, wanted):
    apply(tmp_path, to_install(tmp_path, wanted))
    before = files_of(tmp_path)
    again = to_install(tmp_path, wanted)
    assert kinds(again) == ["same"] * len(wanted)
    apply(tmp_path, again)
    assert files_of(tmp_path) == before


def test_uninstalling_leaves_nothing(tmp_path, wanted):
    apply(tmp_path, to_install(tmp_path, wanted))
    apply(tmp_path, to_uninstall(tmp_path))
    assert files_of(tmp_path) == {}
    assert not (tmp_path / "etc/edgevla").exists()


def test_an_interrupted_installation_is_finished_by_the_next(tmp_path, wanted):
    apply(tmp_path, to_install(tmp_path, wanted[:2]))
    (tmp_path / "etc/edgevla/.installed.json").unlink()  # as if the power had gone before it was written
    apply(tmp_path, to_install(tmp_path, wanted))
    apply(tmp_path, to_uninstall(tmp_path))
    assert files_of(tmp_path) == {}


def test_a_newer_unit_replaces_the_older_one(tmp_path, wanted):
    older = [file._replace(content=b"# older\n") if file.path.name == UNITS[0] else file for file in wanted]
    apply(tmp_path, to_install(tmp_path, older))
    changes = to_install(tmp_path, wanted)
    assert kinds(changes).count("replace") == 1
    apply(tmp_path, changes)
    assert at(tmp_path, wanted[0].path).read_bytes() == wanted[0].content


def test_a_configuration_is_a_persons_once_it_is_there(tmp_path, wanted):
    apply(tmp_path, to_install(tmp_path, wanted))
    newer = [file._replace(content=file.content + b"\n") for file in wanted]
    kept = [change for change in to_install(tmp_path, newer) if change.kind == "keep"]
    assert [str(change.path) for change in kept] == ["/etc/edgevla/so101-tabletop.yaml"]


def test_what_was_changed_by_hand_is_neither_replaced_nor_removed(tmp_path, wanted):
    apply(tmp_path, to_install(tmp_path, wanted))
    unit = at(tmp_path, wanted[0].path)
    unit.write_text("# mine\n")
    newer = [file._replace(content=file.content + b"\n") for file in wanted]
    assert [change.path for change in to_install(tmp_path, newer) if change.kind == "keep"] == [
        wanted[0].path,
        wanted[-1].path,
    ]
    apply(tmp_path, to_uninstall(tmp_path))
    assert files_of(tmp_path) == {str(wanted[0].path)[1:]: b"# mine\n"}


def test_a_file_of_somebody_else_is_not_removed(tmp_path, wanted):
    other = tmp_path / "etc/systemd/system/other.service"
    other.parent.mkdir(parents=True)
    other.write_text("[Unit]\n")
    apply(tmp_path, to_install(tmp_path, wanted))
    apply(tmp_path, to_uninstall(tmp_path))
    assert list(files_of(tmp_path)) == ["etc/systemd/system/other.service"]


def test_the_units_start_the_program_that_installs_them(visible):
    program = Path("/srv/edgevla-2/bin/edgevla")
    units = [file for file in wanted_files(program, "arm", b"") if file.path.name in UNITS]
    assert len(units) == len(UNITS)
    assert all(f"ExecStart={program} ".encode() in file.content for file in units)


def test_the_system_configuration_is_the_same_robot(tmp_path, visible):
    name, text = system_config(ROBOT)
    installed = tmp_path / "robot.yaml"
    installed.write_bytes(text)
    before, after = load_robot(ROBOT), load_robot(installed)
    assert name == before.name
    assert after.joints == before.joints
    assert after.control == before.control
    assert (tmp_path / after.bundle).resolve() == ROBOT.parent


def test_recordings_go_where_the_service_may_write(tmp_path, visible):
    robot = tmp_path / "robot.yaml"
    text = ROBOT.read_text().replace("bundle: .", f"bundle: {ROBOT.parent}", 1)
    robot.write_text(text + "\nrecording:\n  folder: logs\n  quota: 2 GB\n")
    installed = tmp_path / "installed.yaml"
    installed.write_bytes(system_config(robot)[1])
    recording = load_robot(installed).recording
    assert recording is not None
    assert recording.folder == "/var/lib/edgevla/so101-tabletop/recordings"


@pytest.mark.parametrize("hidden", ["/home/ada/edgevla/bin/edgevla", "/root/venv/bin/edgevla", "/tmp/v/bin/edgevla"])
def test_a_program_that_the_service_cannot_see_is_refused(hidden):
    with pytest.raises(NotVisible, match="/opt"):
        wanted_files(Path(hidden), "arm", b"")


def test_a_program_in_a_folder_with_spaces_is_refused():
    with pytest.raises(ServiceError, match="such letters"):
        wanted_files(Path("/opt/my robots/bin/edgevla"), "arm", b"")


def test_a_bundle_that_the_service_cannot_see_is_refused(monkeypatch):
    monkeypatch.setattr("edgevla.service.layout._HIDDEN", (f"{ROBOT.parent.parent}/",))
    with pytest.raises(NotVisible, match="bundle"):
        system_config(ROBOT)


def test_a_name_that_no_service_can_have_is_refused(tmp_path):
    text = ROBOT.read_text().replace("name: so101-tabletop", "name: left arm/2", 1)
    (tmp_path / "robot.yaml").write_text(text)
    with pytest.raises(ServiceError, match="left arm/2"):
        instance_name(load_robot(tmp_path / "robot.yaml"))


def test_a_damaged_record_is_said(tmp_path, wanted):
    apply(tmp_path, to_install(tmp_path, wanted))
    (tmp_path / "etc/edgevla/.installed.json").write_text("[")
    with pytest.raises(ServiceError, match="not the record"):
        to_uninstall(tmp_path)


def test_the_command_shows_asks_and_takes_no_for_an_answer(tmp_path, visible):
    words = ["install", str(ROBOT), "--executable", str(PROGRAM), "--root", str(tmp_path)]
    runner = CliRunner()
    shown = runner.invoke(app, [*words, "--dry-run"])
    assert shown.exit_code == 0
    assert "+ExecStart=" in shown.output
    assert runner.invoke(app, words, input="n\n").exit_code != 0
    assert not list(tmp_path.iterdir())
    assert runner.invoke(app, [*words, "--yes"]).exit_code == 0
    assert runner.invoke(app, ["status", "--root", str(tmp_path)]).exit_code == 0
    assert runner.invoke(app, ["uninstall", "--root", str(tmp_path), "--yes"]).exit_code == 0
    assert runner.invoke(app, ["status", "--root", str(tmp_path)]).exit_code == 1
    assert files_of(tmp_path) == {}


def test_what_is_installed_is_what_is_verified(tmp_path, wanted):
    """tests/systemd checks the units of the repository; the installed ones differ by the program's path only."""
    apply(tmp_path, to_install(tmp_path, wanted))
    repository = Path(__file__).parents[2] / "systemd"
    for unit in UNITS:
        installed = (tmp_path / "etc/systemd/system" / unit).read_text()
        assert installed == (repository / unit).read_text()
