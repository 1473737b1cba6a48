"""What a version of TensorRT and a generation of GPU can do: tables, so that the code asks instead of knowing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edgevla.engine.base import EngineMissing, GraphRefused

if TYPE_CHECKING:
    from edgevla.engine.graph import GraphFacts


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Of all TensorRT versions from `since` on, until the next row."""

    since: tuple[int, int]
    jetpack: str  # what brings it
    strong_typing: Literal["asked for", "always"]
    plugin_namespace: Literal["attribute", "domain"]  # where the parser finds it: before 10.10 in the node's attributes


# IPluginV3 is found from ONNX since 10.1; a version after the last row has not been looked at.
TENSORRT = (
    Capabilities((10, 1), "6.1 and 6.2 (10.3)", "asked for", "attribute"),
    Capabilities((10, 10), "7.2 (10.16)", "asked for", "domain"),
    Capabilities((11, 0), "7.2.2 (11.4)", "always", "domain"),
)
_BEFORE = (12, 0)

# ONNX type -> the first compute capability whose tensor cores have it.
NEEDS = {
    "BFLOAT16": (8, 0),
    "FLOAT8E4M3FN": (8, 9),
    "FLOAT8E4M3FNUZ": (8, 9),
    "FLOAT8E5M2": (8, 9),
    "FLOAT8E5M2FNUZ": (8, 9),
    "FLOAT8E8M0": (10, 0),
    "FLOAT4E2M1": (10, 0),
}


def capabilities(version: str) -> Capabilities:
    """The row of a TensorRT version, "10.3.0" or "11.4.0.106".

    Raises:
        EngineMissing: older or newer than the table.
    """
    major, minor = (int(part) for part in version.split(".")[:2])
    rows = [row for row in TENSORRT if row.since <= (major, minor) < _BEFORE]
    if not rows:
        first, last = TENSORRT[0].since, _BEFORE
        raise EngineMissing(
            f"TensorRT {version} is not supported; {first[0]}.{first[1]} up to, and without, {last[0]}.{last[1]} is",
            fix="use the TensorRT of JetPack 6.1 to 7.2",
        )
    return rows[-1]


def check_types(graph: GraphFacts, compute_capability: tuple[int, ...], name: str) -> None:
    """Refuse a graph with number types that the GPU does not compute with, before an hour of building.

    Args:
        name: of the target, for the message.

    Raises:
        GraphRefused: the message says which type, and which GPUs have it.
    """
    missing = sorted(dtype for dtype in graph.dtypes if NEEDS.get(dtype, (0, 0)) > compute_capability)
    if missing:
        has, first = ("".join(map(str, version)) for version in (compute_capability, NEEDS[missing[0]]))
        raise GraphRefused(
            f"{graph.path}: uses {', '.join(missing)}; the tensor cores of {name} (sm_{has}) lack it, "
            f"sm_{first} is the first with {missing[0]}",
            fix="build the int8 variant",
        )
