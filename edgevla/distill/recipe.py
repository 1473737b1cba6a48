"""The recipe, stage by stage: demonstrations, teacher, student. `release.py` puts the families on top.

Every stage leaves what it made in the work folder and finds it there the next time, so an interrupted run goes on where
it was. Each stage first sees to those it needs.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import torch

from edgevla.config.policy_checks import MANIFEST
from edgevla.distill import student as students
from edgevla.distill import teacher as teachers
from edgevla.distill.batches import Batches, Statistics
from edgevla.distill.bundles import export_student, export_teacher
from edgevla.distill.demonstrations import collect
from edgevla.distill.qat import round_layers, unround_layers
from edgevla.distill.relabel import label
from edgevla.distill.sentences import vocabulary
from edgevla.distill.store import gather
from edgevla.distill.train import load_averaged, train
from edgevla.distill.work import claim, noted
from edgevla.files import sha256

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from rich.progress import Progress

    from edgevla.distill.labels import Labels
    from edgevla.distill.plan import Plan
    from edgevla.distill.store import Rows

REGRESSION = "regression"  # the student itself, as a family
_VERSION = 4  # of what the stages compute: raised when a checkpoint from before must not be gone on with
_ROUNDED_RATE = 2e-4


class Recipe:
    """The stages, each of which returns what the next one takes.

    Attributes:
        work: everything that is kept, in a folder for each seed.
        own: what depends on `qat`, in it.

    Args:
        seed: of everything that is drawn.
        robot: the robot.yaml whose envelope shapes the motion.
        workers: processes that collect.
        threads: threads that train.
        ray: address of a Ray cluster that collects instead.
        qat: end the student's training with INT8's rounding in it.

    Raises:
        WorkError: the work folder was begun with another plan, seed, robot or vocabulary.
    """

    def __init__(
        self,
        work: Path,
        plan: Plan,
        *,
        seed: int,
        robot: Path,
        workers: int,
        threads: int = 1,
        ray: str = "",
        qat: bool = False,
        progress: Progress,
    ) -> None:
        torch.set_num_threads(threads)
        self.work, self.plan, self.seed, self.robot = work / f"seed-{seed}", plan, seed, robot
        self.own = self.work / "rounded" if qat else self.work
        self.workers, self._ray, self._qat, self.progress = workers, ray, qat, progress
        words = " ".join(vocabulary())
        identity = {"version": _VERSION, "seed": seed, **asdict(plan), "robot": sha256(robot), "words": words}
        claim(self.work, identity)
        self.own.mkdir(exist_ok=True)

    def demonstrations(self) -> tuple[Path, ...]:
        """The expert's episodes, as shards."""
        return self._collect("demonstrations", self.plan.episodes, self.seed, None)

    def statistics(self) -> Statistics:
        """Of the demonstrations; everything that is trained shares them."""
        path = self.work / "statistics.npz"
        if not path.exists():
            Statistics.of(gather(self.demonstrations(), self.work)).save(path)
        return Statistics.load(path)

    def teacher(self) -> teachers.Teacher:
        """Trained on the expert's plans; also left as a bundle in the work folder."""
        rows, statistics = gather(self.demonstrations(), self.work), self.statistics()
        batches = Batches(rows, statistics, wrist=True)

        def loss(network: teachers.Teacher, rng: np.random.Generator) -> torch.Tensor:
            return teachers.teacher_loss(network, batches.draw(teachers.BATCH, rng), batches.row_weight)

        torch.manual_seed(self.seed)
        teacher = teachers.Teacher(len(vocabulary()))
        folder = self.work / "teacher"
        with noted(self.work, "teacher") as note:
            teacher, note["loss"] = train(
                teacher,
                loss,
                self.work / "teacher.pt",
                steps=self.plan.teacher_steps,
                rate=teachers.RATE,
                seed=self.seed,
                progress=self.progress,
            )
            if not (folder / MANIFEST).exists():
                note["difference"] = export_teacher(folder, teacher, statistics, self.plan.instructions)
        return teacher

    def student(self) -> tuple[students.Student, Rows, Labels]:
        """Trained on the teacher's plans; then, in rounds, it drives, the expert corrects, it learns from everything.

        Where a student strays to, the teacher has never been: its plans there were measured to be 0.05 rad off, those
        on the demonstrations 0.014. So the plans are the expert's there, and only the feature is the teacher's.
        """
        teacher, shards = self.teacher(), self.demonstrations()
        rows, labels = self.labelled("demonstrations", shards, teacher)
        student = self._trained(_after(0), rows, labels, self.plan.student_steps)
        for done, episodes in enumerate(self.plan.corrected, 1):
            before, name = _after(done - 1), _corrections(done)
            if not (self.work / before / MANIFEST).exists():
                export_student(self.work / before, REGRESSION, student, self.statistics(), self.plan.instructions)
            more = self._collect(name, episodes, self.seed + done, self.work / before)
            strayed, seen = self.labelled(name, more, teacher)
            shards, labels = (*shards, *more), labels.followed_by(seen.corrected(strayed.plan_rad))
            rows = gather(shards, self.work)
            student = self._trained(_after(done), rows, labels, self.plan.last_steps, start=before)
        if self._qat:
            start, steps = _after(len(self.plan.corrected)), self.plan.rounded_steps
            student = self._trained("student-rounded", rows, labels, steps, start=start, rounded=True)
        return student, rows, labels

    @property
    def stages(self) -> list[str]:
        """What came before the families: each has left its note."""
        rounds = range(1, len(self.plan.corrected) + 1)
        both = [stage for done in rounds for stage in (_corrections(done), _after(done))]
        return ["demonstrations", "teacher", _after(0), *both, *(["student-rounded"] if self._qat else [])]

    def labelled(self, name: str, shards: tuple[Path, ...], teacher: teachers.Teacher) -> tuple[Rows, Labels]:
        """The rows of some shards, and what the teacher says about each."""
        rows = gather(shards, self.work)
        folder = self.work / f"labels-{name}"
        return rows, label(teacher, self.statistics(), rows, folder, seed=self.seed, progress=self.progress)

    def _trained(
        self, name: str, rows: Rows, labels: Labels, steps: int, *, start: str = "", rounded: bool = False
    ) -> students.Student:
        batches = Batches(rows, self.statistics(), labels.averaged(), wrist=self.plan.wrist)

        def loss(network: students.Student, rng: np.random.Generator) -> torch.Tensor:
            return students.student_loss(network, batches.draw(students.BATCH, rng), batches.row_weight)

        torch.manual_seed(self.seed)
        student = students.Student(len(vocabulary()), wrist=self.plan.wrist)
        if start:
            load_averaged(student, self.work / f"{start}.pt")
        with noted(self.work, name) as note:
            student, note["loss"] = train(
                round_layers(student) if rounded else student,
                loss,
                self.work / f"{name}.pt",
                steps=steps,
                rate=_ROUNDED_RATE if rounded else students.RATE,
                seed=self.seed,
                progress=self.progress,
            )
        return unround_layers(student) if rounded else student

    def _collect(self, name: str, episodes: int, seed: int, driver: Path | None) -> tuple[Path, ...]:
        with noted(self.work, name):
            return collect(
                self.work / name,
                episodes,
                instructions=self.plan.instructions,
                robot=self.robot,
                seed=seed,
                driver=driver,
                workers=self.workers,
                ray=self._ray,
                progress=self.progress,
            )


def _after(rounds: int) -> str:
    """Name the student after so many rounds of corrections."""
    return f"student-{rounds}"


def _corrections(done: int) -> str:
    """Name the corrections of a round, counted from 1."""
    return f"corrections-{done}"
