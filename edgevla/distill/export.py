"""From a trained student to a bundle: ONNX graph, vocabulary, manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import torch

from edgevla.bundle import Action, Language, Manifest, Normalisation, TensorSpec, write_manifest
from edgevla.distill.sentences import LENGTH, vocabulary
from edgevla.distill.student import IMAGE_PX, JOINTS, Policy
from edgevla.errors import EdgeVLAError
from edgevla.sim.expert import HORIZON, RATE_HZ
from edgevla.sim.tasks import INSTRUCTIONS
from edgevla.sim.world import load_model

if TYPE_CHECKING:
    from pathlib import Path

    from edgevla.distill.batches import Array, Statistics

OPSET = 17
GRAPH = "policy.onnx"
WORDS = "vocabulary.txt"
_AGREE = 1e-4
_INPUTS = (
    TensorSpec(name="front", dtype="float32", shape=(1, 3, IMAGE_PX, IMAGE_PX), source="camera:front"),
    TensorSpec(name="state", dtype="float32", shape=(1, JOINTS), source="state"),
    TensorSpec(name="tokens", dtype="int64", shape=(1, LENGTH), source="instruction"),
)


class ExportError(EdgeVLAError):
    """The exported graph does not compute what the student computes."""


def export(student: Policy, statistics: Statistics, folder: Path) -> float:
    """Write a complete bundle and return the largest difference to torch, in normalised units.

    Raises:
        ExportError: onnxruntime and torch differ by more than 1e-4.
    """
    folder.mkdir(parents=True, exist_ok=True)
    student = student.eval()
    example = _example(torch.Generator().manual_seed(0))
    torch.onnx.export(
        student,
        example,
        str(folder / GRAPH),
        input_names=[spec.name for spec in _INPUTS],
        output_names=["deltas"],
        opset_version=OPSET,
        dynamo=False,
    )
    worst = _difference(student, folder / GRAPH)
    (folder / WORDS).write_text("\n".join(vocabulary()) + "\n", encoding="utf-8")
    write_manifest(folder, _manifest(statistics))
    return worst


def _example(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    front, state, tokens = (spec.shape for spec in _INPUTS)
    words = torch.randint(1, len(vocabulary()), tokens, generator=generator)
    words[:, -3:] = 0
    return torch.rand(front, generator=generator), torch.randn(state, generator=generator), words


def _difference(student: Policy, graph: Path) -> float:
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    worst = 0.0
    for seed in range(8):
        example = _example(torch.Generator().manual_seed(seed))
        with torch.no_grad():
            expected = student(*example).numpy()
        names = [spec.name for spec in _INPUTS]
        got = session.run(None, {name: value.numpy() for name, value in zip(names, example, strict=True)})[0]
        worst = max(worst, float(np.abs(got - expected).max()))
    if not worst <= _AGREE:
        raise ExportError(
            f"export: {graph.name} differs from the student by {worst:.2e}; at most {_AGREE:.0e} is allowed",
            fix="compare the layers of student.py with the exported nodes one by one",
        )
    return worst


def _manifest(statistics: Statistics) -> Manifest:
    model = load_model()
    return Manifest(
        format="edgevla-bundle/1",
        name="so101-tabletop",
        family="regression",
        graphs={"fp32": GRAPH},
        inputs=_INPUTS,
        state=_normalisation(statistics.state_mean, statistics.state_std),
        action=Action(
            output="deltas",
            names=tuple(model.actuator(i).name for i in range(model.nu)),
            unit="rad",
            kind="delta",
            rate_hz=RATE_HZ,
            horizon=HORIZON,
            normalisation=_normalisation(statistics.delta_mean, statistics.delta_std),
        ),
        language=Language(vocabulary=WORDS, length=LENGTH, instructions=INSTRUCTIONS),
        files={GRAPH: "", WORDS: ""},
    )


def _normalisation(mean: Array, std: Array) -> Normalisation:
    return Normalisation(
        kind="mean_std", mean=tuple(float(f"{x:.7g}") for x in mean), std=tuple(float(f"{x:.7g}") for x in std)
    )
