"""Options and errors that several commands share."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from edgevla.errors import EdgeVLAError

Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="replace a value of robot.yaml, motors.port=...")
]
Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="write the report here too")]
Variant = Annotated[str, typer.Option(help="which graph of the bundle")]
Report = Annotated[Path | None, typer.Option(help="folder for the report [default: reports/<command>-<time>]")]


class UsageError(EdgeVLAError):
    """An argument that cannot be understood."""


class NotReached(EdgeVLAError):
    """The command ran to its end, and the result is not what it takes to succeed."""

    exit_code = 1


def report_folder(command: str) -> Path:
    """Where a command puts its report when it is not told."""
    return Path("reports") / f"{command}-{datetime.now():%Y%m%d-%H%M%S}"


def overrides(pairs: list[str] | None) -> dict[str, str]:
    """`--set` as a table.

    Raises:
        UsageError: something is not KEY=VALUE.
    """
    table = {}
    for pair in pairs or []:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise UsageError(f"--set {pair}: is not KEY=VALUE", fix="for example --set motors.port=/dev/ttyUSB0")
        table[key] = value
    return table


def one_of(option: str, value: str, allowed: tuple[str, ...]) -> None:
    """Refuse a value that an option does not have.

    Raises:
        UsageError: the message lists the allowed ones.
    """
    if value not in allowed:
        raise UsageError(f'{option}: "{value}" is not known', fix=f"use one of: {', '.join(allowed)}")
