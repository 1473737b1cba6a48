"""The whole recipe, stage by stage: demonstrations, teacher, student, one head for each family.

Every stage leaves what it made in the work folder and finds it there the next time, so an interrupted run goes on where
it was. Each stage first sees to those it needs.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch

from edgevla.distill import student as students
from edgevla.distill import teacher as teachers
from edgevla.distill.batches import Batches, Statistics
from edgevla.distill.bundles import export_family, export_student, export_teacher, readme
from edgevla.distill.demonstrations import collect
from edgevla.distill.families import HEADS
from edgevla.distill.features import look
from edgevla.distill.int8 import observe, quantise_bundle
from edgevla.distill.qat import round_layers, unround_layers
from edgevla.distill.relabel import label
from edgevla.distill.sentences import vocabulary
from edgevla.distill.store import gather
from edgevla.distill.train import load_averaged, train

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from rich.progress import Progress

    from edgevla.distill.labels import Labels
    from edgevla.distill.store import Rows

    Network = students.Student | teachers.Teacher

REGRESSION = "regression"  # the student itself, as a family
FAMILIES = (REGRESSION, *HEADS)
_HEAD_RATE = 1e-3
_ROUNDED_RATE = 2e-4
_OBSERVATIONS = 384  # in each of the two sets that INT8 is made with
_SEARCHED_ON = 192


@dataclass(frozen=True)
class Plan:
    """How much of everything."""

    episodes: int = 2200
    corrected: int = 300  # episodes that the student drives while the expert says what it should have done
    teacher_steps: int = 6000
    student_steps: int = 5000
    last_steps: int = 3000
    rounded_steps: int = 800  # of training with INT8's rounding in it, where that is asked for
    head_steps: int = 3000


class Recipe:
    """The stages, each of which returns what the next one takes.

    Args:
        work: everything that is kept, in a folder for each seed.
        seed: of everything that is drawn.
        robot: the robot.yaml whose envelope shapes the motion.
        workers: processes that collect.
        threads: threads that train.
        ray: address of a Ray cluster that collects instead.
        qat: end the student's training with INT8's rounding in it.
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
        self._workers, self._ray, self._qat, self._progress = workers, ray, qat, progress

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
        with self._noted("teacher") as note:
            teacher, note["loss"] = train(
                teacher,
                loss,
                self.work / "teacher.pt",
                steps=self.plan.teacher_steps,
                rate=teachers.RATE,
                seed=self.seed,
                progress=self._progress,
            )
            note["difference"] = export_teacher(self.work / "teacher", teacher, statistics)
        return teacher

    def student(self) -> tuple[students.Student, Rows, Labels]:
        """Trained on the teacher's plans; then it drives, the expert corrects, and it learns from both.

        Where a student strays to, the teacher has never been: its plans there were measured to be 0.05 rad off, those
        on the demonstrations 0.014. So the plans are the expert's there, and only the feature is the teacher's.
        """
        teacher, shards = self.teacher(), self.demonstrations()
        rows, labels = self._labelled("demonstrations", shards, teacher)
        student = self._trained("student-0", rows, labels, self.plan.student_steps)
        driver = self.work / "student-0"
        if not driver.exists():
            export_student(driver, REGRESSION, student, self.statistics())
        more = self._collect("corrections", self.plan.corrected, self.seed + 1, driver)
        strayed, seen = self._labelled("corrections", more, teacher)
        rows, labels = gather((*shards, *more), self.work), labels.followed_by(seen.corrected(strayed.plan_rad))
        student = self._trained("student-1", rows, labels, self.plan.last_steps, start="student-0")
        if self._qat:
            steps = self.plan.rounded_steps
            student = self._trained("student-rounded", rows, labels, steps, start="student-1", rounded=True)
        return student, rows, labels

    def bundle(self, name: str, out: Path) -> Path:
        """A family on the student's encoder, as a bundle with its INT8 variant and log.json, how it came about."""
        student, rows, labels = self.student()
        with self._noted(name) as note:
            if name == REGRESSION:
                note["difference"] = export_student(out, name, student, self.statistics())
            else:
                self._head(name, out, student, rows, labels, note)
            bundle = out.name
            sets = [
                observe(out, rows, count=_OBSERVATIONS, seed=seed, folder=self.work / f"observations-{seed}")
                for seed in (self.seed, self.seed + 1)
            ]
            (made,) = quantise_bundle(out, ["int8"], *sets, search_on=_SEARCHED_ON, progress=self._progress)
            note["int8"] = {"bundle": bundle, "worst_rad": made.held_out.worst_rad, "mean_rad": made.held_out.mean_rad}
        self._log(name, out, len(rows))
        return out

    def _head(
        self, name: str, out: Path, student: students.Student, rows: Rows, labels: Labels, note: dict[str, Any]
    ) -> None:
        statistics = self.statistics()
        batches = Batches(rows, statistics, labels)
        kept = self.work / "features.npz"
        features = look(student.encoder, batches, rows, kept, seed=self.seed, progress=self._progress)
        family = HEADS[name](features, statistics)
        torch.manual_seed(self.seed)
        head, note["loss"] = train(
            family.head(),
            lambda network, rng: family.loss(network, features, rng),
            self.work / f"{name}.pt",
            steps=self.plan.head_steps,
            rate=_HEAD_RATE,
            seed=self.seed,
            progress=self._progress,
        )
        note["difference"] = export_family(out, name, family, student.encoder, head, statistics)

    def _trained(
        self, name: str, rows: Rows, labels: Labels, steps: int, *, start: str = "", rounded: bool = False
    ) -> students.Student:
        batches = Batches(rows, self.statistics(), labels.averaged())

        def loss(network: students.Student, rng: np.random.Generator) -> torch.Tensor:
            return students.student_loss(network, batches.draw(students.BATCH, rng), batches.row_weight)

        torch.manual_seed(self.seed)
        student = students.Student(len(vocabulary()))
        if start:
            load_averaged(student, self.work / f"{start}.pt")
        with self._noted(name) as note:
            student, note["loss"] = train(
                round_layers(student) if rounded else student,
                loss,
                self.work / f"{name}.pt",
                steps=steps,
                rate=_ROUNDED_RATE if rounded else students.RATE,
                seed=self.seed,
                progress=self._progress,
            )
        return unround_layers(student) if rounded else student

    def _labelled(self, name: str, shards: tuple[Path, ...], teacher: teachers.Teacher) -> tuple[Rows, Labels]:
        rows = gather(shards, self.work)
        folder = self.work / f"labels-{name}"
        return rows, label(teacher, self.statistics(), rows, folder, seed=self.seed, progress=self._progress)

    def _collect(self, name: str, episodes: int, seed: int, driver: Path | None) -> tuple[Path, ...]:
        with self._noted(name):
            return collect(
                self.work / name,
                episodes,
                robot=self.robot,
                seed=seed,
                driver=driver,
                workers=self._workers,
                ray=self._ray,
                progress=self._progress,
            )

    @contextmanager
    def _noted(self, stage: str) -> Iterator[dict[str, Any]]:
        """Keep what a stage notes, and the minutes it took; a stage that was interrupted counts all its parts."""
        path = self.work / f"{stage}.json"
        note = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"minutes": 0.0}
        began_s = time.monotonic()
        try:
            yield note
        finally:
            note["minutes"] = round(note["minutes"] + (time.monotonic() - began_s) / 60.0, 2)
            self.work.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")

    def _log(self, name: str, out: Path, rows: int) -> None:
        stages = {}
        for stage in ("demonstrations", "teacher", "student-0", "corrections", "student-1", name):
            stages[stage] = json.loads((self.work / f"{stage}.json").read_text(encoding="utf-8"))
        content = {"name": name, "seed": self.seed, "rows": rows, "plan": asdict(self.plan), "stages": stages}
        (out / "log.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        (out / "README.md").write_text(readme(out), encoding="utf-8")
