"""`edgevla import`: a checkpoint of another project to a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgevla.commands.options import Json, UsageError, one_of
from edgevla.tables import console

if TYPE_CHECKING:
    from edgevla.config.policy_families import EndEffector
    from edgevla.config.robot import Robot
    from edgevla.importers.answers import JointScale

JOINT = "NAME=deg, NAME=rad, or 'NAME=0..100:-10 deg..95 deg'"


def import_(
    checkpoint: Annotated[Path, typer.Argument(help="the folder, as its project saves it")],
    out: Annotated[Path, typer.Option(help="the new bundle's folder")],
    rate: Annotated[float, typer.Option(min=0.01, max=500, help="Hz, the rate that its data were recorded at")],
    instruction: Annotated[list[str], typer.Option(help="a sentence that it was trained on; as often as needed")],
    kind: Annotated[str, typer.Option(help="lerobot-act, lerobot-smolvla ...; read from its config.json")] = "",
    robot: Annotated[
        Path | None, typer.Option(help="a robot.yaml, for the joints' names and the cameras' sizes")
    ] = None,
    unit: Annotated[str, typer.Option(help="of every joint that --joint does not name: deg or rad")] = "",
    joint: Annotated[
        list[str] | None, typer.Option(metavar="NAME=UNIT", help=f"{JOINT}; in the checkpoint's order")
    ] = None,
    camera: Annotated[
        list[str] | None,
        typer.Option(metavar="ITS=YOURS", help="a camera that the robot calls otherwise; ITS= where there is none"),
    ] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(help="folder with the tokenizer, where the checkpoint only names one")
    ] = None,
    name: Annotated[str, typer.Option(help="of the bundle [default: the checkpoint's folder]")] = "",
    seed: Annotated[int, typer.Option(min=0, help="of the noise of policies that denoise")] = 0,
    code: Annotated[
        Path | None, typer.Option(help="OpenVLA: folder with its modeling_prismatic.py, which is then run")
    ] = None,
    dataset: Annotated[str, typer.Option(help="OpenVLA: whose statistics, where it has several")] = "",
    site: Annotated[str, typer.Option(help="OpenVLA: the site of the robot's model that its actions move")] = "",
    rotation: Annotated[str, typer.Option(help="OpenVLA: rpy or axis_angle")] = "rpy",
    frame: Annotated[str, typer.Option(help="OpenVLA: whose axes its actions are along, base or tool")] = "base",
    json: Json = None,
) -> None:
    """Make a bundle of a LeRobot or OpenVLA checkpoint, and compare both. Needs that project's own code."""
    from edgevla.config.load import load_robot
    from edgevla.importers.answers import Answers
    from edgevla.importers.recognise import KINDS
    from edgevla.importers.run import import_checkpoint
    from edgevla.runtime.report import envelope, now, write_json

    started = now()
    if kind:
        one_of("--kind", kind, tuple(KINDS))
    known = None if robot is None else load_robot(robot)
    joints = _joints(_pairs("--joint", joint), unit, known)
    answers = Answers(
        name=name or checkpoint.resolve().name,
        joints=joints,
        rate_hz=rate,
        instructions=tuple(instruction),
        cameras={its: yours or None for its, yours in _pairs("--camera", camera).items()},
        sizes={} if known is None else {each.name: (each.height, each.width) for each in known.cameras},
        tokenizer=tokenizer,
        seed=seed,
        code=code,
        dataset=dataset or None,
        end_effector=_tool(site, rotation, frame, joints),
    )
    found, worst_rad = import_checkpoint(checkpoint, out, answers, kind or None)
    if json is not None:
        write_json(json, envelope("import", started, {"kind": found, "bundle": str(out), "worst_rad": worst_rad}))
    console.print(
        f"{out}: {KINDS[found]}, at most {worst_rad:.1e} rad (m) from what its own code answers", highlight=False
    )


def _pairs(option: str, given: list[str] | None) -> dict[str, str]:
    """`NAME=VALUE` options as a table.

    Raises:
        UsageError: one is not of that form, or stands there twice.
    """
    table: dict[str, str] = {}
    for pair in given or []:
        key, equals, value = pair.partition("=")
        if not (key and equals) or key in table:
            raise UsageError(f"{option} {pair}: must be NAME=VALUE, each name once")
        table[key] = value
    return table


def _tool(site: str, rotation: str, frame: str, joints: tuple[JointScale, ...]) -> EndEffector | None:
    """What the actions of a policy for an end effector move; None where no site is named.

    Raises:
        UsageError: `rotation` or `frame` is not known.
    """
    from edgevla.config.policy_families import EndEffector

    one_of("--rotation", rotation, ("rpy", "axis_angle"))
    one_of("--frame", frame, ("base", "tool"))
    if not site:
        return None
    names = tuple(joint.name for joint in joints)
    return EndEffector(joints=names, site=site, rotation=rotation, frame=frame)  # type: ignore[arg-type]


def _joints(units: dict[str, str], unit: str, robot: Robot | None) -> tuple[JointScale, ...]:
    """The joints of robot.yaml, or those that --joint names, each with its unit.

    Raises:
        UsageError: a joint has no unit, or is not the robot's.
        ImportRefused: a unit cannot be read.
    """
    from edgevla.importers.answers import joint_scale

    names = tuple(units) if robot is None else robot.joint_names
    if strangers := [name for name in units if name not in names]:
        raise UsageError(f"--joint {strangers[0]}: the robot's joints are {', '.join(names)}")
    silent = [name for name in names if not (units.get(name) or unit)]
    if silent or not names:
        which = ", ".join(silent) or "any joint"
        raise UsageError(
            f"the unit of {which} in the checkpoint is not said, and the checkpoint does not say it",
            fix=f"--unit deg, or --joint {JOINT}",
        )
    return tuple(joint_scale(name, units.get(name) or unit) for name in names)
