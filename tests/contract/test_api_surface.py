"""Every name that our sources use of TensorRT and CUDA exists in each version that a Jetson may have.

The names are read from the sources. The bindings are the real ones; the libraries below them are stubs.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgevla.engine.capabilities import capabilities
from tests.contract.names import used

ENGINE = Path(__file__).parents[2] / "edgevla" / "engine"
OURS = ("tensorrt_log", "tensorrt_build", "tensorrt_session", "tensorrt_engine")


def names(module):
    found = used(sorted(ENGINE.glob("*.py")), module)
    assert found.unclear == []
    return found.names


@pytest.mark.parametrize(
    ("version", "major", "strong_typing"),
    [("10.3", 10, "asked for"), ("10.16", 10, "asked for"), ("11.4", 11, "always")],
)
def test_tensorrt(version, major, strong_typing, wheels, stubs, in_subprocess, tmp_path):
    wanted = names("tensorrt")
    assert {"Builder.create_network", "IExecutionContext.execute_async_v3", "DataType.INT8"} <= wanted
    (tmp_path / "names.json").write_text(json.dumps(sorted(wanted)))
    folder = wheels(f"tensorrt-{version}")
    modules = [f"edgevla.engine.{name}" for name in OURS]
    arguments = ("tensorrt_bindings", "tensorrt", tmp_path / "names.json", *modules)
    found = in_subprocess("surface.py", *arguments, wheels=folder, libraries=stubs(major))
    assert found["version"].startswith(version)
    assert found["missing"] == []
    assert found["imported"] == modules
    assert capabilities(found["version"]).strong_typing == strong_typing


def test_a_name_that_a_version_lacks_is_found(wheels, stubs, in_subprocess, tmp_path):
    """TensorRT 11 has neither the calibrators nor the precision flags of 10."""
    (tmp_path / "names.json").write_text(json.dumps(["BuilderFlag.INT8", "IInt8Calibrator", "BuilderFlag.TF32"]))
    found = in_subprocess(
        "surface.py",
        "tensorrt_bindings",
        "tensorrt",
        tmp_path / "names.json",
        wheels=wheels("tensorrt-11.4"),
        libraries=stubs(11),
    )
    assert found["missing"] == ["BuilderFlag.INT8", "IInt8Calibrator"]


@pytest.mark.parametrize("version", ["12", "13"])
def test_cuda_bindings(version, wheels, in_subprocess, tmp_path):
    wanted = names("cuda.bindings.runtime")
    assert "cudaStreamBeginCapture" in wanted
    (tmp_path / "names.json").write_text(json.dumps(sorted(wanted)))
    arguments = ("cuda.bindings.runtime", "cuda.bindings.runtime", tmp_path / "names.json")
    assert in_subprocess("surface.py", *arguments, wheels=wheels(f"cuda-{version}"))["missing"] == []


def test_names_are_read_from_the_sources_with_the_class_of_their_object(tmp_path):
    path = tmp_path / "ours.py"
    path.write_text(
        "import tensorrt as trt\n"
        "class A:\n"
        "    def __init__(self, config: trt.IBuilderConfig | None):\n"
        "        engine: trt.ICudaEngine = trt.Runtime(1).deserialize(2)\n"
        "        self._engine, self.other = engine, 3\n"
        "        config.flag = trt.BuilderFlag.TF32\n"
        "    def run(self):\n"
        "        self._engine.go()\n"
        "        self.other.bit_length()\n"
        "        parser = trt.OnnxParser()\n"
        "        error = parser.get_error(0)\n"
        "        error.desc()\n"
    )
    found = used([path], "tensorrt")
    assert found.names == {
        "BuilderFlag",
        "BuilderFlag.TF32",
        "IBuilderConfig",
        "IBuilderConfig.flag",
        "ICudaEngine",
        "ICudaEngine.go",
        "OnnxParser",
        "OnnxParser.get_error",
        "Runtime",
        "Runtime.deserialize",
    }
    assert found.unclear == ["ours.py:12: error.desc"]
