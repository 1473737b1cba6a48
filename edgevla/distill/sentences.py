"""The words the student learns: every task in a few ways of saying it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgevla.sim.tasks import TASKS

if TYPE_CHECKING:
    from edgevla.sim.tasks import Task

LENGTH = 8  # tokens, padded
PADDING = "<pad>"

_TOUCH = ("touch the {c} block", "reach the {c} block", "tap the {c} block", "touch {c}")
_PUSH = (
    "push the {c} block {d}",
    "push the {c} block to the {d}",
    "move the {c} block {d}",
    "move the {c} block to the {d}",
    "shove the {c} block {d}",
    "shove the {c} block to the {d}",
    "push {c} {d}",
)


def paraphrases(task: Task) -> tuple[str, ...]:
    """Ways to say the task; the first is `task.sentence`."""
    return tuple(form.format(c=task.colour, d=task.direction) for form in (_TOUCH if task.verb == "touch" else _PUSH))


def vocabulary() -> tuple[str, ...]:
    """Every word, the padding first; a word's place is its id."""
    words = {word for task in TASKS.values() for sentence in paraphrases(task) for word in sentence.split()}
    return (PADDING, *sorted(words))
