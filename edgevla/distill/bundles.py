"""Networks to bundles: the teacher's, and each family's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from edgevla.bundle import load_manifest
from edgevla.config.policy_families import Flow
from edgevla.config.quantisation import Quantisation
from edgevla.distill.encoder import JOINTS
from edgevla.distill.export import export, inputs_of, shown
from edgevla.distill.families.base import Graph, Parts, action_of, mean_std
from edgevla.distill.families.denoised import Velocity
from edgevla.distill.teacher import FEATURE, STEPS
from edgevla.sim.expert import HORIZON
from edgevla.sim.tasks import EXTENDED, TASKS

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from edgevla.distill.batches import Statistics
    from edgevla.distill.families.base import Family
    from edgevla.distill.student import Encoder, Student
    from edgevla.distill.teacher import Teacher

_TEACHER = "so101-tabletop-teacher"
# Wider than the runtime's defaults: a memory, a loop and a choice of tokens add to what rounding does to one pass, and
# touching and pushing leave the gripper near the middle of what little it moves. How the arm drives is what decides.
_BUDGET = Quantisation(mean_rad=0.015, p99_rad=0.05, worst_rad=0.30, gripper_flips=0.05)
# A gripper that works passes its middle in many a plan, and there a thousandth of a radian flips it: without any flip,
# nine of 22 products were not done in INT8, some of which alone cost 0.006 rad.
_GRIPPING = Quantisation(worst_rad=0.10, gripper_flips=0.02)


def export_teacher(
    folder: Path, teacher: Teacher, statistics: Statistics, instructions: tuple[str, ...] = EXTENDED
) -> float:
    """Write the teacher as a bundle of the family flow; see `export`."""
    inputs = inputs_of("front", "wrist")
    sample, time = torch.randn(1, HORIZON, JOINTS), torch.tensor([0.6])
    step = {"sample": sample, "time": time, "feature": torch.rand(1, FEATURE)}
    graphs = Graph(teacher, shown(inputs), ("feature",)), Graph(Velocity(teacher.denoiser), step, ("velocity",))
    action = action_of("actions", HORIZON, mean_std(statistics.delta_mean, statistics.delta_std))
    parts = Parts(action, {"flow": Flow(steps=STEPS, direction="noise_at_1")})
    return export(folder, _TEACHER, "flow", graphs, parts, inputs, statistics, instructions)


def export_student(
    folder: Path, name: str, student: Student, statistics: Statistics, instructions: tuple[str, ...] = EXTENDED
) -> float:
    """Write the student itself as a bundle of the family regression; see `export`."""
    inputs = inputs_of(*student.encoder.cameras)
    action = action_of("deltas", HORIZON, mean_std(statistics.delta_mean, statistics.delta_std))
    graph = Graph(student, shown(inputs), ("deltas",))
    grips = any(TASKS[instruction].carries for instruction in instructions)
    parts = Parts(action, {"quantisation": _GRIPPING} if grips else {})
    return export(folder, name, "regression", (graph, None), parts, inputs, statistics, instructions)


def export_family(
    folder: Path,
    name: str,
    family: Family,
    encoder: Encoder,
    head: nn.Module,
    statistics: Statistics,
    instructions: tuple[str, ...] = EXTENDED,
) -> float:
    """Write a student of one family as a bundle; see `export`."""
    inputs = inputs_of(*encoder.cameras)
    graphs = family.graphs(encoder, head, shown(inputs))
    parts = family.parts()
    parts = replace(parts, sections={"quantisation": _BUDGET, **parts.sections})
    return export(folder, name, family.kind, graphs, parts, inputs, statistics, instructions)


def readme(folder: Path) -> str:
    """A few lines about a student's bundle, from what is in it."""
    manifest = load_manifest(folder).manifest
    lines = [f"# {manifest.name}", ""]
    lines += [f"A student of the tabletop's teacher, of the family `{manifest.family}`: {_ANSWERS[manifest.name]}", ""]
    lines += ["| file | size |", "| --- | --- |"]
    lines += [f"| `{file}` | {(folder / file).stat().st_size / 1e6:.2f} MB |" for file in sorted(manifest.files)]
    lines += ["", f"`log.json` says how it was trained; `edgevla distill --family {manifest.name}` trains one.", ""]
    return "\n".join(lines)


_ANSWERS = {
    "regression": "the chunk in one pass.",
    "recurrent": "the chunk from an LSTM that remembers the last observations.",
    "flow": "one look, then five steps of flow matching.",
    "diffusion": "one look, then ten steps of DDIM.",
    "tokens-openvla": "a token of 256 bins for each number, one after another, each told those before.",
    "tokens-rt2": "tokens of 256 bins, and one that says whether the instruction is carried out, all at once.",
    "fast": "byte pairs of the chunk's cosine transform, one after another.",
}
