"""`edgevla calibrate`: observations for INT8, and the joints, taken on the robot itself."""

from __future__ import annotations

import typer

from edgevla.commands.capture import capture
from edgevla.commands.joints import joints

app = typer.Typer(help="Calibrate on the robot: observations for INT8, and the joints.", no_args_is_help=True)
for command in (capture, joints):
    app.command()(command)
