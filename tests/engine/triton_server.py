"""A server that speaks Triton's gRPC protocol (KServe v2, Triton's own stubs) and runs a graph with onnxruntime.

What Triton adds to the protocol, batching and model loading, is not here; see `real_triton` for Triton itself.
"""

from __future__ import annotations

import threading
from concurrent import futures

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import np_to_triton_dtype, triton_to_np_dtype

from edgevla.engine.ort import OrtEngine

CODES = {"float32": "FP32", "int64": "INT64"}


class TritonServer(service_pb2_grpc.GRPCInferenceServiceServicer):
    """Serves one graph under the name "tiny", until it is closed.

    Args:
        path: the graph.
        port: 0 takes a free one.
        credentials: of the server, for TLS.
        batching: describe the first dimension as free, as a model with a batch size does.
    """

    def __init__(self, path, port=0, credentials=None, *, batching=False):
        self.engine = OrtEngine(path)
        self.stall = threading.Event()  # while it is clear, answers wait
        self.stall.set()
        self.change = lambda response: response
        self.requests = 0
        self.versions = ["9", "10"]
        self.asked = None  # the version in the last request
        self._batching = batching
        self._server = grpc.server(futures.ThreadPoolExecutor(max_workers=4), options=[("grpc.so_reuseport", 0)])
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(self, self._server)
        address = f"127.0.0.1:{port}"
        self.port = (
            self._server.add_insecure_port(address)
            if credentials is None
            else self._server.add_secure_port(address, credentials)
        )
        self._server.start()

    def ServerMetadata(self, request, context):  # noqa: N802 - the protocol's name
        return service_pb2.ServerMetadataResponse(name="triton", version="2.59.0")

    def ModelMetadata(self, request, context):  # noqa: N802 - the protocol's name
        if request.name != "tiny":
            context.abort(grpc.StatusCode.NOT_FOUND, f"Request for unknown model: '{request.name}' is not found")
        kind = service_pb2.ModelMetadataResponse.TensorMetadata
        described = [
            [
                kind(name=each.name, datatype=CODES[each.dtype], shape=[-1 if self._batching else 1, *each.shape[1:]])
                for each in tensors
            ]
            for tensors in (self.engine.inputs, self.engine.outputs)
        ]
        return service_pb2.ModelMetadataResponse(
            name="tiny", versions=self.versions, platform="onnxruntime_onnx", inputs=described[0], outputs=described[1]
        )

    def ModelInfer(self, request, context):  # noqa: N802 - the protocol's name
        self.requests += 1
        self.asked = request.model_version
        self.stall.wait(10)
        inputs = {
            tensor.name: np.frombuffer(raw, triton_to_np_dtype(tensor.datatype)).reshape(tensor.shape)
            for tensor, raw in zip(request.inputs, request.raw_input_contents, strict=True)
        }
        outputs = self.engine.run(inputs)
        response = service_pb2.ModelInferResponse(model_name="tiny", model_version="10")
        for wanted in request.outputs:
            value = outputs[wanted.name]
            response.outputs.add(name=wanted.name, datatype=np_to_triton_dtype(value.dtype), shape=value.shape)
            response.raw_output_contents.append(value.tobytes())
        return self.change(response)

    def close(self):
        self.stall.set()
        self._server.stop(None).wait(5)
