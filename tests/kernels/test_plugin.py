"""The TensorRT plugin: its life from fields to actions, and its place in a real registry.

The driver compiles against NVIDIA's headers where they are (TENSORRT_INCLUDE names their folder), else against
the stand-in beside this file. The registry is TensorRT-lean's, which needs no device; it takes NVIDIA's headers.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgevla.config.policy import Normalisation
from edgevla.policy.decode.flow import finish
from edgevla.policy.decode.tokens import token_values
from edgevla.policy.normalise import Unnormalise
from tests.kernels import building
from tests.kernels.decoding import library

HERE = Path(__file__).parent
LEAN = HERE.parents[1] / ".venv" / "contract" / "tensorrt-lean"
NUMBERS = Unnormalise(Normalisation(kind="quantiles", q01=(-1.0, -0.3, 0.0), q99=(2.0, 0.7, 0.5), eps=1e-6))
FLOAT, INT32 = 0, 3  # nvinfer1::DataType; half is 1
SOURCES = ("trt_creator.cpp", "trt_plugin.cpp", "trt_fields.cpp", "trt_tables.cpp")


def nvidia_headers():
    """The folders with NvInferRuntime.h and cuda_runtime_api.h, or nothing."""
    named = os.environ.get("TENSORRT_INCLUDE")
    tensorrt = (
        [Path(named)] if named else [*Path("/usr/include").glob("*-linux-gnu"), Path("/usr/local/tensorrt/include")]
    )
    cuda = [*Path("/usr/local").glob("cuda*/include"), Path("/usr/include")]
    found = [
        next((folder for folder in folders if (folder / name).is_file()), None)
        for folders, name in ((tensorrt, "NvInferRuntime.h"), (cuda, "cuda_runtime_api.h"))
    ]
    return [word for folder in found for word in ("-isystem", str(folder))] if all(found) else []


def driver():
    headers = nvidia_headers() or [f"-I{HERE / 'tensorrt_stand_in'}"]
    kernels = library("host").path
    return building.compiled(
        "plugin_driver", "-std=c++17", "-O0", *headers, str(HERE / "plugin_driver.cpp"), *SOURCES,
        "trt_memory_host.cpp", str(kernels), f"-Wl,-rpath,{kernels.parent}",
    )  # fmt: skip


def lead(folder, fields, *inputs):
    """Lead a plugin through its life. Returns what it said, and its actions and verdicts, None when it refused."""
    kinds = {str: "c", int: "i", float: "f"}
    lines = []
    for name, value in fields.items():
        values = value if isinstance(value, list) else [value]
        lines.append(" ".join([kinds[type(values[0])], name, *map(str, values)]))
    for index, array in enumerate(inputs):
        lines.append(" ".join(["input", "f16" if array.dtype == np.float16 else "f32", *map(str, array.shape)]))
        (folder / f"input{index}").write_bytes(array.tobytes())
    (folder / "node.txt").write_text("\n".join(lines))
    result = subprocess.run([driver(), folder], capture_output=True, text=True, check=False, timeout=60)
    said = result.stdout.splitlines()
    assert result.returncode in {0, 1}, (result.returncode, said)
    if result.returncode == 1:
        return said, None, None
    shape = next(list(map(int, line.split()[2:])) for line in said if line.startswith(f"output {FLOAT}"))
    actions = np.frombuffer((folder / "actions").read_bytes(), np.float32).reshape(shape)
    return said, actions, np.frombuffer((folder / "verdicts").read_bytes(), np.int32).reshape(-1, 4)


def fields(decode, horizon=5, **more):
    return {
        "decode": decode, "horizon": horizon, "dims": 3, "rule": 1, "believed": 10.0,
        "scale": NUMBERS.scale.tolist(), "offset": NUMBERS.offset.tolist(), **more,
    }  # fmt: skip


def sample(seed, *shape, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape, np.float32).astype(dtype)


def test_it_is_called_what_an_onnx_node_calls_it(tmp_path):
    said, _, _ = lead(tmp_path, fields("unnormalise"), sample(0, 1, 5, 3))
    assert said[0] == "creators 1 DecodeAction 1 edgevla"


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_normalised_numbers_become_actions(tmp_path, dtype):
    normalised = sample(1, 2, 5, 8, dtype=dtype)  # two samples, five columns of padding
    said, actions, verdicts = lead(tmp_path, fields("unnormalise"), normalised)
    assert f"output {FLOAT} 2 5 3" in said
    assert f"output {INT32} 2 4" in said
    np.testing.assert_array_equal(actions, NUMBERS(normalised.astype(np.float32)[..., :3]))
    assert verdicts.tolist() == [[1, 0, -1, 0]] * 2


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_the_last_flow_step_becomes_actions(tmp_path, dtype):
    x, velocity = sample(2, 1, 5, 8), sample(3, 1, 5, 8, dtype=dtype)
    said, actions, verdicts = lead(tmp_path, fields("flow_finish", dt=-0.1), x, velocity)
    np.testing.assert_array_equal(actions, finish(x, velocity.astype(np.float32), np.float32(-0.1), NUMBERS))
    assert verdicts[0, 0] == 1
    assert [line for line in said if line.startswith("types")] == ["types 0", "types 0 1", "types 0", "types 3"]


def test_logits_become_actions(tmp_path):
    """Twice in the driver: the scratch that the first run leaves serves the second."""
    values = token_values("openvla", 16)
    logits = sample(4, 1, 6, 40)
    chosen = np.array([20, 35, 27, 22, 30, 21])
    logits[0, np.arange(6), chosen] = 9.0
    given = fields("token_logits", horizon=2, first=20, values=values.tolist())
    _, actions, verdicts = lead(tmp_path, given, logits)
    np.testing.assert_array_equal(actions, NUMBERS(values[chosen - 20].reshape(1, 2, 3)))
    assert verdicts.tolist() == [[1, 0, -1, 0]]
    logits[0, 3, 5] = 10.0  # the first choice is now no action
    _, actions, verdicts = lead(tmp_path, given, logits)
    assert np.isnan(actions).all()
    assert verdicts[0, :3].tolist() == [0, 3, 3]


def test_bounds_and_a_mask_travel_with_the_engine(tmp_path):
    normalised = sample(5, 1, 5, 3)
    bounds = {"low": [-0.2, -9.0, -0.1], "high": [0.3, 9.0, 0.1]}
    _, actions, verdicts = lead(tmp_path, fields("unnormalise", mask=[1, 1, 0], **bounds), normalised)
    free = NUMBERS(normalised)
    free[..., 2] = normalised[..., 2]
    expected = np.clip(free, np.float32(bounds["low"]), np.float32(bounds["high"]))
    np.testing.assert_array_equal(actions, expected)
    assert verdicts[0, 3] == (expected != free).sum() > 0


def test_a_nan_makes_every_action_of_its_sample_nan(tmp_path):
    normalised = sample(6, 2, 5, 3)
    normalised[1, 2, 1] = np.nan
    _, actions, verdicts = lead(tmp_path, fields("unnormalise"), normalised)
    assert np.isfinite(actions[0]).all()
    assert np.isnan(actions[1]).all()
    assert verdicts[1, :3].tolist() == [0, 1, 7]


def test_what_tensorrt_adds_to_name_the_plugin_is_no_field(tmp_path):
    given = fields("unnormalise", plugin_version="1", plugin_namespace="edgevla")
    assert lead(tmp_path, given, sample(7, 1, 5, 3))[1] is not None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"decode": "guess"}, 'decode is "guess"'),
        ({"scale": [1.0, 2.0]}, "scale has 2 numbers, not 3"),
        ({"high": [1.0]}, "high has 1 numbers, not 3"),
        ({"scale": [1, 2, 3]}, "scale has another type"),
        ({"horizon": [5, 5]}, "horizon has another type or length"),
        ({"offset": [0.0, float("nan"), 0.0]}, "must be finite"),
        ({"rule": 2}, "rule is 2"),
        ({"believed": 0.0}, "believed"),
        ({"dims": 0}, "dims"),
        ({"surprise": 1}, "there is no field surprise"),
        ({"decode": "token_logits"}, "values or first is missing"),
        ({"decode": "flow_finish"}, "dt must be finite and not 0"),
    ],
    ids=str,
)
def test_fields_that_contradict_themselves_are_refused_in_words(tmp_path, change, words):
    said, actions, _ = lead(tmp_path, fields("unnormalise") | change, sample(8, 1, 5, 3))
    assert actions is None
    assert said[-1] == "refused the fields"
    assert any(line.startswith("log DecodeAction: node: ") and words in line for line in said)


@pytest.mark.parametrize("shape", [(1, 4, 3), (1, 5, 2), (5, 3)])
def test_a_tensor_of_another_shape_is_refused(tmp_path, shape):
    said, actions, _ = lead(tmp_path, fields("unnormalise"), sample(9, *shape))
    assert actions is None
    assert said[-1].startswith("refused the ")
    assert any(line.startswith("log DecodeAction: ") for line in said)


REGISTRY = """
import sys
sys.path.insert(0, sys.argv[1])
import tensorrt_lean_bindings as trt, numpy as np
registry = trt.get_plugin_registry()
assert registry.load_library(sys.argv[2]) is not None, "the library is refused"
creator = registry.get_creator("DecodeAction", "1", "edgevla")
assert creator is not None, "no such creator"
kinds = trt.PluginFieldType
def create(scale):
    fields = [
        trt.PluginField("decode", np.frombuffer(b"unnormalise", np.int8), kinds.CHAR),
        trt.PluginField("horizon", np.int32([5]), kinds.INT32),
        trt.PluginField("dims", np.int32([3]), kinds.INT32),
        trt.PluginField("rule", np.int32([1]), kinds.INT32),
        trt.PluginField("believed", np.float32([10]), kinds.FLOAT32),
        trt.PluginField("scale", np.float32(scale), kinds.FLOAT32),
        trt.PluginField("offset", np.float32([0, 0, 0]), kinds.FLOAT32),
    ]
    return creator.create_plugin("node", trt.PluginFieldCollection(fields), trt.TensorRTPhase.BUILD)
