"""From a bundle and a calibration set to an INT8 variant inside the bundle's error budget."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from edgevla.engine.calibrated import mark
from edgevla.quantize.activations import observe
from edgevla.quantize.cpu import cpu_layers, quantise_for_cpu, tensors_of
from edgevla.quantize.dataset import RUN, check_memory, load_dataset, split
from edgevla.quantize.errors import GraphUnfit
from edgevla.quantize.feeds import overheard
from edgevla.quantize.graph import open_graph
from edgevla.quantize.layers import Level, find_layers, full_plan
from edgevla.quantize.pieces import GRAPH, graphs_of, listening_policy
from edgevla.quantize.qdq import insert_qdq
from edgevla.quantize.recipe import AUTO, Recipe, calibrate, recipes
from edgevla.quantize.save import save_graph
from edgevla.quantize.search import MARGIN, Found, raise_until_it_fits, sensitivity
from edgevla.quantize.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import onnx
    from numpy.typing import NDArray

    from edgevla.bundle import Bundle
    from edgevla.config.quantisation import Quantisation
    from edgevla.quantize.activations import Feeds
    from edgevla.quantize.dataset import Part
    from edgevla.quantize.deviation import Deviation
    from edgevla.quantize.graph import Graph
    from edgevla.quantize.layers import Layer, Plan

    Write = Callable[[Plan], onnx.ModelProto]
    Note = Callable[[str, int], None]  # what begins now, and in how many steps; 0 steps: one of them is done

INT8, INT8_CPU = "int8", "int8-cpu"
VARIANTS = (INT8, INT8_CPU)
RANKED = 64  # layers; with more, and inside the budget anyway, a ranking would take hours to tell what nobody needs


@dataclass(frozen=True, slots=True)
class Settings:
    """How to quantise.

    Args:
        method: minmax, entropy, percentile, or auto: the one that costs least.
        smoothing: SmoothQuant's alpha, 0 for none; None lets the choice be automatic too.
        attention: quantise q.kT and p.v as well.
        searched_on: observations to measure a plan on, at most. About twice as many plans are measured as there are
            layers, but the worst error of few observations says little about that of many.
    """

    method: str = AUTO
    smoothing: float | None = None
    attention: bool = False
    searched_on: int = 512


@dataclass(frozen=True, slots=True)
class Sets:
    """Observations that set scales and choose between plans, and others that judge."""

    calibration: Part
    held_out: Part


def sets_of(bundle: Bundle, observations: Path, held_out: Path | None = None) -> Sets:
    """A set and another to judge by; or one set, of which a quarter judges.

    Raises:
        CalibrationSetError: a set is missing, damaged, or was taken for other inputs or joints.
        SetUnfit: a set is too small, lacks a camera, or has gaps that a policy with a memory would fall into.
    """
    everything = load_dataset(observations, bundle)
    if held_out is not None:
        calibration, judges = everything, load_dataset(held_out, bundle)
    else:
        run = RUN if bundle.manifest.recurrent is None else -(-len(everything) // 4)  # a memory needs long rows
        calibration, judges = split(everything, (3, 1), run=run)
    for part in (calibration, judges):
        check_memory(part, bundle.manifest)
    return Sets(calibration, judges)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One variant: how it was made, what stayed float, and what it costs on observations that nothing was chosen by.

    `errors_rad` is (observations, horizon, joints), on the held-out set; `files` are the variant's graphs, by part.
    """

    variant: str
    recipe: Recipe
    tried: tuple[tuple[Recipe, Deviation], ...]
    found: Found
    held_out: Deviation
    errors_rad: NDArray[np.float64]
    bytes_float: int
    bytes_int8: int
    files: Mapping[str, tuple[Path, ...]]


@dataclass(frozen=True, slots=True)
class _Piece:
    """One of the policy's graphs and its layers."""

    part: str
    graph: Graph
    layers: tuple[Layer, ...]


