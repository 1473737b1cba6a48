"""The nine instructions of the tabletop and the judge that watches one being carried out.

Left and right are as the front camera's picture shows them: left is -y of the world, right is +y.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from edgevla.errors import EdgeVLAError
from edgevla.sim.world import COLOURS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgevla.sim.world import World

Verb = Literal["touch", "push"]
Direction = Literal["", "left", "right"]

TOUCH_GAP_M = 0.003  # nearer than this is a touch
OTHER_TOUCH_GAP_M = 0.0005
CLEAR_GAP_M = 0.008  # a block touched at the start counts again once the jaws have been this far away
PUSH_M = 0.040
PUSH_SIDEWAYS = 0.6  # sideways share of a push that still counts as mostly along it
PUSH_LOST_M = 0.080  # displaced this far without success: pushed somewhere else
OTHER_MOVED_M = 0.020


class TaskError(EdgeVLAError):
    """A sentence that names no task of the tabletop."""


@dataclass(frozen=True, slots=True)
class Task:
    """One instruction: which verb, which block, which way."""

    verb: Verb
    colour: str
    direction: Direction = ""

    @property
    def sentence(self) -> str:
        """The instruction in words."""
        return f"{self.verb} the {self.colour} block {self.direction}".strip()

    @property
    def sign(self) -> int:
        """+1 when the push goes towards +y (right in the front picture), -1 towards -y, 0 for a touch."""
        return {"": 0, "left": -1, "right": 1}[self.direction]

    @classmethod
    def parse(cls, sentence: str) -> Task:
        """Read one of `INSTRUCTIONS`, whatever its case and spacing.

        Raises:
            TaskError: any other sentence.
        """
        words = " ".join(sentence.lower().strip(" .!").split())
        task = TASKS.get(words)
        if task is None:
            raise TaskError(f"task: {sentence!r} is not a task of the tabletop", fix=f"use one of {list(TASKS)}")
        return task


def _all_tasks() -> dict[str, Task]:
    tasks = [Task("touch", colour) for colour in COLOURS]
    tasks += [
        Task("push", colour, cast("Direction", direction)) for colour in COLOURS for direction in ("left", "right")
    ]
    return {task.sentence: task for task in tasks}


TASKS = _all_tasks()
INSTRUCTIONS = tuple(TASKS)


class Judge:
    """Watches a world from now on; `success` and `failed` latch, and at most one of them.

    touch: a jaw within 3 mm of the named block, before any other block was touched or moved by 2 cm.
    push: the named block displaced by 4 cm that way, mostly along it, before any other block moved by 2 cm.
    Call `update` at 50 Hz or more.
    """

    def __init__(self, world: World, task: Task) -> None:
        self.task = task
        self.success = False
        self.failed = False
        self._world = world
        self._start = world.block_positions()
        self._held = {name for name, gap in world.jaw_gaps_m().items() if gap < CLEAR_GAP_M and name != task.colour}

    def update(self) -> None:
        """Look once; nothing changes after the verdict."""
        if self.success or self.failed:
            return
        moved = {name: at - self._start[name] for name, at in self._world.block_positions().items()}
        if any(np.linalg.norm(by) > OTHER_MOVED_M for name, by in moved.items() if name != self.task.colour):
            self.failed = True
        elif self.task.verb == "touch":
            self._judge_touch()
        else:
            self._judge_push(moved[self.task.colour])

    def _judge_touch(self) -> None:
        gaps = self._world.jaw_gaps_m()
        self._held = {name for name in self._held if gaps[name] < CLEAR_GAP_M}
        wrong = [
            n for n, gap in gaps.items() if gap < OTHER_TOUCH_GAP_M and n != self.task.colour and n not in self._held
        ]
        if wrong:
            self.failed = True
        else:
            self.success = gaps[self.task.colour] < TOUCH_GAP_M

    def _judge_push(self, moved: NDArray[np.float64]) -> None:
        along_m = self.task.sign * float(moved[1])
        sideways_m = abs(float(moved[0]))
        if along_m >= PUSH_M and sideways_m <= PUSH_SIDEWAYS * along_m:
            self.success = True
        elif np.hypot(along_m, sideways_m) > PUSH_LOST_M:
            self.failed = True
