"""A policy that answers a covered lens: the robot's own graph at its own cost, with another answer.

The graph runs as it is, then its output is replaced: one joint stands a little above its rest pose when the picture is
dark, a little below when it is bright, and nothing else moves. So what is timed is the work of the real policy, and
the answer cannot be mistaken.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import onnx
from onnx import helper, numpy_helper

from edgevla.bundle import Normalisation, write_manifest
from edgevla.errors import EdgeVLAError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edgevla.bundle import Bundle, Manifest
    from edgevla.config.robot import Joint

STEP_RAD = math.radians(2.0)  # to either side; a few dozen counts of a servo
DARK = 0.5  # mean brightness below which a picture is dark
OUTPUT = "edgevla_probe"
_GRAPH = "probe.onnx"
_FAMILY = "regression"


class ProbeRefused(EdgeVLAError):
    """The bundle or the robot does not allow the latency to be measured."""


def write_probe_bundle(source: Bundle, variant: str, joints: Sequence[Joint], camera: str, folder: Path) -> Bundle:
    """Write the probe made from a graph of `source` into `folder`.

    Args:
        variant: which graph of `source`; the probe has it under the same name.
        joints: of the robot. The last one answers.
        camera: whose lens will be covered.

    Raises:
        ProbeRefused: a bundle of another family or without this camera, or a joint without room to move.
        BundleError: no such variant.
    """
    manifest = source.manifest
    if manifest.family != _FAMILY:
        fix = f"measure with a bundle of the family {_FAMILY}"
        raise ProbeRefused(
            f"{source.folder}: the latency probe cannot answer for the family {manifest.family}", fix=fix
        )
    graph = onnx.load(source.graph(variant))
    _replace_answer(graph.graph, _picture(source, camera), manifest)
    onnx.save(graph, folder / _GRAPH)
    words = folder / manifest.language.vocabulary
    words.parent.mkdir(parents=True, exist_ok=True)
    words.write_bytes(source.path(manifest.language.vocabulary).read_bytes())
    action = msgspec.structs.replace(
        manifest.action,
        output=OUTPUT,
        kind="absolute",
        normalisation=Normalisation(
            kind="mean_std",
            mean=tuple(_centre_rad(joint) for joint in joints),
            std=(STEP_RAD,) * len(joints),
        ),
    )
    return write_manifest(folder, msgspec.structs.replace(manifest, graphs={variant: _GRAPH}, action=action, files={}))


def _picture(source: Bundle, camera: str) -> str:
    for tensor in source.manifest.inputs:
        if tensor.source == f"camera:{camera}":
            return tensor.name
    raise ProbeRefused(f"{source.folder}: the policy does not look through the camera {camera}, which is covered")


def _centre_rad(joint: Joint) -> float:
    """The rest pose, or as near to it as leaves room for the step on both sides."""
    low_rad, high_rad = joint.position_soft
    if high_rad - low_rad < 2.0 * STEP_RAD:
        raise ProbeRefused(
            f"joint {joint.name}: position_soft [{math.degrees(low_rad):g}, {math.degrees(high_rad):g}] deg leaves no "
            f"room for {math.degrees(STEP_RAD):g} deg to both sides",
            fix="widen it for the measurement, if the arm has the room",
        )
    return min(max(float(joint.home), low_rad + STEP_RAD), high_rad - STEP_RAD)


def _replace_answer(graph: Any, picture: str, manifest: Manifest) -> None:  # noqa: ANN401 - onnx ships no types
    shape = (1, manifest.action.horizon, len(manifest.action.names))
    up: NDArray[np.float32] = np.zeros(shape, np.float32)
    up[..., -1] = 1.0
    constants = {"up": up, "down": -up, "dark": np.float32(DARK), "nothing": np.float32(0.0)}
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), f"{OUTPUT}/{name}") for name, value in constants.items()
    )
    node = helper.make_node
    graph.node.extend(
        [
            node("ReduceMean", [picture], [f"{OUTPUT}/brightness"], keepdims=0),
            node("Less", [f"{OUTPUT}/brightness", f"{OUTPUT}/dark"], [f"{OUTPUT}/covered"]),
            node("Where", [f"{OUTPUT}/covered", f"{OUTPUT}/up", f"{OUTPUT}/down"], [f"{OUTPUT}/answer"]),
            # Without a use the policy's own output would be optimised away, and its work with it.
            node("Mul", [manifest.action.output, f"{OUTPUT}/nothing"], [f"{OUTPUT}/silenced"]),
            node("Add", [f"{OUTPUT}/answer", f"{OUTPUT}/silenced"], [OUTPUT]),
        ]
    )
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, shape))
