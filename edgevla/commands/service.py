"""`edgevla service`: install the robot as a system service, look at it, take it away."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgevla.tables import console, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgevla.service.changes import Change

app = typer.Typer(help="The robot as a system service.", no_args_is_help=True)
Root = Annotated[Path, typer.Option(metavar="DIR", help="the folder that stands for /, for an image that is prepared")]
Yes = Annotated[bool, typer.Option("--yes", help="do not ask")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="show what would change, and leave")]
_SYSTEM = Path("/")


@app.command()
def install(
    robot: Annotated[Path, typer.Argument(help="robot.yaml; it becomes /etc/edgevla/NAME.yaml")],
    executable: Annotated[Path | None, typer.Option(help="edgevla as the units start it [default: this one]")] = None,
    root: Root = _SYSTEM,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Install units, device names, users and configuration; shows every change first. Again changes nothing.

    The services start with the machine from then on, and come up disarmed. Nothing is started now.
    """
    from edgevla.service import manager
    from edgevla.service.changes import to_install
    from edgevla.service.layout import UNITS, system_config, wanted_files

    name, config = system_config(robot)
    program = executable or Path(sys.prefix) / "bin" / "edgevla"
    units = [unit.replace("@", f"@{name}") for unit in UNITS]
    changes = to_install(root, wanted_files(program, name, config))
    if _carry_out(root, changes, after=manager.after_placing(units), yes=yes, dry_run=dry_run):
        console.print(f"installed; to start it: sudo systemctl start {' '.join(units)}", highlight=False)


@app.command()
def uninstall(root: Root = _SYSTEM, yes: Yes = False, dry_run: DryRun = False) -> None:
    """Stop the robots and remove what was installed; what you changed, logs and recordings stay."""
    from edgevla.service import manager
    from edgevla.service.changes import to_uninstall

    changes = to_uninstall(root)
    before = manager.before_removing(_units(root))
    if _carry_out(root, changes, before=before, after=manager.after_removing(), yes=yes, dry_run=dry_run):
        console.print("removed; the users, /var/lib/edgevla and /var/log/edgevla are left", highlight=False)


@app.command()
def status(root: Root = _SYSTEM) -> None:
    """What is installed, and how it runs. Exit code 1 when something is missing or was changed."""
    from edgevla.service import manager
    from edgevla.service.changes import to_uninstall

    files = to_uninstall(root)
    if not files:
        console.print("not installed: edgevla service install ROBOT.yaml", highlight=False)
        raise typer.Exit(1)
    rows = [{"file": str(each.path), "is": "as installed" if each.kind == "remove" else each.why} for each in files]
    print_table("installed", rows)
    if root == _SYSTEM and manager.running():
        print_table("units", [{"unit": unit, **manager.state(unit)} for unit in _units(root)])
    else:
        console.print("systemd does not run here: nothing is known of the units", highlight=False)


def _units(root: Path) -> list[str]:
    from edgevla.service.changes import to_uninstall
    from edgevla.service.layout import CONFIG, UNITS

    names = [each.path.stem for each in to_uninstall(root) if each.path.parent == CONFIG]
    return [unit.replace("@", f"@{name}") for name in names for unit in UNITS]


def _carry_out(
    root: Path,
    changes: Sequence[Change],
    *,
    before: Sequence[Sequence[str]] = (),
    after: Sequence[Sequence[str]],
    yes: bool,
    dry_run: bool,
) -> bool:
    """Show, ask, do. False when nothing was done."""
    from edgevla.service import manager
    from edgevla.service.changes import apply
    from edgevla.service.errors import ServiceError

    for change in changes:
        console.print(f"{change.kind:8}{change.path}{': ' if change.why else ''}{change.why}", highlight=False)
        console.print(change.diff, markup=False, highlight=False, end="")
    told = root == _SYSTEM and manager.running()
    for command in (*before, *after) if told else ():
        console.print(f"run     {' '.join(command)}", highlight=False)
    if not told:
        console.print("systemd does not run here: files only, no unit is enabled or stopped", highlight=False)
    idle = all(change.kind in {"same", "keep"} for change in changes)
    if idle:
        console.print("no file changes", highlight=False)
    if dry_run or (idle and not told):
        return False
    if not os.access(root, os.W_OK):
        raise ServiceError(f"{root}: no permission to write there", fix=f"sudo {sys.prefix}/bin/edgevla service ...")
    if not yes:
        typer.confirm("Do this?", abort=True)
    for command in before if told else ():
        manager.call(command)
    apply(root, changes)
    for command in after if told else ():
        manager.call(command)
    return True
