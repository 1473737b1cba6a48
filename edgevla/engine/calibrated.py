"""What a quantised graph was made on: a mark inside the ONNX file, which goes where the graph goes.

Who judges a graph must do so on other observations than its scales were set and its layers chosen by. The mark stands
in the graph's metadata, under the hash that policy.yaml and the signature have of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import onnx

_KEY = "edgevla.calibrated_on"
_DIGITS = 12  # of an item's SHA-256: thousands of items on either side collide once in ten million


def mark(model: onnx.ModelProto, items: Iterable[str]) -> None:
    """Write into a graph, in place, by which items of a calibration set it was made; an older mark is replaced.

    Args:
        items: their SHA-256.
    """
    others = [each for each in model.metadata_props if each.key != _KEY]
    del model.metadata_props[:]
    model.metadata_props.extend(others)
    model.metadata_props.add(key=_KEY, value=" ".join(sorted({item[:_DIGITS] for item in items})))


def read_mark(model: onnx.ModelProto) -> frozenset[str] | None:
    """The mark in a graph, for `among`; None when there is none: a float graph, or one quantised elsewhere."""
    return next((frozenset(each.value.split()) for each in model.metadata_props if each.key == _KEY), None)


def among(marked: frozenset[str], items: Iterable[str]) -> int:
    """How many of these items, by their SHA-256, the mark names."""
    return sum(item[:_DIGITS] in marked for item in items)
