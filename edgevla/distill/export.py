"""From trained networks to a bundle: ONNX graphs, vocabulary, manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import torch

from edgevla.bundle import Language, Manifest, TensorSpec, write_manifest
from edgevla.distill.encoder import IMAGE_PX, JOINTS
from edgevla.distill.families.base import mean_std
from edgevla.distill.sentences import LENGTH, PADDING, paraphrases, vocabulary
from edgevla.errors import EdgeVLAError
from edgevla.sim.tasks import EXTENDED, TASKS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgevla.distill.batches import Statistics
    from edgevla.distill.families.base import Graph, Parts

OPSET = 17
GRAPH, STEP, WORDS = "policy.onnx", "step.onnx", "vocabulary.txt"
_AGREE = 1e-4
_UNTAUGHT = "<untaught-{}>"  # no word of a sentence is ever read like this
_EXAMPLES = 4
_STATE = TensorSpec(name="state", dtype="float32", shape=(1, JOINTS), source="state")
_TOKENS = TensorSpec(name="tokens", dtype="int64", shape=(1, LENGTH), source="instruction")


class ExportError(EdgeVLAError):
    """An exported graph does not compute what the network computes."""


def inputs_of(*cameras: str) -> tuple[TensorSpec, ...]:
    """The inputs of a policy that looks through these cameras."""
    shape = (1, 3, IMAGE_PX, IMAGE_PX)
    pictures = (TensorSpec(name=name, dtype="float32", shape=shape, source=f"camera:{name}") for name in cameras)
    return (*pictures, _STATE, _TOKENS)


def shown(inputs: tuple[TensorSpec, ...], seed: int = 0) -> dict[str, torch.Tensor]:
    """Made-up inputs of a policy: noise for pictures, a sentence of any words."""
    generator = torch.Generator().manual_seed(seed)
    examples = {}
    for spec in inputs:
        if spec.dtype == "int64":
            examples[spec.name] = torch.randint(1, len(vocabulary()), spec.shape, generator=generator)
            examples[spec.name][:, -3:] = 0
        else:
            examples[spec.name] = torch.rand(spec.shape, generator=generator)
    return examples


def taught(instructions: tuple[str, ...]) -> tuple[str, ...]:
    """The vocabulary, without the words that no way of saying these instructions has: they must go on being refused."""
    heard = {word for name in instructions for said in paraphrases(TASKS[name]) for word in said.split()}
    return tuple(word if word in heard or word == PADDING else _UNTAUGHT.format(word) for word in vocabulary())


def export(
    folder: Path,
    name: str,
    kind: str,
    graphs: tuple[Graph, Graph | None],
    parts: Parts,
    inputs: tuple[TensorSpec, ...],
    statistics: Statistics,
    instructions: tuple[str, ...] = EXTENDED,
) -> float:
    """Write a complete bundle and return the largest difference to torch, in the graphs' own units.

    Args:
        name: of the policy.
        kind: its family.
        instructions: what it was trained on.

    Raises:
        ExportError: onnxruntime and torch differ by more than 1e-4 of a number's size, or 1e-4.
    """
    folder.mkdir(parents=True, exist_ok=True)
    prefix, step = graphs
    worst = _write(prefix, folder / GRAPH)
    files: dict[str, str] = {WORDS: "\n".join(taught(instructions)) + "\n", **parts.files}
    if step is not None:
        worst = max(worst, _write(step, folder / STEP))
    for file, text in files.items():
        (folder / file).write_text(text, encoding="utf-8")
    steps = {} if step is None else {"fp32": STEP}
    manifest = Manifest(
        format="edgevla-bundle/1",
        name=name,
        family=kind,
        graphs={"fp32": GRAPH},
        steps=steps,
        inputs=inputs,
        state=mean_std(statistics.state_mean, statistics.state_std),
        action=parts.action,
        language=Language(vocabulary=WORDS, length=LENGTH, instructions=instructions),
        files=dict.fromkeys([GRAPH, *steps.values(), *files], ""),
        **parts.sections,
    )
    write_manifest(folder, manifest)
    return worst


def _write(graph: Graph, path: Path) -> float:
    module = graph.module.eval()
    torch.onnx.export(
        module,
        tuple(graph.inputs.values()),
        str(path),
        input_names=list(graph.inputs),
        output_names=list(graph.outputs),
        opset_version=OPSET,
        dynamo=False,
    )
    return _difference(graph, path)


def _difference(graph: Graph, path: Path) -> float:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for seed in range(_EXAMPLES):
        example = _varied(graph.inputs, seed)
        with torch.no_grad():
            answer = graph.module(*example.values())
        expected = answer if isinstance(answer, tuple) else (answer,)
        found = session.run(list(graph.outputs), {name: value.numpy() for name, value in example.items()})
        for there, here in zip(expected, found, strict=True):
            size = max(1.0, float(there.abs().max()))
            worst = max(worst, float(np.abs(here - there.numpy()).max()) / size)
    if not worst <= _AGREE:
        raise ExportError(
            f"export: {path.name} differs from the network by {worst:.2e}; at most {_AGREE:.0e} is allowed",
            fix="compare the network's layers with the exported nodes one by one",
        )
    return worst


def _varied(inputs: Mapping[str, torch.Tensor], seed: int) -> dict[str, torch.Tensor]:
    """Other numbers of the same kind: floats a little off, whole numbers as they are."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: value + 0.1 * torch.rand(value.shape, generator=generator) if value.is_floating_point() else value
        for name, value in inputs.items()
    }
