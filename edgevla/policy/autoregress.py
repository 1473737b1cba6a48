"""Policies that answer token after token: the prefix graph once, the step graph for each further token, as one engine.

The prefix answers `logits` (1, vocabulary) for the first token. The step graph takes `token` (1, 1) int64, the token
chosen last, and `step` (1,) int64, how many were chosen before it; it answers the next `logits`. What it has to
remember, such as keys and values, it takes under any name and gives back under that name with `_next` behind it; the
prefix gives its first value. Everything else it takes is constant: an output of the prefix or an input of the policy.

Tokens are chosen greedily among all, the lowest on a tie, as upstream does. Whether they are actions is the decoder's
question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgevla.engine.base import EngineFailed, Tensor, check_inputs
from edgevla.policy.step_graph import check_sources, listed, mismatch, promised_inputs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edgevla.bundle import Manifest
    from edgevla.engine.base import Engine

LOGITS, TOKEN, STEP, NEXT = "logits", "token", "step", "_next"
_FED = (Tensor(TOKEN, "int64", (1, 1)), Tensor(STEP, "int64", (1,)))


class AutoregressiveEngine:
    """Two engines and a greedy choice; see `edgevla.engine.base.Engine`.

    Its one output is `action.output`: the logits of all tokens, float32 (1, tokens, vocabulary), where the section
    `tokens` says so; else their ids, int64 (1, tokens). FAST's answers end when they end: the rest is `end_id`.

    Args:
        manifest: of the family tokens or fast.
        prefix: closed with this engine.
        step: closed with this engine.
        path: of the step graph, for messages.

    Raises:
        GraphRefused: the graphs do not fit each other or policy.yaml.
    """

    def __init__(self, manifest: Manifest, prefix: Engine, step: Engine, path: Path) -> None:
        self._prefix, self._step = prefix, step
        self.inputs = promised_inputs(manifest)
        logits, self._memory, constant = _check(self.inputs, prefix, step, path)
        self._direct = constant & {tensor.name for tensor in self.inputs}
        self._from_prefix = constant - self._direct
        self._count, self._ends = _length(manifest)
        wants_logits = manifest.tokens is not None and manifest.tokens.logits
        self._logits = np.empty((self._count, logits.shape[1]), np.float32) if wants_logits else None
        shape = (1, self._count, logits.shape[1]) if wants_logits else (1, self._count)
        self.outputs = (Tensor(manifest.action.output, "float32" if wants_logits else "int64", shape),)

    @property
    def provider(self) -> str:
        """What really runs the graphs."""
        return self._step.provider

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """Answer once, see `Engine.run`.

        Raises:
            EngineFailed: also when logits have NaN, or infinity is the largest.
        """
        check_inputs(self.inputs, inputs)
        answer = self._prefix.run({tensor.name: inputs[tensor.name] for tensor in self._prefix.inputs})
        constant = {name: inputs[name] for name in self._direct} | {name: answer[name] for name in self._from_prefix}
        memory = {name: answer[name] for name in self._memory}
        ids = np.full((1, self._count), self._ends[-1] if self._ends else 0, np.int64)
        for place in range(self._count):
            ids[0, place] = self._choose(answer[LOGITS][0], place)
            if ids[0, place] in self._ends or place + 1 == self._count:
                break
            fed = {TOKEN: ids[:, place : place + 1], STEP: np.array([place], np.int64)}
            answer = self._step.run({**constant, **memory, **fed})
            memory = {name: answer[name + NEXT] for name in self._memory}
        return {self.outputs[0].name: ids if self._logits is None else self._logits[np.newaxis]}

    def close(self) -> None:
        """Free both engines."""
        self._prefix.close()
        self._step.close()

    def _choose(self, logits: NDArray[np.float32], place: int) -> int:
        best = int(logits.argmax())  # a NaN counts as the largest
        if not np.isfinite(logits[best]):
            raise EngineFailed(f"token {place}: the largest of its logits is {logits[best]}")
        if self._logits is not None:
            self._logits[place] = logits
        return best


def _length(manifest: Manifest) -> tuple[int, tuple[int, ...]]:
    """The most tokens of an answer, and the ids that end it before; the last of them fills the rest."""
    action, tokens, fast = manifest.action, manifest.tokens, manifest.fast
    if fast is not None:
        return fast.max_tokens, (fast.end_id,) if fast.bar_id is None else (fast.bar_id, fast.end_id)
    assert tokens is not None
    return action.horizon * tokens.step_length(len(action.names)), ()


def _check(
    promised: Sequence[Tensor], prefix: Engine, step: Engine, path: Path
) -> tuple[Tensor, frozenset[str], frozenset[str]]:
    """Return the logits, and the names of what the step graph remembers and of what it takes besides.

    Raises:
        GraphRefused: the graphs do not fit.
    """
    logits = next((tensor for tensor in step.outputs if tensor.name == LOGITS), None)
    if logits is None or logits not in prefix.outputs or logits.dtype != "float32" or len(logits.shape) != 2:
        found = (*prefix.outputs, *step.outputs)
        raise mismatch(path, f"and its prefix must answer {LOGITS} float32[1, vocabulary]", found)
    if not set(_FED) <= set(step.inputs):
        raise mismatch(path, f"must take {listed(_FED)}", step.inputs)
    check_sources(promised, prefix, step, _FED, path)
    others = [tensor for tensor in step.inputs if tensor not in _FED]
    kept = {tensor: Tensor(tensor.name + NEXT, tensor.dtype, tensor.shape) for tensor in others}
    memory = frozenset(tensor.name for tensor, after in kept.items() if after in step.outputs)
    for tensor in others:
        if tensor.name in memory and tensor not in prefix.outputs:
            raise mismatch(path, f"remembers {tensor}, whose first value its prefix must give", prefix.outputs)
    return logits, memory, frozenset(tensor.name for tensor in others) - memory
