"""An engine on a CUDA device: what it enqueues is captured once and then launched as one graph."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevla.engine.base import check_inputs
from edgevla.engine.cuda import CudaFailed
from edgevla.engine.decode_node import VERDICTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from edgevla.engine.base import Tensor
    from edgevla.engine.cuda import Cuda
    from edgevla.engine.cuda_buffers import Buffer


class CudaEngine:
    """See `edgevla.engine.base.Engine`.

    The first run enqueues the work one by one, because TensorRT settles its shapes and kernels then, and captures it
    afterwards; every later run is one launch. Addresses never change, so the graph stays valid.

    Args:
        inputs: buffers that the processor fills before each run.
        outputs: buffers that it reads after each run, and that are overwritten by the next.
        work: enqueues everything between them on the stream of `cuda`, without allocating or waiting.
        provider: what runs, for reports.
    """

    def __init__(
        self,
        cuda: Cuda,
        inputs: Sequence[Buffer],
        outputs: Sequence[Buffer],
        work: Callable[[], None],
        provider: str,
    ) -> None:
        self._cuda = cuda
        self._inputs = {buffer.tensor.name: buffer for buffer in inputs}
        self._outputs = {buffer.tensor.name: buffer for buffer in outputs}
        self._verdicts = [buffer.array for name, buffer in self._outputs.items() if name.endswith(VERDICTS)]
        self._work = work
        self._graph: int | None = None
        self.provider = provider

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What `run` takes."""
        return tuple(buffer.tensor for buffer in self._inputs.values())

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """What `run` returns."""
        return tuple(buffer.tensor for buffer in self._outputs.values())

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """Run once, see `Engine.run`. The outputs are the page-locked buffers themselves.

        Raises:
            ValueError: an input is missing, unknown, or of another dtype or shape.
            CudaFailed: a CUDA call failed.
            EngineFailed: TensorRT refused to enqueue.
        """
        check_inputs(self.inputs, inputs)
        for name, buffer in self._inputs.items():
            np.copyto(buffer.array, inputs[name])
        for verdict in self._verdicts:
            verdict.fill(0)  # invalid: what no kernel writes must not be the verdict on the chunk before
        if self._graph is None:
            self._enqueue()
            self._cuda.synchronize()
            self._graph = self._capture()
        else:
            self._cuda.launch(self._graph)
            self._cuda.synchronize()
        return {name: buffer.array for name, buffer in self._outputs.items()}

    def close(self) -> None:
        """Free everything on the device."""
        self._cuda.close()

    def _capture(self) -> int:
        self._cuda.begin_capture()
        try:
            self._enqueue()
        except BaseException:
            with suppress(CudaFailed):  # a broken capture cannot be ended well, but it must be ended
                self._cuda.end_capture()
            raise
        return self._cuda.end_capture()

    def _enqueue(self) -> None:
        for buffer in self._inputs.values():
            if buffer.copied and buffer.host is not None:
                self._cuda.to_device(buffer.address, buffer.host)
        self._work()
        for buffer in self._outputs.values():
            if buffer.copied and buffer.host is not None:
                self._cuda.to_host(buffer.host, buffer.address)
