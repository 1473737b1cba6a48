"""A bundle's graphs as a model repository for a Triton server, which then serves `triton:HOST:PORT`.

    REPOSITORY/<graph's name>/config.pbtxt
                              1/model.onnx, and the weights beside it; model.py for the Python backend

Another graph of the same name becomes the next version, whole or not at all: a robot that is running stays with the
version that it was verified with. Layout and fields: Triton's model_repository.md and model_configuration.md.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edgevla.engine.base import EngineError
from edgevla.engine.graph import file_sha256, read_graph
from edgevla.engine.ort import OrtEngine
from edgevla.files import sync, write_whole

if TYPE_CHECKING:
    from edgevla.engine.base import Tensor

Backend = Literal["onnxruntime", "python"]
BACKENDS: tuple[Backend, ...] = ("onnxruntime", "python")
CONFIG, GRAPH, MODEL = "config.pbtxt", "model.onnx", "model.py"

_MODEL = Path(__file__).with_name("triton_model.py")
_TYPES = {"float16": "FP16", "float32": "FP32", "float64": "FP64"}  # others: TYPE_ and their own name


class RepositoryRefused(EngineError):
    """The repository cannot be written, or holds something else under that name."""


def write_model(graph: Path, repository: Path, backend: Backend) -> tuple[Path, bool]:
    """Put a graph into a repository, under the name of its file without `.onnx`.

    Args:
        backend: what the server runs it with.

    Returns:
        The folder of its version, and whether it was written now; the newest version with the same graph is left.

    Raises:
        GraphRefused: the graph is broken, has free dimensions, or onnxruntime cannot load it.
        RepositoryRefused: a model of that name has other tensors or another backend, or the disk refuses.
    """
    facts = read_graph(graph)
    engine = OrtEngine(graph)
    config = _config(graph.stem, backend, engine.inputs, engine.outputs)
    engine.close()
    folder = repository / graph.stem
    try:
        folder.mkdir(parents=True, exist_ok=True)
        versions = sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())
        written = (folder / CONFIG).read_text(encoding="utf-8") if (folder / CONFIG).exists() else config
        if versions and written != config:
            raise RepositoryRefused(
                f"{folder}: holds a model with other tensors or another backend; versions of a model share them",
                fix="choose another folder, or remove this one where no robot uses it",
            )
        newest = folder / str(versions[-1]) if versions else None
        if newest is not None and _same(graph, facts.external, newest):
            return newest, False
        version = folder / str(versions[-1] + 1 if versions else 1)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as draft:
            inside = Path(draft) / version.name
            inside.mkdir()
            shutil.copy(graph, inside / GRAPH)
            for name in facts.external:
                (inside / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(graph.parent / name, inside / name)
            if backend == "python":
                shutil.copy(_MODEL, inside / MODEL)
            for path in inside.rglob("*"):
                sync(path)
            write_whole(folder / CONFIG, config.encode())
            inside.rename(version)
        sync(folder)
    except OSError as error:
        raise RepositoryRefused(
            f"{folder}: cannot be written: {error.strerror}", fix="choose another folder with --out"
        ) from None
    return version, True


def _same(graph: Path, external: tuple[str, ...], version: Path) -> bool:
    pairs = [(graph, version / GRAPH), *((graph.parent / name, version / name) for name in external)]
    return all(there.exists() and file_sha256(here) == file_sha256(there) for here, there in pairs)


def _config(name: str, backend: Backend, inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> str:
    # max_batch_size 0: a policy has fixed shapes, and a robot waits for nobody else's request.
    lines = [f'name: "{name}"', f'backend: "{backend}"', "max_batch_size: 0"]
    for kind, tensors in (("input", inputs), ("output", outputs)):
        for tensor in tensors:
            dims = ", ".join(map(str, tensor.shape))
            data_type = f"TYPE_{_TYPES.get(tensor.dtype, tensor.dtype.upper())}"
            lines.append(f'{kind} {{ name: "{tensor.name}" data_type: {data_type} dims: [ {dims} ] }}')
    return "\n".join(lines) + "\n"
