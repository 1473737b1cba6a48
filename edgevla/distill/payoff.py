"""Does distillation pay? The same student, trained on the expert's plans and on the teacher's, and how each drives.

Both arms take the same steps, from the same first weights, over the same rows. The teacher's arm learns the teacher's
plans and matches its feature; the other has the expert's plans only.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch

from edgevla.distill.batches import Batches
from edgevla.distill.bundles import export_student
from edgevla.distill.check import check, won
from edgevla.distill.sentences import vocabulary
from edgevla.distill.student import BATCH, RATE, Student, student_loss
from edgevla.distill.train import train
from edgevla.distill.work import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
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
    seeds: Iterable[int],
    steps: int,
    instructions: tuple[str, ...],
    wrist: bool = False,
    episodes: int,
    robot: Path,
    workers: int,
    progress: Progress,
) -> Mapping[str, Mapping[int, Mapping[str, int]]]:
    """Train and check each arm with each seed; {"successes", "episodes"} by arm and seed.

    Args:
        wrist: whether the students look through the second camera too.
        episodes: for each instruction.
        work: checkpoints, bundles and results; what is there is not done again.
    """
    work.mkdir(parents=True, exist_ok=True)
    found: dict[str, dict[int, Mapping[str, int]]] = {arm: {} for arm in ARMS}
    for arm in ARMS:
        batches = Batches(rows, statistics, labels.averaged() if arm == "distillation" else None, wrist=wrist)
        loss = partial(_loss, batches)
        for seed in seeds:
            name = f"{arm}-{seed}"
            result = work / f"{name}.json"
            if result.exists():
                found[arm][seed] = read_json(result)
                continue
            torch.manual_seed(seed)
            student, _ = train(
                Student(len(vocabulary()), wrist=wrist),
                loss,
                work / f"{name}.pt",
                steps=steps,
                rate=RATE,
                seed=seed,
                progress=progress,
            )
            export_student(work / name, name, student, statistics, instructions)
            results = check(
                work / name,
                robot=robot,
                instructions=instructions,
                episodes=episodes,
                seed=seed,
                workers=workers,
                progress=progress,
            )
            successes, tried = won(results, instructions)
            found[arm][seed] = {"successes": successes, "episodes": tried}
            write_json(result, found[arm][seed])
    return found


def _loss(batches: Batches, student: Student, rng: np.random.Generator) -> torch.Tensor:
    return student_loss(student, batches.draw(BATCH, rng), batches.row_weight)
