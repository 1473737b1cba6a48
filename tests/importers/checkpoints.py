"""LeRobot checkpoints as files, written by hand: no LeRobot, no network, weights that nobody reads."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

EPS = 1e-8
MEAN = np.array([3.0, -50.0], np.float32)
STD = np.array([25.0, 0.5], np.float32)
NORMAL = {"mean": MEAN, "std": STD}


def write_tensors(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """The format of .safetensors, from its specification."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    body = b""
    for name, tensor in tensors.items():
        kind = {"float32": "F32", "float64": "F64", "int64": "I64"}[str(tensor.dtype)]
        header[name] = {
            "dtype": kind,
            "shape": list(tensor.shape),
            "data_offsets": [len(body), len(body) + tensor.nbytes],
        }
        body += tensor.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def config(**changes: Any) -> dict[str, Any]:
    return {
        "type": "act",
        "input_features": {
            "observation.images.front": {"type": "VISUAL", "shape": [3, 48, 64]},
            "observation.state": {"type": "STATE", "shape": [2]},
        },
        "output_features": {"action": {"type": "ACTION", "shape": [2]}},
        "normalization_mapping": {"VISUAL": "IDENTITY", "STATE": "MEAN_STD", "ACTION": "MEAN_STD"},
        "chunk_size": 10,
        **changes,
    }


def write_checkpoint(
    folder: Path,
    settings: Mapping[str, Any] | None = None,
    *,
    steps: list[dict[str, Any]] | None = None,
    before: Mapping[str, np.ndarray] | None = None,
    behind: Mapping[str, np.ndarray] | None = None,
) -> Path:
    """A folder of today's form. `before` and `behind` are the statistics of the two pipelines, flat."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(settings or config()))
    flat = {f"{key}.{name}": value for key in ("observation.state", "action") for name, value in NORMAL.items()}
    pipelines = {
        "policy_preprocessor": [
            *(steps or []),
            {"registry_name": "normalizer_processor", "config": {"eps": EPS}, "state_file": "before.safetensors"},
        ],
        "policy_postprocessor": [
            {"registry_name": "unnormalizer_processor", "config": {"eps": EPS}, "state_file": "behind.safetensors"},
            {"registry_name": "device_processor", "config": {"device": "cpu"}},
        ],
    }
    for name, content in pipelines.items():
        (folder / f"{name}.json").write_text(json.dumps({"name": name, "steps": content}))
    write_tensors(folder / "before.safetensors", flat if before is None else before)
    write_tensors(folder / "behind.safetensors", flat if behind is None else behind)
    return folder
