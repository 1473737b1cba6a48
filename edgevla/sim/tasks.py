"""The instructions of the tabletop and the judge that watches one being carried out.

Left and right are as the front camera's picture shows them: left is -y of the world, right is +y.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from edgevla.errors import EdgeVLAError
from edgevla.sim.world import BLOCK_M, COLOURS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgevla.sim.world import World

Verb = Literal["touch", "push", "grasp", "put"]
Direction = Literal["", "left", "right"]

TOUCH_GAP_M = 0.003  # nearer than this is a touch
OTHER_TOUCH_GAP_M = 0.0005
CLEAR_GAP_M = 0.008  # a block touched at the start counts again once the jaws have been this far away
PUSH_M = 0.040
PUSH_SIDEWAYS = 0.6  # sideways share of a push that still counts as mostly along it
PUSH_LOST_M = 0.080  # displaced this far without success: pushed somewhere else
OTHER_MOVED_M = 0.020
LIFTED_M = 0.030  # a block is clear of the table when it is up by its own height
HELD_S = 0.5
CARRIED_M = 0.010  # a block that was never up by this much was pushed, not put
SIDE_M = 0.150  # beyond it begins a side of the table: outside of where blocks are laid out
ON_TOP_M = 0.015  # between the centres of two blocks, seen from above: more than half of it is supported
RESTING_Z_M = 0.004  # a block this near to the height at which it rests lies flat
REST_S = 0.3
REST_M = 0.001  # a block that moved less than this in `REST_S` is at rest


class TaskError(EdgeVLAError):
    """A sentence that names no task of the tabletop."""


@dataclass(frozen=True, slots=True)
class Task:
    """One instruction: which verb, which block, which way or onto which other block."""

    verb: Verb
    colour: str
    direction: Direction = ""
    other: str = ""

    @property
    def sentence(self) -> str:
        """The instruction in words."""
        where = f"on the {self.other} block" if self.other else self.direction
        if self.verb == "put" and self.direction:
            where = f"on the {self.direction} side"
        return f"{self.verb} the {self.colour} block {where}".strip()

    @property
    def sign(self) -> int:
        """+1 when it goes towards +y (right in the front picture), -1 towards -y, 0 without a direction."""
        return {"": 0, "left": -1, "right": 1}[self.direction]

    @property
    def carries(self) -> bool:
        """Whether the gripper is needed."""
        return self.verb in {"grasp", "put"}

    @property
    def limit_s(self) -> float:
        """How long it may take; a good plan needs a third of it."""
        return {"touch": 10.0, "push": 10.0, "grasp": 14.0, "put": 20.0}[self.verb]

    @classmethod
    def parse(cls, sentence: str) -> Task:
        """Read one of `EXTENDED`, whatever its case and spacing.

        Raises:
            TaskError: any other sentence.
        """
        words = " ".join(sentence.lower().strip(" .!").split())
        task = TASKS.get(words)
        if task is None:
            raise TaskError(f"task: {sentence!r} is not a task of the tabletop", fix=f"use one of {list(TASKS)}")
        return task


def _all_tasks() -> dict[str, Task]:
    ways = [cast("Direction", direction) for direction in ("left", "right")]
    tasks = [Task("touch", colour) for colour in COLOURS]
    tasks += [Task("push", colour, way) for colour in COLOURS for way in ways]
    tasks += [Task("grasp", colour) for colour in COLOURS]
    tasks += [Task("put", colour, way) for colour in COLOURS for way in ways]
    tasks += [Task("put", colour, other=other) for colour in COLOURS for other in COLOURS if other != colour]
    return {task.sentence: task for task in tasks}


TASKS = _all_tasks()
EXTENDED = tuple(TASKS)
INSTRUCTIONS = tuple(sentence for sentence, task in TASKS.items() if not task.carries)


class Judge:
    """Watches a world from now on; `success` and `failed` latch, and at most one of them.

    touch: a jaw within 3 mm of the named block, before any other block was touched or moved by 2 cm.
    push: the named block displaced by 4 cm that way, mostly along it, before any other block moved by 2 cm.
    grasp: the named block up by 3 cm, its own height, between both jaws, for half a second.
    put on a side: the named block was lifted, lies flat beyond 15 cm from the table's middle line, and rests there
    with the jaws off it. put on a block: the same, on top of it, centres less than 1.5 cm apart. For both, and for a
    grasp, no other block may have moved by 2 cm.
    Call `update` at 50 Hz or more.
    """

    def __init__(self, world: World, task: Task) -> None:
        self.task = task
        self.success = False
        self.failed = False
        self._world = world
        self._start = world.block_positions()
        self._held = {name for name, gap in world.jaw_gaps_m().items() if gap < CLEAR_GAP_M and name != task.colour}
        self._carried = False
        self._rested_at: NDArray[np.float64] = self._start[task.colour]
        self._since_s: float | None = None  # when what has to last began

    def update(self) -> None:
        """Look once; nothing changes after the verdict."""
        if self.success or self.failed:
            return
        at = self._world.block_positions()
        moved = {name: place - self._start[name] for name, place in at.items()}
        if any(np.linalg.norm(by) > OTHER_MOVED_M for name, by in moved.items() if name != self.task.colour):
            self.failed = True
        elif self.task.verb == "touch":
            self._judge_touch()
        elif self.task.verb == "push":
            self._judge_push(moved[self.task.colour])
        elif self.task.verb == "grasp":
            up = at[self.task.colour][2] - 0.5 * BLOCK_M > LIFTED_M
            self.success = self._lasts(up and self.task.colour in self._world.held_blocks(), HELD_S)
        else:
            self._judge_put(at)

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

    def _judge_put(self, at: dict[str, NDArray[np.float64]]) -> None:
        block = at[self.task.colour]
        self._carried = self._carried or bool(block[2] - 0.5 * BLOCK_M > CARRIED_M)
        if np.linalg.norm(block - self._rested_at) > REST_M:
            self._rested_at, self._since_s = block, None
        free = self._world.jaw_gaps_m()[self.task.colour] > TOUCH_GAP_M
        self.success = self._lasts(self._carried and free and self._lies_there(block, at), REST_S)

    def _lies_there(self, block: NDArray[np.float64], at: dict[str, NDArray[np.float64]]) -> bool:
        if self.task.other:
            off = block - at[self.task.other]
            return bool(np.hypot(off[0], off[1]) < ON_TOP_M and abs(off[2] - BLOCK_M) < RESTING_Z_M)
        return bool(self.task.sign * block[1] > SIDE_M and abs(block[2] - 0.5 * BLOCK_M) < RESTING_Z_M)

    def _lasts(self, so: bool, seconds: float) -> bool:
        """Whether it has been so without a break for that long."""
        if not so:
            self._since_s = None
            return False
        now_s = self._world.t_s
        if self._since_s is None:
            self._since_s = now_s
        return now_s - self._since_s >= seconds
