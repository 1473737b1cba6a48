"""What an installed service consists of: which file goes where, and with which content."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from edgevla.config.edit import replace_scalars
from edgevla.config.load import load_robot
from edgevla.service.errors import NotVisible, ServiceError

if TYPE_CHECKING:
    from edgevla.config.edit import Key
    from edgevla.config.robot import Robot

UNITS = ("edgevla@.service", "edgevla-console@.service")
CONFIG = PurePosixPath("/etc/edgevla")
STATE = PurePosixPath("/var/lib/edgevla")
_TARGETS = {
    **{unit: PurePosixPath("/etc/systemd/system") / unit for unit in UNITS},
    "70-edgevla.rules": PurePosixPath("/etc/udev/rules.d/70-edgevla.rules"),
    "edgevla-sysusers.conf": PurePosixPath("/etc/sysusers.d/edgevla.conf"),
}
_PACKAGE = Path(__file__).resolve().parents[1]
_PLACES = (_PACKAGE / "_systemd", _PACKAGE.parent / "systemd")  # of an installed wheel, of a checkout
_WRITTEN_FOR = "/opt/edgevla/bin/edgevla"  # in the units as they ship
_INSTANCE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_HIDDEN = ("/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/")  # by ProtectHome= and PrivateTmp= of the units


class Wanted(NamedTuple):
    """A file as it should be."""

    path: PurePosixPath  # on the installed system
    content: bytes
    mode: int
    config: bool  # a person's from now on: a newer version does not replace it


def wanted_files(executable: Path, name: str, config: bytes) -> list[Wanted]:
    """Everything that is installed for one robot.

    Args:
        executable: `edgevla` as the units start it.
        name: the instance, see `instance_name`.
        config: what becomes /etc/edgevla/NAME.yaml.

    Raises:
        NotVisible: the units could not see `executable`.
    """
    fix = "install EdgeVLA under /opt: python3 -m venv --system-site-packages /opt/edgevla, and pip install there"
    _visible(executable, "the program", fix)
    if not re.fullmatch(r"[\w/.+-]+", str(executable)):
        raise ServiceError(f"{executable}: a unit cannot start a program with such letters in its path", fix=fix)
    files = []
    for source, target in _TARGETS.items():
        content = _shipped(source).read_bytes()
        if source in UNITS:
            content = content.replace(_WRITTEN_FOR.encode(), str(executable).encode())
        files.append(Wanted(target, content, 0o644, config=False))
    return [*files, Wanted(CONFIG / f"{name}.yaml", config, 0o644, config=True)]


def instance_name(robot: Robot) -> str:
    """The robot's name as a unit's instance, edgevla@NAME.

    Raises:
        ServiceError: it has letters that an instance cannot have.
    """
    if not _INSTANCE.fullmatch(robot.name):
        raise ServiceError(
            f'name: "{robot.name}" cannot be the name of a service; letters, digits, "_", "." and "-" are allowed',
            fix="give the robot another name in robot.yaml",
        )
    return robot.name


def system_config(robot_yaml: Path) -> tuple[str, bytes]:
    """A robot.yaml as it stands in /etc/edgevla: the same text, with paths that were relative to its folder made whole.

    Recordings go to the one folder that the service may write to.

    Returns:
        the instance's name, and the text.

    Raises:
        ConfigError: the file cannot be used.
        NotVisible: a file that it names lies where the service cannot see it.
    """
    robot = load_robot(robot_yaml)
    folder = robot_yaml.resolve().parent
    changes: dict[Key, str] = {}
    for key, value in _paths(robot).items():
        path = (folder / value).resolve()
        _visible(path, ".".join(map(str, key)), f"copy it to /opt/edgevla or /srv, and name it there in {robot_yaml}")
        changes[key] = msgspec.json.encode(str(path)).decode()
    if robot.recording is not None:
        changes["recording", "folder"] = str(STATE / robot.name / "recordings")
    return instance_name(robot), replace_scalars(robot_yaml.read_text(encoding="utf-8"), changes).encode()


def _paths(robot: Robot) -> dict[Key, str]:
    """Values of robot.yaml that are relative to its folder, by their place in it."""
    paths: dict[Key, str] = {("bundle",): robot.bundle}
    if robot.workspace is not None:
        paths["workspace", "model"] = robot.workspace.model
    if robot.console is not None and robot.console.overlay is not None:
        paths["console", "overlay", "model"] = robot.console.overlay.model
    return paths


def _shipped(name: str) -> Path:
    for place in _PLACES:
        if (place / name).exists():
            return place / name
    raise ServiceError(f"systemd/{name} is not part of this installation", fix="install EdgeVLA again")


def _visible(path: Path, what: str, fix: str) -> None:
    if str(path).startswith(_HIDDEN):
        raise NotVisible(
            f"{what}: {path} is hidden from the service, which sees no home and no temporary folder", fix=fix
        )
