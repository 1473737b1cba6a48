"""Moving outliers from activations, which have one scale, into weights, which have one a channel (SmoothQuant)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgevla.quantize.graph import attribute

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray
    from onnx import NodeProto

    from edgevla.quantize.activations import Activation
    from edgevla.quantize.graph import Graph
    from edgevla.quantize.layers import Layer

Factors = dict[str, "NDArray[np.float32]"]  # tensor -> what each of its channels is divided by

_SMALLEST = 1e-5


def factors_of(graph: Graph, layers: Iterable[Layer], seen: Mapping[str, Activation], strength: float) -> Factors:
    """For every tensor out of a normalisation that only feeds layers with weights: x is divided by s, W multiplied.

    Only there do transformers have channels that stick out always; where a channel is one pixel of a softmax, factors
    would wreck the weights.

    `s_k = max|x_k|^strength / max|W_k|^(1 - strength)`, over all observations and over all layers that read x:
    Xiao et al. (2022), SmoothQuant, equation 4.

    Args:
        strength: alpha, 0 for none; 0.5 is the paper's.
    """
    if strength == 0.0:
        return {}
    readers: dict[str, list[Layer]] = {}
    for layer in layers:
        for place in layer.activations:
            readers.setdefault(layer.node.input[place], []).append(layer)
    factors = {}
    for name, those in readers.items():
        axes = [summed_axis(layer) for layer in those]
        if None in axes or not is_normalised(graph, name):
            continue
        reaches = [
            weight_reach(graph, layer, axis) for layer, axis in zip(those, axes, strict=True) if axis is not None
        ]
        channels = seen[name].channels
        if all(reach.shape == channels.shape for reach in reaches):
            factors[name] = _factor(channels, np.max(reaches, axis=0), strength)
    return factors


def is_normalised(graph: Graph, name: str) -> bool:
    """Whether a tensor comes out of a LayerNorm, or of the product with constant gains that ends an RMS norm."""
    producer = graph.producers.get(name)
    if producer is None:
        return False
    if producer.op_type in {"LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization"}:
        return True
    return producer.op_type == "Mul" and gains_at(graph, producer) is not None


def gains_at(graph: Graph, product: NodeProto) -> int | None:
    """The position of the constant vector in a Mul; None when there is none."""
    sizes = ((place, graph.constant(each)) for place, each in enumerate(product.input))
    return next((place for place, each in sizes if each is not None and len(each.dims) == 1 and each.dims[0] > 1), None)


def summed_axis(layer: Layer) -> int | None:
    """The axis of a layer's weights that meets the channels of its activation; None when there is no such one."""
    node = layer.node
    if not layer.weight or not layer.activations:
        return None
    if node.op_type == "Conv":
        return 1 if attribute(node, "group", 1) == 1 else None
    if node.op_type == "Gemm":
        return None if attribute(node, "transA", 0) else 1 - layer.axis
    return 0 if layer.weight_at == 1 else None


def scaled(weights: NDArray[np.float32], axis: int, factor: NDArray[np.float32]) -> NDArray[np.float32]:
    """The weights that undo a division of their input by `factor`."""
    shape = [1] * weights.ndim
    shape[axis] = -1
    return np.asarray(weights * factor.reshape(shape), np.float32)


def weight_reach(graph: Graph, layer: Layer, axis: int) -> NDArray[np.float64]:
    """The largest magnitude in each slice along `axis`."""
    weights = graph.values(layer.weight)
    others = tuple(each for each in range(weights.ndim) if each != axis)
    return np.asarray(np.abs(weights).max(axis=others), np.float64)


def _factor(channels: NDArray[np.float64], weights: NDArray[np.float64], strength: float) -> NDArray[np.float32]:
    alive = (channels > 0) & (weights > 0)
    of_x = np.where(alive, channels, 1.0) ** strength
    of_w = np.where(alive, weights, 1.0) ** (1.0 - strength)
    return np.maximum(of_x / of_w, _SMALLEST).astype(np.float32)