assert create([1, 2, 3]) is not None, "good fields are refused"
assert create([1, 2]) is None, "bad fields are taken"
print(trt.__version__, *sorted(field.name for field in creator.field_names))
"""


def plugin_for(memory, headers):
    """The plugin over the processor's memory; or, by nvcc, as it is shipped, which runs on no processor but loads."""
    if memory == "processor":
        kernels = library("host").path
        return building.compiled(
            "libedgevla_trt.so", "-std=c++17", "-O0", "-fvisibility=hidden", *building.SHARED, *headers, *SOURCES,
            "trt_memory_host.cpp", str(kernels), f"-Wl,-rpath,{kernels.parent}",
        )  # fmt: skip
    if shutil.which("nvcc") is None:
        pytest.skip("no nvcc: it comes with CUDA")
    target = building.folder() / "libedgevla_trt_cuda.so"
    sources = [*SOURCES, "trt_memory_cuda.cpp", "decode_launch.cu", "image_launch.cu", "image_plan.cpp"]
    command = ["nvcc", "-std=c++17", "-O1", "-fmad=false", "-arch=sm_87", "-Xcompiler", "-fPIC", "-shared", *headers]
    subprocess.run([*command, *sources, "-o", str(target)], cwd=building.KERNELS, check=True, timeout=170)
    return target


@pytest.mark.parametrize("memory", ["processor", "device"])
def test_a_real_registry_finds_it_and_makes_it(memory):
    headers = nvidia_headers()
    if not headers:
        pytest.skip("no TensorRT headers: set TENSORRT_INCLUDE to the folder with NvInferRuntime.h")
    if not LEAN.is_dir():
        pytest.skip(f"no TensorRT-lean in {LEAN}: `make contract` installs it")
    command = [sys.executable, "-c", REGISTRY, str(LEAN), str(plugin_for(memory, headers))]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stderr
    version, *names = result.stdout.split()[-15:]
    assert names == sorted(
        ["allowed", "believed", "decode", "dims", "dt", "first", "high", "horizon", "low", "mask", "offset", "rule",
         "scale", "values"]
    ), version  # fmt: skip
