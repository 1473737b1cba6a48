"""One episode of an evaluation: all that decides it, the worker that plays it in lockstep, and how it ended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgevla.config.load import load_robot
from edgevla.evaluate.planners import ablated, expert, told
from edgevla.policy.loading import load_policy
from edgevla.runtime.lockstep import LATENCY_S, run_episode
from edgevla.runtime.wiring import arm_model, open_workspace
from edgevla.sim.look import look_for
from edgevla.sim.sentences import held_out_paraphrases
from edgevla.sim.tasks import EXTENDED, INSTRUCTIONS, Task
from edgevla.sim.world import World

if TYPE_CHECKING:
    from edgevla.policy.policy import Policy

TABLETOP = "so101-tabletop"
SUITES = {TABLETOP: INSTRUCTIONS, f"{TABLETOP}-extended": EXTENDED}  # all on the robot and table of TABLETOP
LIMIT_S = 12.0  # simulated seconds for one episode; a task that takes longer has its own limit
NOMINAL = "nominal"  # the condition that changes nothing
PARAPHRASE = "paraphrase"  # the condition that changes the words instead of the picture

_SEEDS_APART = 1_000_003


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All that decides the outcome of an evaluation.

    Episode `i` has the same task and the same world in all that share `suite` and `seed`, and under one condition it
    looks the same too: what differs between two of them differs by what is evaluated.
    """

    suite: str  # of SUITES
    robot: str  # robot.yaml
    bundle: str
    variant: str
    planner: str  # "policy" or "expert"
    ablation: str
    episodes: int
    seed: int
    condition: str = NOMINAL  # of edgevla.sim.look.CONDITIONS
    content: str = ""  # of the policy and the robot: what an interrupted evaluation may go on with


class Episode(msgspec.Struct, frozen=True, kw_only=True):
    """One episode's outcome. `limited`, `blocked` and `held` count the ticks at which the bounds stepped in."""

    index: int
    instruction: str
    success: bool
    ended: str
    duration_s: float
    limited: int
    blocked: int
    held: int


def play(job: tuple[Settings, int]) -> Episode:
    """Play one episode: what an evaluation spreads over processes and machines.

    Args:
        job: settings, and the number of the episode.

    Raises:
        EdgeVLAError: the policy or the robot cannot be loaded.
    """
    global _player  # noqa: PLW0603 - a worker process has no other place to leave something for its next job
    settings, index = job
    if _player is None or _player.settings != settings:
        world = World() if _player is None else _player.world
        if _player is not None:
            _player.close()
        _player = _Player(settings, world)
    return _player.run(index)


class _Player:
    """What a worker keeps between episodes: loading takes longer than an episode."""

    def __init__(self, settings: Settings, world: World) -> None:
        path = Path(settings.robot)
        self.settings, self.world = settings, world
        self._robot = load_robot(path)
        self._workspace = open_workspace(path, self._robot)
        self._policy: Policy | None = None
        if settings.planner == "policy":
            self._policy = load_policy(
                Path(settings.bundle),
                settings.variant,
                self._robot,
                model=arm_model(path, self._robot),
                clock=lambda: world.t_s + LATENCY_S,  # chunks take as long here as `run_episode` lets them
            )

    def run(self, index: int) -> Episode:
        settings, world = self.settings, self.world
        instructions = SUITES[settings.suite]
        task = Task.parse(instructions[index % len(instructions)])
        seed = settings.seed * _SEEDS_APART + index
        world.reset(seed)
        world.apply(look_for(settings.condition, seed))
        if self._policy is None:
            act = expert(world, task)
        else:
            self._policy.reset()
            act = ablated(self._policy, settings.ablation)
        if settings.condition == PARAPHRASE:
            sentences = held_out_paraphrases(task)
            act = told(act, sentences[index // len(instructions) % len(sentences)])
        result = run_episode(
            self._robot,
            world,
            act,
            task,
            limit_s=max(LIMIT_S, task.limit_s),
            see=self._policy is not None,
            workspace=self._workspace,
        )
        return Episode(
            index=index,
            instruction=task.sentence,
            success=result.success,
            ended=result.ended,
            duration_s=result.duration_s,
            limited=result.bounds.limited,
            blocked=result.bounds.blocked,
            held=result.bounds.held,
        )

    def close(self) -> None:
        if self._policy is not None:
            self._policy.engine.close()


_player: _Player | None = None
