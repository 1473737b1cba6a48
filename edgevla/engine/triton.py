"""The triton member: a graph on another machine, by gRPC. The bounds stay here; a stalled network is a failed chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException, np_to_triton_dtype, triton_to_np_dtype

from edgevla.engine.base import EngineFailed, EngineMissing, GraphRefused, Tensor, check_inputs
from edgevla.engine.fingerprint import Fingerprint
from edgevla.engine.triton_address import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from edgevla.engine.graph import GraphFacts
    from edgevla.engine.triton_address import TritonAddress

_FIRST_DEADLINE_S = 30.0  # the server may load the model, or wake its GPU
# gRPC would wait up to two minutes before it tries a lost server again.
_CHANNEL = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1000)]


class TritonEngine:
    """See `edgevla.engine.base.Engine`.

    Without a version in the address it is the newest that the server has now, and stays that one: a model that is put
    there later is not what was verified.

    Raises:
        EngineMissing: nobody answers there, or the server has no such model.
        GraphRefused: a tensor of the model has a free dimension, other than the batch's, or a type numpy lacks.
    """

    def __init__(self, address: TritonAddress) -> None:
        self.address = address
        self._client = _connect(address)
        try:
            server = self._client.get_server_metadata(client_timeout=_FIRST_DEADLINE_S)
            model = self._client.get_model_metadata(address.model, address.version, client_timeout=_FIRST_DEADLINE_S)
        except InferenceServerException as error:
            self._client.close()
            raise EngineMissing(
                f"triton {address}: {_reason(error)}", fix="check that the server runs and has the model"
            ) from None
        self.version = address.version or max(model.versions, key=lambda text: (len(text), text), default="")
        self.provider = f"{server.name} {server.version}, {address} version {self.version or '-'}"
        self.inputs = _tensors(address, model.inputs)
        self.outputs = _tensors(address, model.outputs)
        self._wanted = [InferRequestedOutput(tensor.name) for tensor in self.outputs]
        self._deadline_s = _FIRST_DEADLINE_S

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """Ask the server once, see `Engine.run`; from the second time on, within the address's deadline.

        Raises:
            ValueError: an input is missing, unknown, or of another dtype or shape.
            EngineFailed: no answer in time, an error, or an answer of another shape.
        """
        check_inputs(self.inputs, inputs)
        asked = []
        for tensor in self.inputs:
            given = InferInput(tensor.name, tensor.shape, np_to_triton_dtype(np.dtype(tensor.dtype)))
            given.set_data_from_numpy(np.ascontiguousarray(inputs[tensor.name]))
            asked.append(given)
        try:
            answer = self._client.infer(
                self.address.model,
                asked,
                model_version=self.version,
                outputs=self._wanted,
                client_timeout=self._deadline_s,
            )
            values = {tensor.name: answer.as_numpy(tensor.name) for tensor in self.outputs}
        except InferenceServerException as error:
            raise EngineFailed(f"triton {self.address}: {_reason(error)}") from None
        except ValueError as error:  # fewer bytes than the shape in the answer needs
            raise EngineFailed(f"triton {self.address}: a malformed answer: {error}") from None
        for tensor in self.outputs:
            value = values[tensor.name]
            if value is None or (str(value.dtype), value.shape) != (tensor.dtype, tensor.shape):
                found = "nothing" if value is None else Tensor(tensor.name, str(value.dtype), value.shape)
                raise EngineFailed(f"triton {self.address}: promised {tensor}, answered {found}")
        self._deadline_s = self.address.deadline_s
        return values

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def open_server(text: str, model: str) -> TritonEngine:
    """Connect to what `edgevla.engine.triton_address.parse` reads.

    Raises:
        AddressRefused: the address cannot be understood, or would send pictures over an open network.
        EngineMissing: nobody answers there, or the server has no such model.
        GraphRefused: a tensor of the model has a free dimension.
    """
    return TritonEngine(parse(text, model))


def fingerprint(graph: GraphFacts, text: str) -> Fingerprint:
    """What the figures of a verification depend on: the server, the model and its version, as it says them.

    Raises:
        EngineMissing: nobody answers there.
    """
    engine = open_server(text, graph.path.stem)
    try:
        return Fingerprint(
            graph=graph.sha256(),
            plugin="",
            runtime=engine.provider,
            device=str(engine.address),
            compute_capability="",
            cuda="",
            flags=(),
        )
    finally:
        engine.close()


def _connect(address: TritonAddress) -> InferenceServerClient:
    files = {"root_certificates": address.ca, "certificate_chain": address.certificate, "private_key": address.key}
    names = {key: str(path) for key, path in files.items() if path is not None}
    return InferenceServerClient(address.netloc, ssl=address.tls, channel_args=_CHANNEL, **names)


def _tensors(address: TritonAddress, described: Iterable[Any]) -> tuple[Tensor, ...]:
    tensors = []
    for each in described:
        # A model that batches says -1 first; a policy always asks for one.
        shape = tuple(1 if index == 0 and size == -1 else int(size) for index, size in enumerate(each.shape))
        dtype = triton_to_np_dtype(each.datatype)
        if dtype is None or np.dtype(dtype).kind not in "fiub" or any(size < 1 for size in shape):
            raise GraphRefused(
                f"triton {address}: {each.name} is {each.datatype} with the shape {list(each.shape)}",
                fix="serve the graph with fixed shapes, and numbers that numpy knows",
            )
        tensors.append(Tensor(each.name, np.dtype(dtype).name, shape))
    return tuple(tensors)


def _reason(error: InferenceServerException) -> str:
    code = (error.status() or "").removeprefix("StatusCode.").replace("_", " ").lower()
    said = " ".join(str(error.message() or "").split())
    return f"{code}: {said}" if code else said
