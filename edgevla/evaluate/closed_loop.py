"""Closed-loop evaluation: seeded episodes, spread over processes or machines, resumable, counted with intervals."""

from __future__ import annotations

import hashlib
import math
import os
from typing import TYPE_CHECKING, Any

import msgspec

from edgevla.evaluate.episodes import SUITES, play
from edgevla.evaluate.journal import Journal
from edgevla.spread import spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from edgevla.evaluate.episodes import Episode, Settings


def content_of(*paths: Path) -> str:
    """A hash over files; policy.yaml has the hashes of all that belongs to a bundle."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def evaluate(
    cells: Sequence[Settings],
    *,
    workers: int,
    ray: str = "",
    done: Path | None = None,
    progress: Callable[[Episode], None],
) -> list[list[Episode]]:
    """Play all episodes of all cells, and return those of each cell in order.

    Args:
        workers: processes on this machine; see `edgevla.spread`, as for `ray`.
        done: finished episodes are noted here and not played again by the next call with the same settings.
        progress: called after every episode, old ones first.

    Raises:
        EdgeVLAError: a policy cannot be loaded, or (SpreadFailed) the cluster cannot be reached.
    """
    journal = Journal(done)
    played = {cell: journal.finished(cell) for cell in cells}
    for episode in (episode for episodes in played.values() for episode in episodes):
        progress(episode)
    missing = [
        (cell, index)
        for cell, episodes in played.items()
        for index in sorted(set(range(cell.episodes)) - {episode.index for episode in episodes})
    ]
    # One BLAS and OpenGL thread each: two workers on two cores must not share them among four threads.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for (cell, _), episode in spread(play, missing, workers=workers, ray=ray):
        played[cell].append(episode)
        journal.add(cell, episode)
        progress(episode)
    return [sorted(played[cell], key=lambda episode: episode.index) for cell in cells]


def summary(settings: Settings, episodes: list[Episode]) -> dict[str, Any]:
    """The `results` of an eval report."""
    per_instruction = {
        sentence: rate([episode for episode in episodes if episode.instruction == sentence])
        for sentence in SUITES[settings.suite]
    }
    return {
        **rate(episodes),
        "settings": msgspec.to_builtins(settings),
        "per_instruction": per_instruction,
        "bounds": {
            name: sum(getattr(episode, name) for episode in episodes) for name in ("limited", "blocked", "held")
        },
        "ended": _count(episode.ended for episode in episodes),
    }


def wilson(successes: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """The Wilson score interval of a proportion; (0, 1) without trials. Wilson (1927), JASA 22, 209-212."""
    if trials == 0:
        return 0.0, 1.0
    share = successes / trials
    scale = 1.0 + z * z / trials
    centre = (share + z * z / (2.0 * trials)) / scale
    half = z / scale * math.sqrt(share * (1.0 - share) / trials + z * z / (4.0 * trials * trials))
    return max(0.0, centre - half), min(1.0, centre + half)


def rate(episodes: Sequence[Episode]) -> dict[str, Any]:
    """How many succeeded, with the interval: `success_rate`, `successes`, `episodes`, `ci95`."""
    successes = sum(episode.success for episode in episodes)
    trials = len(episodes)
    return {
        "success_rate": successes / trials if trials else None,
        "successes": successes,
        "episodes": trials,
        "ci95": [round(bound, 4) for bound in wilson(successes, trials)],
    }


def _count(words: Iterable[str]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for word in words:
        counted[word] = counted.get(word, 0) + 1
    return counted
