"""The command line: which commands there are, and how each ends."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Annotated

import click
import typer

from edgevla import __version__
from edgevla.commands import (
    build,
    bundle,
    calibrate,
    doctor,
    export,
    importing,
    lint,
    measure,
    plan,
    quantize,
    replay,
    run,
    serve,
    service,
    verify,
)
from edgevla.commands import console as page
from edgevla.errors import EdgeVLAError
from edgevla.tables import console, fail

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

# Where a package that is missing comes from; those not named here belong to the simulator.
EXTRAS = {
    "torch": "distill",
    **dict.fromkeys(("mcap", "zstandard", "google", "foxglove_schemas_protobuf"), "record"),
    "pyarrow": "dataset",
    **dict.fromkeys(("starlette", "uvicorn", "wsproto", "prometheus_client"), "console"),
    "tokenizers": "language",
    "ray": "ray",
}

INTERRUPTED = 130
TERMINATED = 143

app = typer.Typer(
    help="Runs vision-language-action policies on robot arms, inside the bounds you wrote down.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
COMMANDS: dict[str, Callable[..., None]] = {
    "demo": run.demo,
    "run": run.run,
    "serve": serve.serve,
    "eval": measure.evaluate_,
    "latency": measure.latency,
    "faults": measure.faults,
    "inspect": bundle.inspect,
    "build": build.build,
    "verify": verify.verify,
    "lint": lint.lint,
    "plan": plan.plan,
    "replay": replay.replay,
    "export": export.export,
    "doctor": doctor.doctor,
    "distill": bundle.distill,
    "import": importing.import_,
}
for name, command in COMMANDS.items():
    app.command(name)(command)
calibrate.app.command()(quantize.quantize)
app.add_typer(calibrate.app, name="calibrate")
app.add_typer(page.app, name="console")
app.add_typer(service.app, name="service")


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="print the version and leave", is_eager=True)] = False,
) -> None:
    if version:
        console.print(__version__)
        raise typer.Exit


def main() -> None:
    """Run a command. Every failure a user can act on is one line on stderr and an exit code."""

    def terminate(_number: int, _frame: FrameType | None) -> None:
        sys.exit(TERMINATED)  # unwinds through every context manager: the arm is stopped on the way

    signal.signal(signal.SIGTERM, terminate)
    try:
        code = app(standalone_mode=False)
    except EdgeVLAError as error:
        fail(str(error))
        sys.exit(error.exit_code)
    except OSError as error:
        fail(f"{error.filename or 'the operating system'}: {error.strerror or error}")
        sys.exit(2)
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0], "sim")
        fail(f"this command needs {error.name}, which is not installed - pip install 'edgevla[{extra}]'")
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    if code == INTERRUPTED:  # typer has caught it
        print("interrupted", file=sys.stderr)
    sys.exit(code or 0)
