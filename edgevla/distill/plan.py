"""How much of everything the recipe makes, for each suite of the tabletop."""

from __future__ import annotations

from dataclasses import dataclass

from edgevla.sim.tasks import EXTENDED, INSTRUCTIONS


@dataclass(frozen=True)
class Plan:
    """All that decides, with a seed and a robot, what networks come out."""

    instructions: tuple[str, ...] = INSTRUCTIONS
    wrist: bool = False  # whether students look through the wrist camera too; the teacher always does
    episodes: int = 1000
    corrected: tuple[int, ...] = (300,)  # episodes, round by round: the student drives, the expert says what to do
    teacher_steps: int = 6000
    student_steps: int = 5000
    last_steps: int = 3000  # of the student after each round
    rounded_steps: int = 800  # of training with INT8's rounding in it, where that is asked for
    head_steps: int = 3000


# A hand that is to close around a block has to see it between the jaws: those tasks take the second camera.
PLANS = {
    "so101-tabletop": Plan(),
    "so101-tabletop-extended": Plan(
        instructions=EXTENDED,
        wrist=True,
        episodes=2500,
        corrected=(250, 500, 600),
        teacher_steps=10000,
        last_steps=6000,
    ),
}
