"""ONNX to a TensorRT plan: strongly typed, static shapes, the same calls from 10.1 to 11."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorrt as trt

from edgevla.engine.base import EngineError, GraphRefused
from edgevla.engine.cache import write_whole
from edgevla.engine.capabilities import capabilities
from edgevla.engine.decode_node import append_decode
from edgevla.engine.tensorrt_log import Log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgevla.engine.decode_node import DecodeNode
    from edgevla.engine.decoding import Decoding


class BuildFailed(EngineError):
    """TensorRT gave up. Nothing was written."""


def build_plan(
    graph: Path,
    plan: Path,
    *,
    decoding: Decoding | None = None,
    timing: Path | None = None,
    workspace_mb: int = 0,
    configure: Callable[[trt.IBuilderConfig], None] | None = None,
) -> tuple[str, ...]:
    """Parse a graph, build an engine for the device of this machine and write it.

    Args:
        plan: the file to write, whole or not at all.
        decoding: what to append to the graph, and the plugin that runs it.
        timing: a timing cache: read if it is there, written when the engine is.
        workspace_mb: how much scratch memory a layer may use; 0 leaves it to TensorRT.
        configure: has the last word about the configuration.

    Returns:
        What TensorRT warned of.

    Raises:
        EngineMissing: this version of TensorRT is not supported.
        GraphRefused: it cannot be parsed; the message names the node. Or its output cannot be decoded.
        BuildFailed: it cannot be built: not enough memory, no implementation for a layer.
        CacheUnusable: the plan cannot be written.
    """
    capabilities(trt.__version__)
    log = Log()
    builder = trt.Builder(log)
    if decoding is not None:
        registry: trt.IPluginRegistry = builder.get_plugin_registry()
        if registry.load_library(str(decoding.library)) is None:
            raise BuildFailed(
                f"{decoding.library}: TensorRT cannot load it: {log.why()}", fix="make kernels builds it again"
            )
    network: trt.INetworkDefinition = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    _parse(graph, None if decoding is None else decoding.node, network, log)
    config: trt.IBuilderConfig = builder.create_builder_config()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    if workspace_mb:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace_mb << 20)
    if timing is not None:
        known = timing.read_bytes() if timing.exists() else b""
        cache: trt.ITimingCache = config.create_timing_cache(known)
        config.set_timing_cache(cache, False)
    if configure is not None:
        configure(config)
    serialized: trt.IHostMemory | None = builder.build_serialized_network(network, config)
    if serialized is None:
        raise BuildFailed(f"{graph}: TensorRT {trt.__version__} cannot build it: {log.why()}", fix=_way_out(log))
    write_whole(plan, memoryview(serialized))
    if timing is not None:
        timed: trt.ITimingCache = config.get_timing_cache()
        write_whole(timing, memoryview(timed.serialize()))
    return tuple(log.warnings)


def _parse(graph: Path, decode: DecodeNode | None, network: trt.INetworkDefinition, log: Log) -> None:
    parser = trt.OnnxParser(network, log)
    if decode is None:
        parsed: bool = parser.parse_from_file(str(graph))
    else:
        import onnx

        model = append_decode(onnx.load(str(graph), load_external_data=False), decode)
        parsed = parser.parse(model.SerializeToString(), str(graph))  # the path: weights lie beside it
    if parsed:
        return
    if parser.num_errors == 0:
        raise GraphRefused(f"{graph}: TensorRT cannot parse it: {log.why()}", fix="export the graph again")
    error: trt.ParserError = parser.get_error(0)
    operator: str = error.node_operator()
    node = f"node {error.node_name() or error.node()} ({operator}): " if operator else ""
    said: str = error.desc()
    raise GraphRefused(
        f"{graph}: TensorRT {trt.__version__} cannot parse it: {node}{' '.join(said.split())}",
        fix="edgevla lint says what TensorRT takes",
    )


def _way_out(log: Log) -> str:
    said = " ".join(log.warnings).lower()
    if "memory" in said:
        return "close other programs, or give a smaller --workspace-mb"
    return "edgevla lint says what TensorRT takes"
