"""`edgevla console`: the operator's page, and one-time links to it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup

from edgevla.commands.options import Set, UsageError, overrides
from edgevla.tables import console as terminal

if TYPE_CHECKING:
    from click import Context

_START = "start"
State = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="audit log and key of /metrics [default: ~/.local/state/edgevla]")
]


class _StartByDefault(TyperGroup):
    """`edgevla console ROBOT` is `edgevla console start ROBOT`."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, "--help"}:
            args = [_START, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_StartByDefault, help="Serve the operator's page of a robot, or get a link to it.", no_args_is_help=True
)


@app.command(_START)
def start(
    robot: Annotated[
        Path | None, typer.Argument(help="robot.yaml [default: with --simulate the one that ships]")
    ] = None,
    address: Annotated[str, typer.Option(metavar="IP:PORT", help="where to listen")] = "127.0.0.1:8321",
    tls_cert: Annotated[Path | None, typer.Option(metavar="FILE", help="certificate (chain), PEM")] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="its key, PEM")] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="a name that people reach it by; repeat for several")
    ] = None,
    simulate: Annotated[bool, typer.Option("--simulate", help="start a simulated robot and serve it, too")] = False,
    seed: Annotated[int, typer.Option(help="with --simulate: draws where the blocks lie")] = 7,
    state: State = None,
    set_: Set = None,
) -> None:
    """Serve the operator's page until Ctrl-C (the default: `edgevla console ROBOT`).

    Prints a link that lets one browser in. Beyond this machine it is served with TLS only.
    """
    from edgevla.console.serve import ConsoleOptions, serve_console

    with contextlib.ExitStack() as stack:
        path, runtime = robot, None
        settings: dict[str, str] = {}
        if simulate:
            from edgevla.console.simulate import SHIPPED, simulated  # a robot's own console has no use for these

            path = robot or SHIPPED
            settings, runtime = stack.enter_context(simulated(path, seed))
        if path is None:
            raise UsageError("which robot? its robot.yaml is missing", fix="edgevla console robot.yaml, or --simulate")
        options = ConsoleOptions(
            path, {**settings, **overrides(set_)}, address, tls_cert, tls_key, allow_host or (), state, runtime
        )
        serve_console(options, lambda line: terminal.print(line, highlight=False, markup=False, soft_wrap=True))


@app.command()
def link(
    robot: Annotated[str, typer.Argument(help="robot.yaml, or the robot's name")],
    name: Annotated[str, typer.Option(help="who it is for, as the audit log shall call them")] = "operator",
    state: State = None,
) -> None:
    """Print a link that lets one more browser into a running console; it works once, within 15 minutes."""
    from edgevla.config.load import load_robot
    from edgevla.console.door import ask_for_link, door_of
    from edgevla.console.serve import state_folders

    is_file = os.path.isfile(robot)  # noqa: PTH113 - Path.is_file raises for a name that no file can have
    robot_name = load_robot(Path(robot)).name if is_file else robot
    print(ask_for_link(door_of([state] if state is not None else state_folders(robot_name)), name))
