"""What a graph is given while the policy looks at a set: overheard, so that every family is served alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from edgevla.engine.base import Engine, Tensor
    from edgevla.messages import Observation
    from edgevla.policy.policy import Policy


class Listener:
    """An engine that keeps copies of what it was given, and otherwise is the one inside."""

    def __init__(self, inner: Engine) -> None:
        self._inner = inner
        self.heard: list[Mapping[str, NDArray[Any]]] = []

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """See `Engine.inputs`."""
        return self._inner.inputs

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """See `Engine.outputs`."""
        return self._inner.outputs

    @property
    def provider(self) -> str:
        """See `Engine.provider`."""
        return self._inner.provider

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """Remember the inputs, then run."""
        self.heard.append({name: np.array(value) for name, value in inputs.items()})
        return self._inner.run(inputs)

    def close(self) -> None:
        """See `Engine.close`."""
        self._inner.close()


def overheard(
    policy: Policy, listener: Listener, observations: Iterable[Observation]
) -> Iterator[Mapping[str, NDArray[Any]]]:
    """Let the policy act on each observation, and yield what a listener inside it was given."""
    for index, observation in enumerate(observations):
        listener.heard.clear()
        policy.act(observation, seq=index)
        yield from listener.heard
