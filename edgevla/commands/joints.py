"""`edgevla calibrate joints`: where every servo's zero and ends are, into robot.yaml."""

from __future__ import annotations

import math
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgevla.commands.options import Json, Set, overrides
from edgevla.tables import console, print_table

if TYPE_CHECKING:
    from edgevla.calibrate.zeroing import Zeroed


def joints(
    robot: Annotated[Path, typer.Argument(help="robot.yaml")],
    from_lerobot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="take a LeRobot calibration instead of a sweep")
    ] = None,
    lerobot: Annotated[Path | None, typer.Option(metavar="FILE", help="write a LeRobot calibration here too")] = None,
    lerobot_id: Annotated[
        str | None, typer.Option(metavar="ID", help="the same, where LeRobot keeps that of its robot ID")
    ] = None,
    write_servos: Annotated[
        bool, typer.Option("--write-servos", help="write homing offset and range into the servos, as LeRobot does")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask before writing")] = False,
    set_: Set = None,
    json: Json = None,
) -> None:
    """Find every servo's zero and ends, led step by step, and put them into robot.yaml.

    The arm has no torque and does not move by itself. Shows what would change and asks before it writes a file. The
    servos themselves are written to only with --write-servos.
    """
    from edgevla.calibrate import lerobot as files
    from edgevla.calibrate.arms import stops_rad
    from edgevla.calibrate.joints import from_lerobot as ranges_of
    from edgevla.calibrate.joints import measure, settle, to_tell
    from edgevla.calibrate.robot_yaml import propose
    from edgevla.calibrate.servo_memory import open_memory
    from edgevla.calibrate.terminal import TerminalOperator
    from edgevla.config.load import load_robot
    from edgevla.runtime.report import envelope, now, write_json

    started = now()
    config = load_robot(robot, overrides(set_))
    stops = stops_rad(config)
    known = files.read(from_lerobot, config.joints) if from_lerobot is not None else {}
    with open_memory(config, may_write=write_servos) as memory:
        stored = memory.stored()
        if known:
            ranges = ranges_of(known)
        else:
            with TerminalOperator(console) as operator:
                ranges = measure(memory, config.joints, stops, operator)
        inverted = [name for name, servo in known.items() if servo.drive_mode]
        told = to_tell(ranges, known) if write_servos else {}
        settled = settle(config.joints, ranges, stored, stops, inverted=inverted, told=told)
        proposal = propose(robot, settled.joints)
        rows = [_joint_row(found, settled.servos[found.joint.name].homing_offset) for found in settled.joints]
        print_table("joints", rows)
        console.print(proposal.diff or f"{robot} stays as it is", markup=False, highlight=False)
        for name, servo in settled.memories.items():
            console.print(f"servo {name}: {stored[name]} becomes {servo}", highlight=False)
        if not yes and (proposal.diff or settled.memories):
            typer.confirm("Write this?", abort=True)
        with proposal.replacing() if proposal.diff else nullcontext():
            if settled.memories:
                memory.store(settled.memories)
    if proposal.diff:
        console.print(f"{robot} written; the old one is {proposal.backup}", highlight=False)
    target = lerobot or (files.default_path(lerobot_id) if lerobot_id is not None else None)
    if target is not None:
        files.write(target, settled.servos)
        console.print(f"{target} written", highlight=False)
    if json is not None:
        write_json(json, envelope("calibrate joints", started, {"joints": rows}))


def _joint_row(found: Zeroed, homing_offset: int) -> dict[str, object]:
    hard, soft = (
        [round(math.degrees(each), 1) for each in pair] for pair in (found.position_hard_rad, found.position_soft_rad)
    )
    return {
        "name": found.joint.name,
        "range, counts": list(found.counts),
        "homing_offset": homing_offset,
        "zero_counts": found.zero_counts,
        "sign": found.sign,
        "position_hard, deg": hard,
        "position_soft, deg": soft,
    }
