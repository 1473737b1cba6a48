"""What Triton's Python backend runs, where a server has no ONNX backend: `model.onnx` beside this file, on onnxruntime.

Copied into a model repository by `edgevla build --target triton --backend python`. It knows nothing of this package:
the server needs Triton, numpy and onnxruntime. The class and its methods have the names that Triton asks for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as triton  # type: ignore[import-not-found]


def _check_numpy() -> None:
    """Refuse a NumPy that Triton cannot read.

    A backend that was built for NumPy 1 takes every element of NumPy 2 to be 0 bytes long: each input is its first
    element over and over, each output empty, and nothing says so.
    """
    numbers = np.arange(4, dtype=np.float32)
    # Through a tensor, whose memory Triton frees: it gives NumPy's own back under a name that NumPy 1 does not take.
    through = triton.Tensor.from_dlpack("numbers", triton.Tensor("numbers", numbers))
    if not np.array_equal(through.as_numpy(), numbers):
        raise triton.TritonModelException(
            f"Triton's Python backend cannot read arrays of NumPy {np.__version__} - install numpy<2 for the server"
        )


class TritonPythonModel:
    """One graph, one request at a time, on one thread that does not spin, as the engine `cpu` runs it."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the graph."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        graph = Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        providers = ["CUDAExecutionProvider"] if args["model_instance_kind"] == "GPU" else ["CPUExecutionProvider"]
        self._session = onnxruntime.InferenceSession(str(graph), options, providers=providers)
        if self._session.get_providers()[0] != providers[0]:
            raise triton.TritonModelException(f"{graph}: onnxruntime here has no {providers[0]}")
        _check_numpy()
        self._inputs = [each.name for each in self._session.get_inputs()]
        self._outputs = [each.name for each in self._session.get_outputs()]

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request, or say what went wrong with it."""
        responses = []
        for request in requests:
            feeds = {name: triton.get_input_tensor_by_name(request, name).as_numpy() for name in self._inputs}
            try:
                values = self._session.run(self._outputs, feeds)
            except Exception as error:  # onnxruntime's errors have no common class
                responses.append(triton.InferenceResponse(output_tensors=[], error=triton.TritonError(str(error))))
                continue
            outputs = [triton.Tensor(name, value) for name, value in zip(self._outputs, values, strict=True)]
            responses.append(triton.InferenceResponse(output_tensors=outputs))
        return responses
