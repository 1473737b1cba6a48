"""CUDA by pycuda, and cuda-bindings for graph capture, which pycuda lacks. Both use the device's primary context."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cuda.bindings import runtime
from pycuda import driver

from edgevla.engine.base import EngineMissing
from edgevla.engine.cuda import CudaFailed
from edgevla.engine.targets import Device

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from edgevla.engine.cuda import Pinned


class PinnedArray:
    """See `edgevla.engine.cuda.Pinned`."""

    def __init__(self, shape: tuple[int, ...], dtype: str) -> None:
        flags = driver.host_alloc_flags
        self.array: NDArray[Any] = driver.pagelocked_zeros(shape, dtype, mem_flags=flags.DEVICEMAP)
        self.address = int(self.array.base.get_device_pointer())


class PyCuda:
    """See `edgevla.engine.cuda.Cuda`.

    Args:
        ordinal: which device.

    Raises:
        EngineMissing: there is no driver, no such device, or no room on it.
    """

    def __init__(self, ordinal: int = 0) -> None:
        self.device = describe(ordinal)
        try:
            context: driver.Context = driver.Device(ordinal).retain_primary_context()
            context.push()
        except driver.Error as error:
            raise EngineMissing(f"{self.device}: {error}", fix="end what else uses it") from error
        self._context = context
        self._stream = driver.Stream()
        self.stream: int = self._stream.handle
        self._memory: list[driver.DeviceAllocation] = []
        self._pinned: list[PinnedArray] = []  # kernels know only addresses, and memory that nobody holds is freed
        self._graphs: list[runtime.cudaGraphExec_t] = []

    def pinned(self, shape: tuple[int, ...], dtype: str) -> Pinned:
        """Page-locked, mapped, zeros."""
        try:
            self._pinned.append(PinnedArray(shape, dtype))
        except driver.Error as error:
            raise CudaFailed(f"page-locked memory of shape {shape}: {error}") from error
        return self._pinned[-1]

    def allocate(self, size_bytes: int) -> int:
        """Device memory, zeros."""
        try:
            memory = driver.mem_alloc(size_bytes)
            driver.memset_d8(memory, 0, size_bytes)
        except driver.Error as error:
            raise CudaFailed(f"{size_bytes / 2**20:.1f} MiB of device memory: {error}") from error
        self._memory.append(memory)
        return int(memory)

    def to_device(self, address: int, source: Pinned) -> None:
        """Enqueue a copy."""
        _wrapped(driver.memcpy_htod_async, address, source.array, self._stream)

    def to_host(self, target: Pinned, address: int) -> None:
        """Enqueue a copy."""
        _wrapped(driver.memcpy_dtoh_async, target.array, address, self._stream)

    def synchronize(self) -> None:
        """Wait for the stream."""
        _wrapped(self._stream.synchronize)

    def begin_capture(self) -> None:
        """Record from here on."""
        # Only this thread is held to what a capture forbids: the cameras' threads may allocate meanwhile.
        mode = runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        _checked(runtime.cudaStreamBeginCapture(self.stream, mode))

    def end_capture(self) -> int:
        """The recorded graph."""
        graph = _checked(runtime.cudaStreamEndCapture(self.stream))
        ready = _checked(runtime.cudaGraphInstantiate(graph, 0))
        _checked(runtime.cudaGraphDestroy(graph))
        self._graphs.append(ready)
        return len(self._graphs) - 1

    def launch(self, graph: int) -> None:
        """Enqueue a recorded graph."""
        _checked(runtime.cudaGraphLaunch(self._graphs[graph], self.stream))

    def close(self) -> None:
        """Free everything."""
        for graph in self._graphs:
            runtime.cudaGraphExecDestroy(graph)
        for memory in self._memory:
            memory.free()
        self._graphs.clear()
        self._memory.clear()
        self._pinned.clear()
        self._context.pop()


def describe(ordinal: int = 0) -> Device:
    """What the driver says about a device; takes nothing from it.

    Raises:
        EngineMissing: there is no driver, or no such device.
    """
    try:
        driver.init()
        device = driver.Device(ordinal)
    except driver.Error as error:
        raise EngineMissing(f"no CUDA device {ordinal}: {error}", fix="check nvidia-smi, or choose cpu") from error
    version = driver.get_driver_version()
    attribute = driver.device_attribute
    return Device(
        name=device.name(),
        compute_capability=device.compute_capability(),
        multiprocessors=device.get_attribute(attribute.MULTIPROCESSOR_COUNT),
        memory_bytes=device.total_memory(),
        cuda=f"{version // 1000}.{version % 1000 // 10}",
        integrated=bool(device.get_attribute(attribute.INTEGRATED)),
    )


def _wrapped(call: Callable[..., object], *arguments: object) -> None:
    try:
        call(*arguments)
    except driver.Error as error:
        raise CudaFailed(str(error)) from error


def _checked(answer: Sequence[Any]) -> Any:  # noqa: ANN401 - whatever handle the call gives
    """The value in a cuda-bindings answer, (error, value) or (error,)."""
    error, *values = answer
    if error != runtime.cudaError_t.cudaSuccess:
        _, text = runtime.cudaGetErrorString(error)
        raise CudaFailed(f"CUDA: {text.decode() if isinstance(text, bytes) else text}")
    return values[0] if values else None
