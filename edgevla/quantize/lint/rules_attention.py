"""Rules about attention, where INT8 goes wrong quietly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgevla.quantize.layers import name_of, product_after, product_before
from edgevla.quantize.lint.finding import Rule

if TYPE_CHECKING:
    from edgevla.quantize.lint.finding import Places
    from edgevla.quantize.lint.view import View

_FIXED = (1 / 127, 1 / 128, 1 / 255, 1 / 256)  # "probabilities end at 1": nobody looked at the data
_CLOSE = 1e-4


def _fixed(view: View) -> Places:
    for node in view.nodes("QuantizeLinear"):
        origin, scale = view.origin(node.input[0]), view.scale(node)
        if origin is None or origin.op_type != "Softmax" or scale is None or scale.size != 1:
            continue
        value = float(scale.reshape(-1)[0])
        for fixed in _FIXED:
            if abs(value / fixed - 1.0) < _CLOSE:
                yield (
                    name_of(node),
                    f"the probabilities of {name_of(origin)} have the scale {value:.5f}, 1/{1 / fixed:.0f}",
                )


def _pair(view: View) -> Places:
    for node in view.nodes("Softmax"):
        scores, reads = product_before(view.graph, node), product_after(view.graph, node)
        if scores is None or reads is None:
            continue
        of_scores, of_reads = (any(view.dequantised(name) for name in product.input) for product in (scores, reads))
        if of_scores != of_reads:
            done, left = ("q.kT", "p.v") if of_scores else ("p.v", "q.kT")
            yield name_of(node), f"{done} of this attention is quantised, {left} is not"


RULES = (
    Rule(
        "softmax-scale",
        "real probabilities are often below 0.03, which such a step rounds away",
        "calibrate the Softmax's output, or leave p.v in float",
        _fixed,
    ),
    Rule(
        "attention-pair",
        "TensorRT fuses an attention in one precision only",
        "quantise q.kT and p.v both, or neither",
        _pair,
    ),
)
