"""A module in the place of `tensorrt` that records what is asked of it and answers as it is told.

The real names are checked in tests/contract; what counts here is the order of the calls and what happens on a refusal.
"""

from __future__ import annotations

import enum
from types import ModuleType, SimpleNamespace


def fake_tensorrt(version="10.3.0"):
    """A fresh module. `told` is what it shall answer, `calls` what it was asked."""
    trt = ModuleType("tensorrt")
    trt.__version__ = version
    trt.calls = []
    trt.told = SimpleNamespace(
        parse_error=None, plan=b"plan", says=(), tensors=(), takes_plan=True, takes_address=True, runs=True, loads=True
    )
    trt.DataType = enum.Enum("DataType", "FLOAT HALF INT64 INT32 INT8 UINT8 BOOL FP8")
    trt.TensorIOMode = enum.Enum("TensorIOMode", "INPUT OUTPUT")
    trt.ExecutionContextAllocationStrategy = enum.Enum("ExecutionContextAllocationStrategy", "STATIC USER_MANAGED")
    trt.NetworkDefinitionCreationFlag = enum.IntEnum("NetworkDefinitionCreationFlag", {"STRONGLY_TYPED": 1})
    trt.ProfilingVerbosity = enum.Enum("ProfilingVerbosity", "NONE DETAILED")
    trt.MemoryPoolType = enum.Enum("MemoryPoolType", "WORKSPACE")

    class ILogger:
        Severity = enum.Enum("Severity", "INTERNAL_ERROR ERROR WARNING INFO VERBOSE")

    class IProfiler:
        pass

    class Registry:
        def load_library(self, path):
            trt.calls.append(("load_library", path))
            return object() if trt.told.loads else None

    class Config:
        profiling_verbosity = None

        def set_memory_pool_limit(self, pool, size):
            trt.calls.append(("set_memory_pool_limit", pool.name, size))

        def create_timing_cache(self, known):
            trt.calls.append(("create_timing_cache", known))
            return SimpleNamespace(serialize=lambda: known + b"+timed")

        def set_timing_cache(self, cache, ignore_mismatch):
            self._timing = cache
            trt.calls.append(("set_timing_cache", ignore_mismatch))

        def get_timing_cache(self):
            return self._timing

    class Builder:
        def __init__(self, log):
            self._log = log

        def get_plugin_registry(self):
            return Registry()

        def create_network(self, flags):
            trt.calls.append(("create_network", flags))
            return "network"

        def create_builder_config(self):
            return Config()

        def build_serialized_network(self, network, config):
            trt.calls.append(("build_serialized_network", network, config.profiling_verbosity.name))
            for severity, text in trt.told.says:
                self._log.log(ILogger.Severity[severity], text)
            return trt.told.plan

    class OnnxParser:
        def __init__(self, network, log):
            self._network, self._log = network, log

        @property
        def num_errors(self):
            return 0 if trt.told.parse_error == "" else 1

        def parse_from_file(self, path):
            trt.calls.append(("parse_from_file", path))
            return trt.told.parse_error is None

        def parse(self, model, path):
            trt.calls.append(("parse", model, path))
            return trt.told.parse_error is None

        def get_error(self, _index):
            answers = {"node_operator": "Attention", "node_name": "block 3", "node": 7, "desc": trt.told.parse_error}
            return SimpleNamespace(**{name: lambda value=value: value for name, value in answers.items()})

    class Context:
        profiler = None
        enqueue_emits_profile = True

        def set_device_memory(self, address, size):
            trt.calls.append(("set_device_memory", address, size))

        def set_tensor_address(self, name, address):
            trt.calls.append(("set_tensor_address", name, address))
            return trt.told.takes_address

        def execute_async_v3(self, stream):
            trt.calls.append(("execute_async_v3", stream))
            return trt.told.runs

        def report_to_profiler(self):
            self.profiler.report_layer_time("conv", 2.0)
            self.profiler.report_layer_time("gemm", 1.0)

    class Engine:
        device_memory_size_v2 = 12345
        num_io_tensors = property(lambda _: len(trt.told.tensors))

        def _tensor(self, name):
            return next(each for each in trt.told.tensors if each[0] == name)

        def get_tensor_name(self, index):
            return trt.told.tensors[index][0]

        def get_tensor_mode(self, name):
            return trt.TensorIOMode[self._tensor(name)[1]]

        def get_tensor_dtype(self, name):
            return trt.DataType[self._tensor(name)[2]]

        def get_tensor_shape(self, name):
            return self._tensor(name)[3]

        def create_execution_context(self, strategy):
            trt.calls.append(("create_execution_context", strategy.name))
            return Context()

    class Runtime:
        def __init__(self, log):
            self._log = log

        def get_plugin_registry(self):
            return Registry()

        def deserialize_cuda_engine(self, plan):
            trt.calls.append(("deserialize_cuda_engine", plan))
            if trt.told.takes_plan:
                return Engine()
            self._log.log(ILogger.Severity.ERROR, "engine plan file is not\n compatible with this version")
            return None

    for kind in (ILogger, IProfiler, Builder, OnnxParser, Runtime):
        setattr(trt, kind.__name__, kind)
    for name in ("IBuilderConfig", "ICudaEngine", "IExecutionContext", "IHostMemory", "INetworkDefinition"):
        setattr(trt, name, object)
    for name in ("IPluginRegistry", "ITimingCache", "ParserError"):
        setattr(trt, name, object)
    return trt
