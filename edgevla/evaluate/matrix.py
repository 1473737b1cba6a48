"""Every bundle in every variant under every condition: what is compared, and the `results` of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from edgevla.bundle import load_manifest
from edgevla.errors import EdgeVLAError
from edgevla.evaluate.closed_loop import content_of, rate
from edgevla.evaluate.episodes import TABLETOP, Settings
from edgevla.shipped import shipped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from edgevla.evaluate.episodes import Episode

BOUNDS = ("limited", "held", "blocked")


class MatrixRefused(EdgeVLAError):
    """There is nothing to compare, or two things would have one name."""


@dataclass(frozen=True, slots=True)
class Row:
    """One bundle in one variant, called after the bundle's folder."""

    bundle: str
    family: str
    variant: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Rows:
    """What can be compared; `missing` names what was asked for and is not there."""

    rows: tuple[Row, ...]
    missing: tuple[str, ...]


class _Stage(msgspec.Struct, frozen=True):
    minutes: float


class _Log(msgspec.Struct, frozen=True):
    stages: dict[str, _Stage]


def default_bundles() -> tuple[Path, ...]:
    """The bundle that ships, and beside it one of each family."""
    best = shipped(TABLETOP)
    return (best, *(path.parent for path in sorted((best.parent / "families").glob("*/policy.yaml"))))


def rows_of(bundles: Sequence[Path], variants: Sequence[str]) -> Rows:
    """Each bundle in each variant that it has.

    Raises:
        BundleError: a folder holds no bundle.
        MatrixRefused: no bundle has any of the variants, or two folders have one name.
    """
    rows: list[Row] = []
    missing: list[str] = []
    places: dict[str, Path] = {}
    for folder in bundles:
        name = folder.resolve().name
        if name in places:
            raise MatrixRefused(
                f'two bundles are called "{name}": {places[name]} and {folder}', fix="rename one of the folders"
            )
        places[name] = folder
        manifest = load_manifest(folder).manifest
        for variant in variants:
            if variant in manifest.graphs:
                rows.append(Row(name, manifest.family, variant, folder))
            else:
                missing.append(f"{name} has no {variant}")
    if not rows:
        raise MatrixRefused(
            f"nothing to compare: {'; '.join(missing) or 'no bundle'}", fix="name others with --bundles and --variants"
        )
    return Rows(tuple(rows), tuple(missing))


def cell(row: Row, condition: str, *, suite: str, episodes: int, seed: int) -> Settings:
    """What one cell of the matrix evaluates."""
    robot = shipped(TABLETOP) / "robot.yaml"
    return Settings(
        suite=suite,
        robot=str(robot),
        bundle=str(row.folder),
        variant=row.variant,
        planner="policy",
        ablation="none",
        episodes=episodes,
        seed=seed,
        condition=condition,
        content=content_of(row.folder / "policy.yaml", robot),
    )


def cell_result(row: Row, condition: str, episodes: Sequence[Episode]) -> dict[str, Any]:
    """One of the `cells`: success with its interval, and the ticks an episode at which the bounds stepped in."""
    return {
        "bundle": row.bundle,
        "family": row.family,
        "variant": row.variant,
        "condition": condition,
        **rate(episodes),
        "bounds_per_episode": {
            name: round(sum(getattr(episode, name) for episode in episodes) / max(1, len(episodes)), 3)
            for name in BOUNDS
        },
    }


def row_result(row: Row, chunk_ms: Mapping[str, Any]) -> dict[str, Any]:
    """One of the `rows`: what does not depend on the condition."""
    return {
        "bundle": row.bundle,
        "family": row.family,
        "variant": row.variant,
        "chunk_ms": dict(chunk_ms),
        "training_min": _training_min(row.folder),
    }


def _training_min(folder: Path) -> dict[str, float] | None:
    """Minutes that the training took by log.json: all stages, and the one of the bundle's own name; None without it.

    Raises:
        MatrixRefused: the file is not such a log.
    """
    path = folder / "log.json"
    if not path.exists():
        return None
    try:
        stages = msgspec.json.decode(path.read_bytes(), type=_Log).stages
    except msgspec.DecodeError as error:
        raise MatrixRefused(
            f"{path}: is not the log of a training: {error}", fix="train it anew, or remove it"
        ) from None
    own = stages.get(folder.resolve().name)
    return {
        "all": round(sum(stage.minutes for stage in stages.values()), 1),
        "own": 0.0 if own is None else round(own.minutes, 1),
    }
