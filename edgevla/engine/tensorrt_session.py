"""A deserialised TensorRT engine: its tensors, the addresses they are bound to, and one call that enqueues it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorrt as trt

from edgevla.engine.base import EngineFailed, GraphRefused, Tensor
from edgevla.engine.tensorrt_log import Log

if TYPE_CHECKING:
    from pathlib import Path

    from edgevla.engine.cuda import Cuda

DTYPES = {
    trt.DataType.FLOAT: "float32",
    trt.DataType.HALF: "float16",
    trt.DataType.INT64: "int64",
    trt.DataType.INT32: "int32",
    trt.DataType.INT8: "int8",
    trt.DataType.UINT8: "uint8",
    trt.DataType.BOOL: "bool",
}


class LayerTimes(trt.IProfiler):  # type: ignore[misc]  # the bindings come without types
    """Sums what each layer took, in ms."""

    def __init__(self) -> None:
        trt.IProfiler.__init__(self)
        self.total_ms: dict[str, float] = {}

    def report_layer_time(self, layer_name: str, ms: float) -> None:
        """Called by TensorRT once a layer and run."""
        self.total_ms[layer_name] = self.total_ms.get(layer_name, 0.0) + ms


class Session:
    """One plan, one context, static shapes. Scratch memory comes from outside, so that stages can share it.

    Args:
        path: a plan that was built by this TensorRT on this device.
        plugin: the library that the plan's own layers come from, if it has any.

    Raises:
        GraphRefused: TensorRT does not take the plan, or one of its tensors has a free dimension or a type that numpy
            lacks.
    """

    def __init__(self, path: Path, plugin: Path | None = None) -> None:
        self._log = Log()
        runtime = trt.Runtime(self._log)
        if plugin is not None:
            registry: trt.IPluginRegistry = runtime.get_plugin_registry()
            registry.load_library(str(plugin))
        engine: trt.ICudaEngine | None = runtime.deserialize_cuda_engine(path.read_bytes())
        if engine is None:
            raise GraphRefused(
                f"{path}: TensorRT {trt.__version__} does not take it: {self._log.why()}",
                fix="edgevla build --force builds it on this device, for this version",
            )
        self._runtime, self._engine = runtime, engine
        tensors = {
            mode: self._tensors(path, engine, mode) for mode in (trt.TensorIOMode.INPUT, trt.TensorIOMode.OUTPUT)
        }
        self.inputs = tensors[trt.TensorIOMode.INPUT]
        self.outputs = tensors[trt.TensorIOMode.OUTPUT]
        context: trt.IExecutionContext | None = engine.create_execution_context(
            trt.ExecutionContextAllocationStrategy.USER_MANAGED
        )
        if context is None:
            raise GraphRefused(f"{path}: TensorRT makes no context: {self._log.why()}", fix="free device memory")
        self._context = context
        self.scratch_bytes: int = engine.device_memory_size_v2

    @staticmethod
    def _tensors(path: Path, engine: trt.ICudaEngine, mode: trt.TensorIOMode) -> tuple[Tensor, ...]:
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        found = []
        for name in (name for name in names if engine.get_tensor_mode(name) == mode):
            shape, dtype = tuple(engine.get_tensor_shape(name)), DTYPES.get(engine.get_tensor_dtype(name))
            if dtype is None or any(size < 1 for size in shape):
                raise GraphRefused(
                    f"{path}: {name} is {engine.get_tensor_dtype(name)} with the shape {list(shape)}",
                    fix="export the graph with fixed shapes, batch 1, and float32, float16 or whole numbers",
                )
            found.append(Tensor(name, dtype, shape))
        return tuple(found)

    def use_scratch(self, address: int) -> None:
        """Work in `scratch_bytes` of device memory from `address` on; nobody else may while this runs."""
        self._context.set_device_memory(address, self.scratch_bytes)

    def bind(self, name: str, address: int) -> None:
        """Read or write a tensor at a device address from now on; what was captured before keeps the old one.

        Raises:
            EngineFailed: TensorRT knows no such tensor, or the address is not aligned.
        """
        if not self._context.set_tensor_address(name, address):
            raise EngineFailed(f"TensorRT cannot bind {name}: {self._log.why()}")

    def enqueue(self, stream: int) -> None:
        """Enqueue one run.

        Raises:
            EngineFailed: TensorRT refused.
        """
        if not self._context.execute_async_v3(stream):
            raise EngineFailed(f"TensorRT cannot run: {self._log.why()}")

    def profile(self, cuda: Cuda, runs: int) -> dict[str, float]:
        """Milliseconds of each layer, the mean of `runs` on whatever the buffers hold, outside of any graph."""
        times = LayerTimes()
        self._context.profiler = times
        self._context.enqueue_emits_profile = False
        for _ in range(runs):
            self.enqueue(cuda.stream)
            cuda.synchronize()
            self._context.report_to_profiler()
        return {layer: total / runs for layer, total in times.total_ms.items()}
