"""onnxruntime: the engine for every machine without TensorRT, and the reference for those with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnxruntime as ort

from edgevla.engine.base import EngineFailed, EngineMissing, GraphRefused, Tensor, check_inputs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
}


class OrtEngine:
    """An onnxruntime session on one provider.

    Args:
        threads: for the work inside one operator. They do not spin between runs: a spinning thread takes a core from
            the control process. A small graph is slower on two threads than on one.

    Raises:
        EngineMissing: this onnxruntime has no such provider, or did not take it.
        GraphRefused: the graph cannot be loaded, or an input or output has a free dimension.
    """

    def __init__(self, path: Path, provider: str = "CPUExecutionProvider", *, threads: int = 1) -> None:
        available = ort.get_available_providers()
        if provider not in available:
            raise EngineMissing(
                f"onnxruntime {ort.__version__} has no {provider}; it has {', '.join(available)}",
                fix="install the onnxruntime build that has it, or choose the target cpu",
            )
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = (
            4  # errors are raised; lines of its own would stand in the middle of the status table
        )
        try:
            self._session: Any = ort.InferenceSession(str(path), options, providers=[provider])
        except Exception as error:  # onnxruntime's errors have no common class
            raise GraphRefused(f"{path}: onnxruntime cannot load it: {error}", fix="export the graph again") from error
        self.provider: str = self._session.get_providers()[0]
        if self.provider != provider:
            raise EngineMissing(
                f"{path}: asked for {provider}, onnxruntime runs {self.provider}", fix="repair its driver"
            )
        self._session.disable_fallback()  # it would go on with another provider after a run that failed
        self.inputs = tuple(tensor(path, node) for node in self._session.get_inputs())
        self.outputs = tuple(tensor(path, node) for node in self._session.get_outputs())
        self._names = [output.name for output in self.outputs]

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """Run the graph once, see `Engine.run`."""
        check_inputs(self.inputs, inputs)
        try:
            values = self._session.run(self._names, dict(inputs))
        except Exception as error:
            raise EngineFailed(f"{self.provider} failed: {error}") from error
        return dict(zip(self._names, values, strict=True))

    def close(self) -> None:
        """Free the session."""
        self._session = None


def tensor(path: Path, node: ort.NodeArg) -> Tensor:
    """Describe an input or output of a session.

    Raises:
        GraphRefused: it has a free dimension.
    """
    if any(not isinstance(size, int) or size < 1 for size in node.shape):
        raise GraphRefused(
            f"{path}: {node.name} has the shape {node.shape}", fix="export the graph with fixed shapes, batch 1"
        )
    return Tensor(node.name, DTYPES.get(node.type, node.type), tuple(node.shape))
