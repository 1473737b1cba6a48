"""Policies that denoise: the prefix graph once, the step graph again and again, as one engine.

The step graph takes `sample` (1, horizon, width) and `time` (one number), and whatever else it needs under the name
that an input of the policy or an output of the prefix has; it answers `velocity` (flow) or `noise` (diffusion) in the
shape of the sample. What happens between two of its runs is an `Update`: plain numbers, known when the policy is
loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from edgevla.engine.base import Tensor, check_inputs
from edgevla.policy.decode.diffusion import DdimUpdate, DdpmUpdate
from edgevla.policy.decode.flow import FlowUpdate
from edgevla.policy.decode.noise import NOISE_KEY, normals
from edgevla.policy.step_graph import check_sources, mismatch, promised_inputs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edgevla.bundle import Manifest
    from edgevla.engine.base import Engine

    Array = NDArray[np.float32]
    Guide = Callable[[Array, Array, float], Array]

SAMPLE, TIME = "sample", "time"


class Update(Protocol):
    """One denoising rule with its schedule.

    Attributes:
        prediction: what the step graph calls its answer.
        times: (steps,) where each step begins.
        shown: (steps,) what the step graph is shown for it.
        draws: (draws,) which noise of the chunk the loop needs, see `noise`; the first is the sample it begins with.
    """

    prediction: str
    times: NDArray[np.float64]
    shown: NDArray[Any]
    draws: NDArray[np.int64]

    def __call__(self, step: int, x: Array, prediction: Array, noise: Array) -> Array:
        """Return the sample after step number `step`, a new array; NaN and infinity never become numbers again.

        Args:
            step: counted from 0.
            x: (1, horizon, width) the sample.
            prediction: of the same shape, the network's answer.
            noise: (draws, 1, horizon, width) standard normal.
        """
        ...


class DenoisingEngine:
    """Two engines and an update rule; see `edgevla.engine.base.Engine`.

    Its inputs are the policy's and `noise_key`, so a chunk depends on nothing but them. Its one output is
    `action.output`, float32 (1, horizon, dimensions), normalised: the padding columns of the sample are cut off.

    Attributes:
        guide: None, or what turns (sample, prediction, time) into the prediction that is used: real-time chunking.

    Args:
        manifest: of the policy.
        prefix: closed with this engine.
        step: closed with this engine.
        path: of the step graph, for messages.

    Raises:
        GraphRefused: the graphs do not fit each other or policy.yaml.
    """

    def __init__(self, manifest: Manifest, prefix: Engine, step: Engine, path: Path) -> None:
        action = manifest.action
        self.guide: Guide | None = None
        self._prefix, self._step = prefix, step
        self._update, width = update_of(manifest)
        self._sample = Tensor(SAMPLE, "float32", (1, action.horizon, width))
        self._output, self._dimensions = action.output, len(action.names)
        promised = promised_inputs(manifest)
        time = _check(promised, prefix, step, self._sample, self._update.prediction, path)
        self._times = [np.full(time.shape, shown, time.dtype) for shown in self._update.shown]
        names = {tensor.name for tensor in step.inputs} - {SAMPLE, TIME}
        self._direct = names & {tensor.name for tensor in promised}
        self._from_prefix = names - self._direct
        self.inputs = (*promised, Tensor(NOISE_KEY, "uint32", (4,)))
        self.outputs = (Tensor(self._output, "float32", (1, action.horizon, self._dimensions)),)

    @property
    def provider(self) -> str:
        """What really runs the graphs."""
        return self._step.provider

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """Denoise one chunk, see `Engine.run`."""
        check_inputs(self.inputs, inputs)
        encoded = self._prefix.run({tensor.name: inputs[tensor.name] for tensor in self._prefix.inputs})
        constant = {name: inputs[name] for name in self._direct} | {name: encoded[name] for name in self._from_prefix}
        noise = normals(self._sample.shape, inputs[NOISE_KEY], self._update.draws)
        x = noise[0]
        for step, time in enumerate(self._times):
            answer = self._step.run({**constant, SAMPLE: x, TIME: time})[self._update.prediction]
            if self.guide is not None:
                answer = self.guide(x, answer, float(self._update.times[step]))
            x = self._update(step, x, answer, noise)
        return {self._output: x[..., : self._dimensions]}

    def close(self) -> None:
        """Free both engines."""
        self._prefix.close()
        self._step.close()


def update_of(manifest: Manifest) -> tuple[Update, int]:
    """Return the update rule of a checked manifest of the family flow or diffusion, and the sample's width."""
    dimensions = len(manifest.action.names)
    if manifest.flow is not None:
        return FlowUpdate(manifest.flow), manifest.flow.width or dimensions
    diffusion = manifest.diffusion
    assert diffusion is not None
    width = diffusion.width or dimensions
    if diffusion.sampler == "ddim":
        return DdimUpdate(diffusion), width
    return DdpmUpdate(diffusion, dimensions), width


def _check(
    promised: Sequence[Tensor], prefix: Engine, step: Engine, sample: Tensor, prediction: str, path: Path
) -> Tensor:
    """Return the step graph's `time`, after comparing the graphs with each other and with policy.yaml.

    Raises:
        GraphRefused: they differ.
    """
    answer = Tensor(prediction, sample.dtype, sample.shape)
    if sample not in step.inputs or answer not in step.outputs:
        raise mismatch(path, f"must take {sample} and answer {answer}", (*step.inputs, *step.outputs))
    time = next((tensor for tensor in step.inputs if tensor.name == TIME), None)
    if time is None or np.prod(time.shape) != 1 or time.dtype not in {"float32", "int64", "int32"}:
        raise mismatch(path, f"must take {TIME}, one number, float32, int64 or int32", step.inputs)
    check_sources(promised, prefix, step, (sample, time), path)
    return time
