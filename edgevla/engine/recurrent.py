"""A graph that remembers, as an engine that can be told to forget.

RoboVLMs' LSTM head looks back over a window of observations (robovlms/model/policy_head/base_policy.py, `LSTMDecoder`).
Upstream steps it once an observation until the window is full, and from then on runs the whole window anew each time:
at tick window + 1 the latency jumps for good. Here the graph keeps `window` states side by side, lanes, each of which
has seen one observation more than the next. One run moves every lane down by one, lets a zero state in at the top,
and steps them all with the new observation, as one batch over the same weights; lane 0 answers. It has then seen the
last `window` observations, or all there are, from a zero state: upstream's answer, at one cost in every tick.

The graph takes `hidden` and `cell`, float32 (layers, window, hidden), lane 0 first, and gives `hidden_next` and
`cell_next` in the same shape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgevla.engine.base import EngineFailed, GraphRefused, Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from edgevla.config.policy_families import Recurrent
    from edgevla.engine.base import Engine

MEMORY = {"hidden": "hidden_next", "cell": "cell_next"}


class RecurrentEngine:
    """Feeds a graph its own memory, which is all zeros in the beginning and after `reset`.

    Args:
        engine: runs the graph. Closed with this one.
        path: of the graph, for messages.

    Raises:
        GraphRefused: the graph lacks a memory tensor, or has another shape than the section says.
    """

    def __init__(self, engine: Engine, section: Recurrent, path: Path) -> None:
        shape = (section.layers, section.window, section.hidden)
        promised = [Tensor(name, "float32", shape) for name in (*MEMORY, *MEMORY.values())]
        missing = [tensor for tensor in promised if tensor not in (*engine.inputs, *engine.outputs)]
        if missing:
            raise GraphRefused(
                f"{path}: policy.yaml promises the memory {', '.join(map(str, missing))}; the graph has "
                f"{', '.join(map(str, (*engine.inputs, *engine.outputs)))}",
                fix="export the graph and policy.yaml together",
            )
        self._engine = engine
        self.inputs = tuple(tensor for tensor in engine.inputs if tensor not in promised)
        self.outputs = tuple(tensor for tensor in engine.outputs if tensor not in promised)
        self._memory = {name: np.zeros(shape, np.float32) for name in MEMORY}

    @property
    def provider(self) -> str:
        """What really runs the graph."""
        return self._engine.provider

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """Run the graph once and remember, see `Engine.run`.

        Raises:
            EngineFailed: also when what the graph wants to remember is not finite. Then all is forgotten.
        """
        try:
            outputs = dict(self._engine.run({**inputs, **self._memory}))
            for name, source in MEMORY.items():
                np.copyto(self._memory[name], outputs.pop(source))
                if not np.isfinite(self._memory[name]).all():
                    raise EngineFailed(f"output {source} has NaN or infinite values")
        except BaseException:
            self.reset()
            raise
        return outputs

    def reset(self) -> None:
        """Forget every observation."""
        for memory in self._memory.values():
            memory.fill(0.0)

    def close(self) -> None:
        """Free what the graph holds."""
        self._engine.close()
