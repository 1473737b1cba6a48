"""What every engine is: named, typed tensors of fixed shape in and out, and the name of what really runs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from edgevla.errors import EdgeVLAError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input or output: `dtype` is a numpy name, `shape` has no free dimension."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.dtype}[{', '.join(map(str, self.shape))}]"


class EngineError(EdgeVLAError):
    """A graph cannot be run."""


class EngineMissing(EngineError):
    """The target is not available on this machine; nothing else is run in its place."""


class GraphRefused(EngineError):
    """The graph cannot be loaded, has free dimensions, or does not match its manifest."""


class EngineFailed(EngineError):
    """A run ended in an error of the engine instead of outputs."""


class Engine(Protocol):
    """A loaded graph. Used from one thread."""

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What `run` takes."""
        ...

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """What `run` returns."""
        ...

    @property
    def provider(self) -> str:
        """What really runs the graph, for reports."""
        ...

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """Run the graph once. The outputs belong to the caller only until the next run.

        Raises:
            ValueError: an input is missing, unknown, or of another dtype or shape.
            EngineFailed: the engine reports an error.
        """
        ...

    def close(self) -> None:
        """Free what the graph holds."""
        ...


def warm_up(engine: Engine, runs: int = 2) -> None:
    """Run on zeros, so that the first real run is as fast as the others and a graph that cannot run is found early.

    Raises:
        EngineFailed: the engine reports an error.
    """
    zeros = {tensor.name: np.zeros(tensor.shape, tensor.dtype) for tensor in engine.inputs}
    for _ in range(runs):
        engine.run(zeros)


def check_inputs(expected: Sequence[Tensor], given: Mapping[str, NDArray[Any]]) -> None:
    """Compare what is about to be run with what the graph takes.

    Raises:
        ValueError: an input is missing, unknown, or of another dtype or shape.
    """
    found = {Tensor(name, str(np.asarray(value).dtype), np.shape(value)) for name, value in given.items()}
    if found != set(expected):
        raise ValueError(f"the graph takes {', '.join(map(str, expected))}; given {', '.join(map(str, found))}")
