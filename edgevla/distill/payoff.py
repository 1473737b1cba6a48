"""Does distillation pay? The same student, trained on the expert's plans and on the teacher's, and how each drives.

Both arms take the same steps, from the same first weights, over the same rows. The teacher's arm learns the teacher's
plans and matches its feature; the other has the expert's plans only.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import torch

from edgevla.distill.batches import Batches
from edgevla.distill.bundles import export_student
from edgevla.distill.check import check, won
from edgevla.distill.sentences import vocabulary
from edgevla.distill.student import BATCH, RATE, Student, student_loss
from edgevla.distill.train import train

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from rich.progress import Progress

    from edgevla.distill.batches import Statistics
    from edgevla.distill.labels import Labels
    from edgevla.distill.store import Rows

ARMS = ("imitation", "distillation")


def payoff(
    rows: Rows,
    labels: Labels,
    statistics: Statistics,
    work: Path,
    *,
    seeds: Sequence[int],
    steps: int,
    instructions: Sequence[str],
    episodes: int,
    robot: Path,
    workers: int,
    progress: Progress,
) -> Mapping[str, Mapping[int, tuple[int, int]]]:
    """Train and check each arm with each seed; successes and episodes by arm and seed, also left in payoff.json.

    Args:
        episodes: for each instruction.
        work: checkpoints and bundles; what is there is not done again.
    """
    found: dict[str, dict[int, tuple[int, int]]] = {arm: {} for arm in ARMS}
    for arm in ARMS:
        batches = Batches(rows, statistics, labels.averaged() if arm == "distillation" else None)
        loss = partial(_loss, batches)
        for seed in seeds:
            name = f"pay-{arm}-{seed}"
            torch.manual_seed(seed)
            student, _ = train(
                Student(len(vocabulary())),
                loss,
                work / f"{name}.pt",
                steps=steps,
                rate=RATE,
                seed=seed,
                progress=progress,
            )
            export_student(work / name, name, student, statistics)
            results = check(
                work / name,
                robot=robot,
                instructions=instructions,
                episodes=episodes,
                seed=seed,
                workers=workers,
                progress=progress,
            )
            found[arm][seed] = won(results, instructions)
    (work / "payoff.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return found


def _loss(batches: Batches, student: Student, rng: np.random.Generator) -> torch.Tensor:
    return student_loss(student, batches.draw(BATCH, rng), batches.row_weight)
