"""What goes into the layers, over the calibration set: one run a time, one histogram a tensor, nothing else is kept.

Two passes: the first finds how far a tensor reaches (and each of its channels), the second counts in fixed bins. So
memory does not grow with the set, and the result does not depend on the order of the observations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray

from edgevla.quantize.errors import GraphUnfit, SetUnfit
from edgevla.quantize.session import open_session

if TYPE_CHECKING:
    from edgevla.quantize.graph import Graph
    from edgevla.quantize.layers import Layer

Feed: TypeAlias = Mapping[str, NDArray[Any]]
Feeds: TypeAlias = Callable[[], Iterable[Feed]]  # a fresh pass over the same inputs at each call

BINS = 2048


@dataclass(slots=True)
class Activation:
    """One tensor over a set: its reach, the reach of each channel, and how often each magnitude occurs.

    `channels` is along the axis that a layer sums over (the last one, or the second of a picture), so that a factor a
    channel can move from the activation into the weights. `counts[i]` counts magnitudes in
    `[i, i + 1) * reach / BINS`; exact zeros are left out: padding and ReLU say nothing about where to clip.
    """

    reach: float = 0.0
    lowest: float = 0.0
    highest: float = 0.0
    channels: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))


def observe(
    graph: Graph,
    axes: Mapping[str, int],
    feeds: Feeds,
    *,
    factors: Mapping[str, NDArray[np.float32]] | None = None,
    histograms: bool = True,
) -> dict[str, Activation]:
    """Run the graph over the set and watch some of its tensors.

    Args:
        axes: tensor -> the axis of its channels, see `inputs_of`.
        feeds: the graph's inputs, one run at a time.
        factors: what the channels of a tensor are divided by before anything is counted.
        histograms: without them `counts` stays zero, and one pass is enough.

    Raises:
        GraphUnfit: onnxruntime cannot run the graph.
        SetUnfit: there is nothing in the set, or it drives a tensor to NaN or infinity.
    """
    seen = {name: Activation() for name in axes}
    run = _tapped(graph, list(axes))

    def scaled(name: str, values: NDArray[Any]) -> NDArray[Any]:
        factor = (factors or {}).get(name)
        return values if factor is None else np.moveaxis(np.moveaxis(values, axes[name], -1) / factor, -1, axes[name])

    def reach(name: str, values: NDArray[Any]) -> None:
        _widen(seen[name], name, scaled(name, values), axes[name])

    def count(name: str, values: NDArray[Any]) -> None:
        _count(seen[name], scaled(name, values))

    runs = _each(run, feeds, reach)
    if runs == 0:
        raise SetUnfit("the calibration set is empty", fix="capture one: edgevla calibrate capture")
    if histograms:
        _each(run, feeds, count)
    return seen


def inputs_of(layers: Iterable[Layer]) -> dict[str, int]:
    """The tensors that layers compute with, and the axis of their channels: pictures second, everything else last."""
    return {
        layer.node.input[place]: 1 if layer.node.op_type == "Conv" else -1
        for layer in layers
        for place in layer.activations
    }


def _each(
    run: Callable[[Feed], Mapping[str, NDArray[Any]]], feeds: Feeds, look: Callable[[str, NDArray[Any]], None]
) -> int:
    runs = 0
    for feed in feeds():
        for name, values in run(feed).items():
            look(name, values)
        runs += 1
    return runs


def _tapped(graph: Graph, names: list[str]) -> Callable[[Feed], Mapping[str, NDArray[Any]]]:
    """The graph as a function that returns these tensors; the inputs of the graph are among them as they came."""
    inputs = {value.name for value in graph.inputs}
    computed = [name for name in names if name not in inputs]
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    have = {value.name for value in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in computed if name not in have)
    session = open_session(model, graph)

    def run(feed: Feed) -> Mapping[str, NDArray[Any]]:
        try:
            found = dict(zip(computed, session.run(computed, dict(feed)), strict=True)) if computed else {}
        except Exception as error:  # onnxruntime's errors have no common class
            raise GraphUnfit(f"{graph.path}: cannot be run: {error}", fix="export the graph again") from error
        return {name: np.asarray(feed[name]) for name in names if name in inputs} | found

    return run


def _widen(seen: Activation, name: str, values: NDArray[Any], axis: int) -> None:
    if not np.isfinite(values).all():
        raise SetUnfit(f"the tensor {name} becomes NaN or infinite on this set", fix="look at the set, then the graph")
    channels = np.abs(np.moveaxis(np.atleast_1d(values), axis, 0).reshape(values.shape[axis] if values.ndim else 1, -1))
    largest = channels.max(axis=1, initial=0.0).astype(np.float64)
    same = seen.channels.shape == largest.shape
    seen.channels = np.maximum(seen.channels, largest) if same else largest
    seen.reach = max(seen.reach, float(largest.max(initial=0.0)))
    seen.lowest = min(seen.lowest, float(values.min(initial=0.0)))
    seen.highest = max(seen.highest, float(values.max(initial=0.0)))


def _count(seen: Activation, values: NDArray[Any]) -> None:
    if seen.reach == 0.0:
        return
    magnitudes = np.abs(values[values != 0]).astype(np.float64)
    places = np.minimum((magnitudes * (BINS / seen.reach)).astype(np.int64), BINS - 1)
    seen.counts += np.bincount(places, minlength=BINS)
