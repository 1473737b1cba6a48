"""Every task in a few ways of saying it: those a policy is taught, and others that it never read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgevla.sim.tasks import TASKS

if TYPE_CHECKING:
    from edgevla.sim.tasks import Task

LENGTH = 12  # tokens, padded
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
_GRASP = (
    "grasp the {c} block",
    "grab the {c} block",
    "pick up the {c} block",
    "lift the {c} block",
    "grasp {c}",
)
_PUT_ON_SIDE = (
    "put the {c} block on the {d} side",
    "place the {c} block on the {d} side",
    "bring the {c} block to the {d} side",
    "pick up the {c} block and put it on the {d} side",
    "put {c} on the {d} side",
)
_PUT_ON_BLOCK = (
    "put the {c} block on the {o} block",
    "place the {c} block on the {o} block",
    "put the {c} block on top of the {o} block",
    "stack the {c} block on the {o} block",
    "put {c} on {o}",
)
_HELD_OUT = {
    _TOUCH: ("reach {c}", "tap {c}"),
    _PUSH: ("shove {c} {d}", "move {c} to the {d}"),
    _GRASP: ("pick up {c}", "grab {c}"),
    _PUT_ON_SIDE: ("bring {c} to the {d} side", "place {c} on the {d} side"),
    _PUT_ON_BLOCK: ("stack {c} on {o}", "place the {c} block on top of the {o} block"),
}


def paraphrases(task: Task) -> tuple[str, ...]:
    """Ways to say the task that training uses; the first is `task.sentence`."""
    return _said(task, _forms(task))


def held_out_paraphrases(task: Task) -> tuple[str, ...]:
    """Ways to say the task that training never uses, in words that it does: for the `paraphrase` condition."""
    return _said(task, _HELD_OUT[_forms(task)])


def vocabulary() -> tuple[str, ...]:
    """Every word, the padding first; a word's place is its id."""
    words = {word for task in TASKS.values() for sentence in paraphrases(task) for word in sentence.split()}
    return (PADDING, *sorted(words))


def _forms(task: Task) -> tuple[str, ...]:
    if task.verb == "put":
        return _PUT_ON_BLOCK if task.other else _PUT_ON_SIDE
    return {"touch": _TOUCH, "push": _PUSH, "grasp": _GRASP}[task.verb]


def _said(task: Task, forms: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(form.format(c=task.colour, d=task.direction, o=task.other) for form in forms)
