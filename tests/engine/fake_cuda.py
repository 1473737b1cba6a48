"""A device that is none: its memory is the processor's, its stream runs at once, and it keeps a list of every call.

What is enqueued while a graph is captured is kept, not run, and done at every launch, with the addresses that held when
it was captured - as a real graph does.
"""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import numpy as np

from edgevla.engine.cuda import CudaFailed
from edgevla.engine.targets import Device

ORIN = Device("Orin", (8, 7), 16, 61 * 2**30, "12.6", integrated=True)
DISCRETE = Device("NVIDIA H200", (9, 0), 132, 139 * 2**30, "12.8", integrated=False)
STREAM = 4711


class FakeCuda:
    """See `edgevla.engine.cuda.Cuda`.

    Args:
        memory_bytes: how much `allocate` gives in all.
    """

    def __init__(self, device=ORIN, memory_bytes=1 << 30):
        self.device, self.stream = device, STREAM
        self.calls = []
        self._left = memory_bytes
        self._kept = []
        self._graphs = []
        self._recording = None

    def do(self, name, work):
        """Enqueue work on the one stream, under a name for the list."""
        self.calls.append(name)
        if self._recording is None:
            work()
        else:
            self._recording.append((name, work))

    def pinned(self, shape, dtype):
        """Mapped memory: the device's address is the processor's."""
        self._not_while_capturing("pinned")
        array = self._aligned(int(np.prod(shape)) * np.dtype(dtype).itemsize).view(dtype).reshape(shape)
        return SimpleNamespace(array=array, address=array.ctypes.data)

    def allocate(self, size_bytes):
        self._not_while_capturing("allocate")
        if size_bytes > self._left:
            raise CudaFailed(f"{size_bytes} bytes of device memory: out of memory")
        self._left -= size_bytes
        return self._aligned(size_bytes).ctypes.data

    def to_device(self, address, source):
        self.do("to_device", lambda: ctypes.memmove(address, source.array.ctypes.data, source.array.nbytes))

    def to_host(self, target, address):
        self.do("to_host", lambda: ctypes.memmove(target.array.ctypes.data, address, target.array.nbytes))

    def synchronize(self):
        self._not_while_capturing("synchronize")

    def begin_capture(self):
        self.calls.append("begin_capture")
        self._recording = []

    def end_capture(self):
        self.calls.append("end_capture")
        self._graphs.append(self._recording)
        self._recording = None
        return len(self._graphs) - 1

    def launch(self, graph):
        self.calls.append("launch")
        for _, work in self._graphs[graph]:
            work()

    def graph(self, number):
        """The names of what a captured graph does."""
        return [name for name, _ in self._graphs[number]]

    def close(self):
        self.calls.append("close")

    def _aligned(self, size):
        room = np.zeros(size + 256, np.uint8)
        self._kept.append(room)
        start = -room.ctypes.data % 256
        return room[start : start + size]

    def _not_while_capturing(self, what):
        if self._recording is not None:
            raise CudaFailed(f"{what}: operation not permitted when stream is capturing")


def at(address, shape, dtype="float32"):
    """The array at an address of the fake device."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer((ctypes.c_char * size).from_address(address), dtype).reshape(shape)


class FakeStage:
    """An engine of the fake device: reads its inputs from, and writes its outputs to, the addresses it was bound to.

    Args:
        answer: maps {name: array} to {name: array}.
    """

    def __init__(self, cuda, name, inputs, outputs, answer, scratch_bytes=4096):
        self.inputs, self.outputs, self.scratch_bytes = inputs, outputs, scratch_bytes
        self.scratch, self.bound = None, {}
        self._cuda, self._name, self._answer = cuda, name, answer

    def use_scratch(self, address):
        self.scratch = address

    def bind(self, name, address):
        assert name in {tensor.name for tensor in (*self.inputs, *self.outputs)}
        assert address % 256 == 0
        self.bound[name] = address

    def enqueue(self, stream):
        assert stream == STREAM
        assert self.scratch is not None
        bound = dict(self.bound)

        def work():
            given = {each.name: at(bound[each.name], each.shape, each.dtype).copy() for each in self.inputs}
            for name, value in self._answer(given).items():
                tensor = next(each for each in self.outputs if each.name == name)
                at(bound[name], tensor.shape, tensor.dtype)[...] = value

        self._cuda.do(self._name, work)
