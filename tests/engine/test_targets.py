"""The machines that engines are built for, and what they can and cannot compute."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgevla.engine.base import EngineMissing, GraphRefused
from edgevla.engine.capabilities import NEEDS, capabilities, check_types
from edgevla.engine.graph import GraphFacts
from edgevla.engine.targets import Device, TargetElsewhere, TargetUnknown, check_is_here, target, targets
from tests.engine.fake_cuda import DISCRETE, ORIN

GB = 10**9
MODULES = {
    "orin-agx-64": ORIN,
    "orin-nx-16": replace(ORIN, multiprocessors=8, memory_bytes=int(15.3 * 2**30)),
    "orin-nano-8": replace(ORIN, multiprocessors=8, memory_bytes=int(7.4 * 2**30)),
    "thor": Device("NVIDIA Thor", (11, 0), 20, 123 * 2**30, "13.2", integrated=True),
}


def test_the_promised_targets_are_there_with_a_source_for_each_figure():
    assert targets().keys() == {*MODULES, "cpu"}
    assert all(entry.source for entry in targets().values())


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_told_by_capability_multiprocessors_and_memory(name):
    assert [other for other in targets() if target(other).is_device(MODULES[name])] == [name]


@pytest.mark.parametrize(
    ("name", "cores", "ghz"),
    [("orin-agx-64", 64, 1.3), ("orin-nx-16", 32, 0.918), ("orin-nano-8", 32, 1.02)],
)
def test_an_ampere_peak_is_1024_dense_int8_operations_a_core_and_clock(name, cores, ghz):
    assert target(name).int8_tops_dense == pytest.approx(1024 * cores * ghz / 1e3, rel=0.01)
    assert target(name).fp16_tflops == pytest.approx(target(name).int8_tops_dense / 2, rel=0.01)


def test_an_unknown_target_lists_the_known_ones():
    with pytest.raises(TargetUnknown, match=r'no target "tx2" - use one of: orin-agx-64, .*cpu'):
        target("tx2")


def test_a_build_for_another_machine_is_refused_with_the_way_out():
    with pytest.raises(
        TargetElsewhere, match=r'"thor" must be built on it; this machine has Orin \(sm_87.*orin-agx-64'
    ):
        check_is_here("thor", ORIN)
    with pytest.raises(TargetElsewhere, match=r"NVIDIA H200 \(sm_90.* --target gpu builds for this one"):
        check_is_here("orin-nx-16", DISCRETE)


def test_a_build_for_this_machine_passes():
    check_is_here("orin-agx-64", ORIN)
    check_is_here("gpu", DISCRETE)


@pytest.mark.parametrize(
    ("version", "strong_typing", "plugin_namespace"),
    [
        ("10.1.0", "asked for", "attribute"),
        ("10.3.0", "asked for", "attribute"),
        ("10.9.0.34", "asked for", "attribute"),
        ("10.16.2", "asked for", "domain"),
        ("11.4.1", "always", "domain"),
    ],
)
def test_what_a_version_of_tensorrt_can_do_stands_in_a_table(version, strong_typing, plugin_namespace):
    row = capabilities(version)
    assert (row.strong_typing, row.plugin_namespace) == (strong_typing, plugin_namespace)


@pytest.mark.parametrize("version", ["8.6.1", "10.0.1", "12.0.0"])
def test_a_version_outside_the_table_is_refused(version):
    with pytest.raises(EngineMissing, match=f"TensorRT {version} is not supported; 10.1 up to"):
        capabilities(version)


def facts(*dtypes):
    return GraphFacts(Path("policy.onnx"), (), frozenset({"FLOAT", "INT8", *dtypes}))


@pytest.mark.parametrize("dtype", ["FLOAT8E4M3FN", "FLOAT4E2M1"])
def test_what_orin_does_not_compute_is_refused_with_the_reason(dtype):
    has = "".join(map(str, NEEDS[dtype]))
    with pytest.raises(GraphRefused, match=rf"uses {dtype}; .*orin-agx-64 \(sm_87\) lack it, sm_{has} is the first"):
        check_types(facts(dtype), (8, 7), "orin-agx-64")


def test_what_the_gpu_computes_passes():
    check_types(facts("BFLOAT16", "FLOAT16"), (8, 7), "orin-agx-64")
    check_types(facts("FLOAT8E4M3FN", "FLOAT4E2M1"), (11, 0), "thor")
