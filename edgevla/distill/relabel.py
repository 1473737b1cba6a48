"""Asks the teacher about every row."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np
import torch

from edgevla.distill.batches import normal_state, said
from edgevla.distill.denoiser import sample_flow
from edgevla.distill.encoder import JOINTS
from edgevla.distill.labels import Labels
from edgevla.distill.store import blocks_of, flush, kept
from edgevla.distill.teacher import FEATURE, STEPS
from edgevla.sim.expert import HORIZON

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from rich.progress import Progress

    from edgevla.distill.batches import Statistics
    from edgevla.distill.store import Rows
    from edgevla.distill.teacher import Teacher

DRAWS = 2
_SIZE = 256


def label(
    teacher: Teacher, statistics: Statistics, rows: Rows, folder: Path, *, seed: int, progress: Progress
) -> Labels:
    """Ask the teacher about every row, its pictures as they are and its sentence as it is listed; once.

    Args:
        folder: where the answers are kept. The teacher that gave them is the caller's to know.
    """
    if not folder.exists():
        draft = folder.with_suffix(".draft")
        draft.mkdir(parents=True, exist_ok=True)
        answers = {
            "plan_rad": kept(draft / "plan_rad.npy", np.float32, (len(rows), DRAWS, HORIZON, JOINTS)),
            "feature": kept(draft / "feature.npy", np.float16, (len(rows), FEATURE)),
        }
        blocks = blocks_of(rows, _SIZE)
        bar = progress.add_task("labels", total=len(blocks))
        generator = torch.Generator().manual_seed(seed)
        words = torch.stack([ways[0] for ways in said()])
        for block in blocks:
            answers["plan_rad"][block], answers["feature"][block] = _asked(
                teacher, statistics, rows, block, words, generator
            )
            progress.advance(bar)
        for answer in answers.values():
            flush(answer)
        draft.rename(folder)
    return Labels(**{field.name: np.load(folder / f"{field.name}.npy", mmap_mode="r") for field in fields(Labels)})


def _asked(
    teacher: Teacher,
    statistics: Statistics,
    rows: Rows,
    block: slice,
    words: torch.Tensor,
    generator: torch.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float16]]:
    front, wrist = (
        torch.from_numpy(np.array(pictures[block])).permute(0, 3, 1, 2).float() / 255.0
        for pictures in (rows.front, rows.wrist)
    )
    state_rad = rows.state_rad[block]
    state = torch.from_numpy(normal_state(state_rad, statistics))
    with torch.no_grad():
        feature = teacher(front, wrist, state, words[torch.from_numpy(np.array(rows.task[block]))])
        drawn = [sample_flow(teacher.denoiser, feature, steps=STEPS, generator=generator).numpy() for _ in range(DRAWS)]
    deltas_rad = np.stack(drawn, 1) * statistics.delta_std + statistics.delta_mean
    plan_rad: NDArray[np.float32] = (deltas_rad + state_rad[:, None, None]).astype(np.float32)
    return plan_rad, feature.numpy().astype(np.float16)
