"""Where each tensor lies: small ones in page-locked memory that processor and device both see, the rest on the device.

On a Jetson both are the same memory, and a mapped buffer saves the copy. Across PCIe every read of one costs, so there
only a few kilobytes are mapped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgevla.engine.base import Tensor
    from edgevla.engine.cuda import Cuda, Pinned

MAPPED_INTEGRATED_BYTES = 16 << 20  # several camera frames as float32
MAPPED_DISCRETE_BYTES = 64 << 10
ALIGNMENT = 256  # of every address that TensorRT is given


@dataclass(frozen=True, slots=True)
class Buffer:
    """One tensor in memory: `address` is what kernels use, `host` what the processor sees, if it sees it."""

    tensor: Tensor
    address: int
    host: Pinned | None = None
    copied: bool = False  # `host` is only a way station: it must be copied from or to `address`

    @property
    def array(self) -> NDArray[Any]:
        """The processor's view.

        Raises:
            ValueError: the tensor never leaves the device.
        """
        if self.host is None:
            raise ValueError(f"{self.tensor} never leaves the device")
        return self.host.array


def size_bytes(tensor: Tensor) -> int:
    """What a tensor takes, without padding."""
    return int(np.prod(tensor.shape, dtype=np.int64)) * np.dtype(tensor.dtype).itemsize


def visible(cuda: Cuda, tensor: Tensor) -> Buffer:
    """A buffer that the processor reads or writes."""
    host = cuda.pinned(tensor.shape, tensor.dtype)
    limit = MAPPED_INTEGRATED_BYTES if cuda.device.integrated else MAPPED_DISCRETE_BYTES
    if size_bytes(tensor) <= limit:
        return Buffer(tensor, host.address, host)
    return Buffer(tensor, cuda.allocate(size_bytes(tensor)), host, copied=True)


def inner(cuda: Cuda, tensor: Tensor) -> Buffer:
    """A buffer that only kernels touch: what one graph hands to the next."""
    return Buffer(tensor, cuda.allocate(size_bytes(tensor)))
