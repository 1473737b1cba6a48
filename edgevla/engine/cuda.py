"""The few CUDA calls that an engine makes, as an interface: what is behind it can be a Jetson or a recorder of calls.

Addresses are device addresses, streams and graphs are handles; the driver's own rules about them hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from edgevla.engine.base import EngineFailed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgevla.engine.targets import Device


class CudaFailed(EngineFailed):
    """A CUDA call returned an error."""


class Pinned(Protocol):
    """Page-locked memory that the processor sees as an array and the device, where it is mapped, at an address."""

    @property
    def array(self) -> NDArray[Any]:
        """The processor's view."""
        ...

    @property
    def address(self) -> int:
        """The device's view."""
        ...


class Cuda(Protocol):
    """One device, one context, used from one thread. Every call may raise `CudaFailed`."""

    @property
    def device(self) -> Device:
        """What the driver says about it."""
        ...

    @property
    def stream(self) -> int:
        """The handle of the one stream, which is not the default stream: that one cannot be captured."""
        ...

    def pinned(self, shape: tuple[int, ...], dtype: str) -> Pinned:
        """Page-locked memory, mapped into the device, filled with zeros; freed by `close`."""
        ...

    def allocate(self, size_bytes: int) -> int:
        """Device memory, filled with zeros; freed by `close`."""
        ...

    def to_device(self, address: int, source: Pinned) -> None:
        """Enqueue a copy of a whole pinned array."""
        ...

    def to_host(self, target: Pinned, address: int) -> None:
        """Enqueue a copy into a whole pinned array."""
        ...

    def synchronize(self) -> None:
        """Wait until everything enqueued is done."""
        ...

    def begin_capture(self) -> None:
        """From here on, what is enqueued is recorded and not run."""
        ...

    def end_capture(self) -> int:
        """The recorded graph, ready to be launched."""
        ...

    def launch(self, graph: int) -> None:
        """Enqueue a recorded graph."""
        ...

    def close(self) -> None:
        """Free memory, graphs, stream and context."""
        ...
