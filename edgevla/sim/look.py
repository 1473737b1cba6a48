"""How the tabletop looks: light, table, where the front camera stands, things that lie about. The task stays the same.

`drawn_look` is what training sees. `look_for` is what an evaluation sees under one of `CONDITIONS`; it changes one
thing and leaves the rest as it is in the scene's file:

    nominal, paraphrase   nothing (paraphrase changes the words, see sentences.py)
    light                 a quarter to a third brighter or darker, tinted, from another side: at the edge of training
    camera-shift          the front camera off by 2 cm and 2 degrees: at the edge of training
    distractor            three things of shapes and colours that training never shows
"""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Rgb = tuple[float, float, float]
Triple = tuple[float, float, float]
Shape = Literal["ball", "can", "pen", "egg"]
Pattern = Literal["", "checks", "speckles", "gradient"]
Choice = TypeVar("Choice")

CONDITIONS = ("nominal", "paraphrase", "light", "camera-shift", "distractor")
MOST_THINGS = 3

_CHANGED_SHARE = 0.6  # of drawn looks that change any one thing
_BRIGHTNESS = (0.7, 1.33)
_TINT = 0.08
_LIGHT_FROM = 0.6
_SHIFT_M = 0.02
_TURN_RAD = math.radians(2.0)
_PATTERNS: tuple[Pattern, ...] = ("checks", "speckles", "gradient")
_TRAINED_SHAPES: tuple[Shape, ...] = ("ball", "can")
_TRAINED_RGB: tuple[Rgb, ...] = ((0.90, 0.50, 0.10), (0.50, 0.15, 0.55), (0.92, 0.92, 0.92), (0.15, 0.15, 0.15))
_UNSEEN_SHAPES: tuple[Shape, ...] = ("pen", "egg")
_UNSEEN_RGB: tuple[Rgb, ...] = ((0.95, 0.55, 0.70), (0.45, 0.30, 0.15), (0.10, 0.65, 0.70))
# Things lie in the picture but outside of where blocks are laid out, put or passed: beside the arm's foot, or in front.
_PLACES_M = (((0.07, 0.14), (0.125, 0.205)), ((0.07, 0.14), (-0.205, -0.125)), ((0.335, 0.365), (-0.13, 0.13)))
_APART_M = 0.045


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that lies on the table and is none of the blocks; the arm cannot feel it."""

    shape: Shape
    at_m: tuple[float, float]
    radius_m: float
    rgb: Rgb


@dataclass(frozen=True, slots=True)
class Look:
    """Differences from the scene's file; `Look()` is the scene as it stands there.

    Args:
        brightness: of all lights.
        tint: of all lights, a factor for each colour.
        light_from: added to x and y of the lamp's direction, whose z is -1.
        table_rgb: None leaves the table's colour.
        camera_shift_m: of the front camera along its own axes: right, up, back.
        camera_turn_rad: of the front camera about the same.
    """

    brightness: float = 1.0
    tint: Rgb = (1.0, 1.0, 1.0)
    light_from: tuple[float, float] = (0.0, 0.0)
    table_rgb: Rgb | None = None
    pattern: Pattern = ""
    camera_shift_m: Triple = (0.0, 0.0, 0.0)
    camera_turn_rad: Triple = (0.0, 0.0, 0.0)
    things: tuple[Thing, ...] = ()


def drawn_look(seed: int) -> Look:
    """One of the looks that training varies over; each thing changes in 60 % of them."""
    rng = np.random.default_rng([seed, 0])
    light, table, pattern, camera, things = rng.random(5) < _CHANGED_SHARE
    brightness, tint, light_from = _light(rng, *_BRIGHTNESS)
    shift, turn = rng.uniform(-_SHIFT_M, _SHIFT_M, 3), rng.uniform(-_TURN_RAD, _TURN_RAD, 3)
    # Of little colour: the blocks stay the only colourful boxes.
    rgb = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.0, 0.25), rng.uniform(0.35, 0.9))
    return Look(
        brightness=brightness if light else 1.0,
        tint=tint if light else (1.0, 1.0, 1.0),
        light_from=light_from if light else (0.0, 0.0),
        table_rgb=rgb if table else None,
        pattern=_one_of(rng, _PATTERNS) if pattern else "",
        camera_shift_m=_triple(shift) if camera else (0.0, 0.0, 0.0),
        camera_turn_rad=_triple(turn) if camera else (0.0, 0.0, 0.0),
        things=_things(rng, int(rng.integers(1, MOST_THINGS + 1)), _TRAINED_SHAPES, _TRAINED_RGB) if things else (),
    )


def look_for(condition: str, seed: int) -> Look:
    """The look of one evaluation episode under one of `CONDITIONS`.

    Raises:
        ValueError: no such condition.
    """
    rng = np.random.default_rng([seed, 1])
    if condition == "light":
        low, high = _BRIGHTNESS
        brightness, tint, light_from = _light(rng, *((low, 0.75) if rng.random() < 0.5 else (1.25, high)))
        return Look(brightness=brightness, tint=tint, light_from=light_from)
    if condition == "camera-shift":
        turn = _on_sphere(rng, _TURN_RAD)
        return Look(camera_shift_m=_on_sphere(rng, _SHIFT_M), camera_turn_rad=turn)
    if condition == "distractor":
        return Look(things=_things(rng, MOST_THINGS, _UNSEEN_SHAPES, _UNSEEN_RGB))
    if condition not in CONDITIONS:
        raise ValueError(f"no condition {condition!r}; there are {CONDITIONS}")
    return Look()


def _light(rng: np.random.Generator, darkest: float, brightest: float) -> tuple[float, Rgb, tuple[float, float]]:
    brightness = float(rng.uniform(darkest, brightest))
    x, y = rng.uniform(-_LIGHT_FROM, _LIGHT_FROM, 2)
    return brightness, _triple(rng.uniform(1.0 - _TINT, 1.0 + _TINT, 3)), (float(x), float(y))


def _things(
    rng: np.random.Generator, count: int, shapes: tuple[Shape, ...], colours: tuple[Rgb, ...]
) -> tuple[Thing, ...]:
    things: list[Thing] = []
    while len(things) < count:
        (x_from, x_to), (y_from, y_to) = _PLACES_M[int(rng.integers(len(_PLACES_M)))]
        x, y = float(rng.uniform(x_from, x_to)), float(rng.uniform(y_from, y_to))
        radius_m = float(rng.uniform(0.009, 0.014))
        if all(math.dist((x, y), other.at_m) > _APART_M for other in things):
            things.append(Thing(_one_of(rng, shapes), (x, y), radius_m, _one_of(rng, colours)))
    return tuple(things)


def _on_sphere(rng: np.random.Generator, radius: float) -> Triple:
    way = rng.normal(size=3)
    return _triple(way * (radius / np.linalg.norm(way)))


def _triple(values: NDArray[np.float64]) -> Triple:
    x, y, z = values.tolist()
    return x, y, z


def _one_of(rng: np.random.Generator, choices: tuple[Choice, ...]) -> Choice:
    return choices[int(rng.integers(len(choices)))]
