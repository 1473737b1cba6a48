"""`edgevla console`: the operator's page of one robot, served until it is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgevla.config.load import load_robot
from edgevla.console.address import Address, allowed_names, parse_address
from edgevla.console.app import make_app
from edgevla.console.audit import AuditLog
from edgevla.console.certificate import server_context
from edgevla.console.connections import Connections, bind
from edgevla.console.door import DOOR, keep_door
from edgevla.console.errors import AddressRefused, OverlayRefused
from edgevla.console.hub import Hub
from edgevla.console.journal import Journal
from edgevla.console.overlay import Overlay
from edgevla.console.sessions import LINK_LIFE_S
from edgevla.files import write_whole
from edgevla.runtime.sockets import RUNTIME_FOLDER, listen, operator_socket

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from edgevla.config.robot import Robot

_SERVICE_STATE = Path("/var/lib/edgevla-console")  # of edgevla-console@.service
_FIRST = "operator"  # who opens the link that is printed at the start
_SCRAPER_KEY = "metrics.key"


@dataclass(frozen=True, slots=True)
class ConsoleOptions:
    """What the command line gave."""

    robot_path: Path
    overrides: Mapping[str, str]
    address: str
    certificate: Path | None = None
    key: Path | None = None
    allow_hosts: Sequence[str] = ()
    state: Path | None = None
    runtime: Path | None = None  # folder of the robot's socket, None: as the environment says


def state_folders(robot_name: str) -> list[Path]:
    """Where the state of a robot's console may be: that of this user, then that of the service."""
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return [Path(home, "edgevla", "console", robot_name), _SERVICE_STATE / robot_name]


def serve_console(options: ConsoleOptions, say: Callable[[str], None]) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP. What is wrong with the options is found before anything is opened.

    Args:
        say: prints a line for the user.

    Raises:
        EdgeVLAError: it cannot be served as asked.
    """
    robot = load_robot(options.robot_path, options.overrides)
    address = parse_address(options.address)
    names = allowed_names(address, options.allow_hosts)
    tls = _tls(options, address)
    environment = {RUNTIME_FOLDER: str(options.runtime)} if options.runtime is not None else os.environ
    robot_socket = operator_socket(robot.name, environment)  # also finds out whether the name may be a folder's
    folder = options.state or state_folders(robot.name)[0]
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(bind(address))
        door = listen(folder / DOOR)
        stack.callback(door.close)
        journal = Journal()
        audit = AuditLog(folder / "audit.jsonl")
        stack.callback(audit.close)
        overlay = _overlay(robot, options.robot_path, journal)
        start = f"edgevla serve {options.robot_path}"
        hub = Hub(robot, robot_socket, journal, audit, overlay, start)
        connections = Connections(tls)
        app = make_app(hub, names, _scraper_key(folder, journal), connections.trust, connections.cut)
        host = sorted(options.allow_hosts)[0] if address.everywhere else address.host
        url = f"{'https' if tls else 'http'}://{Address(host, listener.getsockname()[1])}"

        def give(name: str) -> str:
            audit.write(0, name, "", "link made")
            return f"{url}/login?key={hub.sessions.new_link(name)}"

        say(f"operator's page of {robot.name}: {_first_link(give, url, options.robot_path)}")
        asyncio.run(_until_signal(hub.run(), connections.run(listener, app), keep_door(door.socket, give)))


async def _until_signal(*works: Coroutine[None, None, None]) -> None:
    """Run all of these until a signal comes or one of them fails."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # as nohup(1) leaves it
            loop.add_signal_handler(number, stop.set)
    tasks = [asyncio.create_task(work) for work in (*works, stop.wait())]
    done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    for task in done:
        task.result()


def _first_link(give: Callable[[str], str], url: str, robot_path: Path) -> str:
    if _is_journal(1):  # what is printed there is kept, and others read it
        return f"{url}, and for a one-time link: edgevla console link {robot_path}"
    return f"open this link, which works once and within {LINK_LIFE_S / 60.0:.0f} minutes: {give(_FIRST)}"


def _is_journal(descriptor: int) -> bool:
    """Whether what is written there goes to the system's journal."""
    with contextlib.suppress(OSError):
        found = os.fstat(descriptor)
        return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"
    return False


def _tls(options: ConsoleOptions, address: Address) -> ssl.SSLContext | None:
    if options.certificate is not None and options.key is not None:
        return server_context(options.certificate, options.key)
    if options.certificate is not None or options.key is not None:
        raise AddressRefused("--tls-cert and --tls-key belong together", fix="give both")
    if not address.loopback:
        raise AddressRefused(
            f"--address {address}: beyond this machine only with TLS",
            fix="give --tls-cert and --tls-key, or keep 127.0.0.1 and use: ssh -L 8321:localhost:8321 ROBOT",
        )
    return None


def _overlay(robot: Robot, robot_path: Path, journal: Journal) -> Overlay | None:
    """The overlay of robot.yaml. What is wrong with it is an event: nobody is kept from the STOP by a drawing."""
    wanted = robot.console.overlay if robot.console is not None else None
    if wanted is None:
        return None
    sizes = {camera.name: camera.width / camera.height for camera in robot.cameras}
    cameras = {name: (there, sizes[name]) for name, there in wanted.cameras.items()}
    try:
        return Overlay(robot_path.parent / wanted.model, wanted.site, robot.joint_names, cameras)
    except OverlayRefused as error:
        journal.add(f"the page draws no path: {error}", "warn")
        return None


def _scraper_key(folder: Path, journal: Journal) -> str:
    """What a Prometheus server shows to read /metrics; made once, readable by this user only.

    Where it cannot be read or kept, nobody knows it. That is an event: nobody is kept from the STOP by a full disk.
    """
    path = folder / _SCRAPER_KEY
    try:
        if path.exists() and (key := path.read_text(encoding="ascii").strip()):
            return key
        key = secrets.token_urlsafe(32)
        before = os.umask(0o077)
        try:
            write_whole(path, f"{key}\n".encode())
        finally:
            os.umask(before)
    except (OSError, ValueError) as error:
        journal.add(f"/metrics cannot be read by its key: {path}: {getattr(error, 'strerror', None) or error}", "warn")
        return secrets.token_urlsafe(32)
    return key