def quantise(bundle: Bundle, variant: str, sets: Sets, settings: Settings, folder: Path, note: Note) -> Outcome:
    """Make one variant of a bundle in `folder`; the bundle itself is left as it is.

    The recipe is the one that costs least with everything quantised; then layers are kept in float, worst first, until
    the budget of policy.yaml holds with a margin. Whether it holds on the held-out set is for the caller to see.

    Args:
        variant: int8 for TensorRT, int8-cpu for onnxruntime on a CPU.
        note: told what begins, with the number of steps, then 0 for each step.

    Raises:
        GraphUnfit: a graph cannot be quantised or run.
        SetUnfit: the set is blank, not finite, or makes the float policy fail.
        WriteFailed: there is no room in `folder`.
    """
    budget = bundle.manifest.quantisation
    pieces = _pieces(bundle, variant, settings)
    layers = tuple(layer for piece in pieces for layer in piece.layers)
    used = [item.sha256 for item in sets.calibration.items]
    selection = list(sets.calibration.first(settings.searched_on, bundle.manifest))
    trial = Trial(bundle, selection)
    tried: list[tuple[Recipe, Deviation, dict[str, Write]]] = []

    def measure(writers: Mapping[str, Write], plan: Plan) -> Deviation:
        return trial.deviation(trial.actions_rad(_write(pieces, writers, plan, folder, "candidate", used)[0]))

    wanted = recipes(settings.method, settings.smoothing) if variant == INT8 else (Recipe("minmax", 0.0),)
    note(f"{variant}: scales", len(wanted))
    for recipe, writers in _writers(bundle, variant, pieces, sets.calibration, wanted):
        tried.append((recipe, measure(writers, full_plan(layers)), writers))
        note("", 0)
    recipe, deviation, writers = min(tried, key=lambda each: each[1].share_of(budget))
    found = Found(full_plan(layers), deviation, (), ())
    if len(layers) <= RANKED or deviation.share_of(budget) > MARGIN:
        note(f"{variant}: sensitivity", len(layers))
        effects = sensitivity(layers, lambda plan: measure(writers, plan), budget, lambda: note("", 0))
        note(f"{variant}: mixed precision", 1)
        found = raise_until_it_fits(layers, effects, lambda plan: measure(writers, plan), budget)
    note(f"{variant}: held-out set", 1)
    graphs, files = _write(pieces, writers, found.plan, folder, variant, used)
    judge = Trial(bundle, sets.held_out)
    actions_rad = judge.actions_rad(graphs)
    return Outcome(
        variant=variant,
        recipe=recipe,
        tried=tuple((each, deviation) for each, deviation, _ in tried),
        found=found,
        held_out=judge.deviation(actions_rad),
        errors_rad=np.abs(actions_rad - judge.reference_rad),
        bytes_float=sum(_size(piece.graph) for piece in pieces),
        bytes_int8=sum(path.stat().st_size for paths in files.values() for path in paths),
        files=files,
    )


def shortfall(outcome: Outcome, budget: Quantisation) -> str:
    """Why a variant must not be used; empty when it may."""
    if Level.INT8 not in outcome.found.plan.values():
        return "keeps to the budget only with every layer in float"
    share = outcome.held_out.share_of(budget)
    worst = f"worst joint {outcome.held_out.worst_rad:.4f} rad"
    return f"takes {share:.0%} of the budget on the held-out observations ({worst})" if share > 1.0 else ""


def _pieces(bundle: Bundle, variant: str, settings: Settings) -> tuple[_Piece, ...]:
    pieces = []
    for part, path in graphs_of(bundle).items():
        graph, prefix = open_graph(path), "" if part == GRAPH else f"{part}/"
        layers = (
            cpu_layers(graph, prefix=prefix)
            if variant == INT8_CPU
            else find_layers(graph, attention=settings.attention, prefix=prefix)
        )
        pieces.append(_Piece(part, graph, layers))
    if not any(piece.layers for piece in pieces):
        names = ", ".join(piece.graph.path.name for piece in pieces)
        raise GraphUnfit(
            f"{bundle.folder}: no Conv, Gemm or MatMul with float32 weights in {names}",
            fix="export in float32",
        )
    return tuple(pieces)


def _writers(
    bundle: Bundle, variant: str, pieces: tuple[_Piece, ...], calibration: Part, wanted: tuple[Recipe, ...]
) -> Iterator[tuple[Recipe, dict[str, Write]]]:
    """For each recipe, what writes each graph by a plan."""
    policy, listeners = listening_policy(bundle)

    def feeds(part: str) -> Feeds:
        return lambda: overheard(policy, listeners[part], calibration)

    try:
        if variant == INT8_CPU:
            seen = {
                each.part: observe(each.graph, tensors_of(each.graph, each.layers), feeds(each.part), histograms=False)
                for each in pieces
            }
            yield (
                wanted[0],
                {
                    each.part: partial(quantise_for_cpu, each.graph, each.layers, seen=seen[each.part])
                    for each in pieces
                },
            )
            return
        found = [list(calibrate(each.graph, each.layers, feeds(each.part), wanted)) for each in pieces]
        for scales in zip(*found, strict=True):
            yield (
                scales[0].recipe,
                {
                    each.part: partial(insert_qdq, each.graph, each.layers, scales=own.steps, factors=own.factors)
                    for each, own in zip(pieces, scales, strict=True)
                },
            )
    finally:
        policy.engine.close()


def _write(
    pieces: tuple[_Piece, ...],
    writers: Mapping[str, Write],
    plan: Plan,
    folder: Path,
    variant: str,
    used: Sequence[str],
) -> tuple[dict[str, Path], dict[str, tuple[Path, ...]]]:
    """Write every graph of a variant, marked with what was used; the .onnx of each part, and all files of each part."""
    graphs, files = {}, {}
    for piece in pieces:
        path = folder / f"{piece.graph.path.stem}.{variant}.onnx"
        model = writers[piece.part](plan)
        mark(model, used)
        files[piece.part] = tuple(save_graph(model, piece.graph, path))
        graphs[piece.part] = path
    return graphs, files


def _size(graph: Graph) -> int:
    places = [graph.path, *(graph.path.parent / name for name in graph.external_files())]
    return sum(place.stat().st_size for place in places)
