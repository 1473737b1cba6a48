"""What can be planned: a bundle, an ONNX graph, or a policy's shapes as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgevla.bundle import load_manifest
from edgevla.config.convert import convert
from edgevla.config.source import read_yaml
from edgevla.plan.graph import read_work
from edgevla.plan.shapes import Shapes, work_of

if TYPE_CHECKING:
    from pathlib import Path

    from edgevla.bundle import Manifest
    from edgevla.plan.work import Work


@dataclass(frozen=True, slots=True)
class Subject:
    """A name and what it has to do for one chunk. `source`: where that was read."""

    name: str
    source: str
    work: tuple[Work, ...]


def load_subject(path: Path, variant: str = "fp32") -> Subject:
    """Read what is to be planned.

    Args:
        path: a bundle's folder, an .onnx file, or a .yaml file of the format edgevla-shapes/1.
        variant: which graph of a bundle.

    Raises:
        BundleError, ConfigError, PlanRefused: it cannot be read; the message says where.
    """
    if path.suffix in {".yaml", ".yml"}:
        shapes = convert(read_yaml(path), Shapes)
        return Subject(shapes.name, shapes.source, work_of(shapes.components))
    if path.suffix == ".onnx":
        return Subject(path.stem, str(path), read_work(path))
    bundle = load_manifest(path)
    graph, step = bundle.graph(variant), bundle.step(variant)
    if step is None:
        return Subject(bundle.manifest.name, str(graph), read_work(graph))
    work = (
        *read_work(graph, component="prefix"),
        *read_work(step, component="step", passes=steps_of(bundle.manifest)),
    )
    return Subject(bundle.manifest.name, f"{graph}, {step}", work)


def steps_of(manifest: Manifest) -> int:
    """How often the step graph runs for one chunk; for a policy that writes tokens, at most."""
    if manifest.flow is not None and manifest.family == "flow":
        return manifest.flow.steps
    if manifest.diffusion is not None and manifest.family == "diffusion":
        return manifest.diffusion.steps or manifest.diffusion.train_steps
    if manifest.fast is not None and manifest.family == "fast":
        return manifest.fast.max_tokens
    return manifest.action.horizon * len(manifest.action.names)
