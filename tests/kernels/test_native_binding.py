"""The Python side of the kernels: the same structs as in C, arrays of the right shape only, and no silent stand-in."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
from ctypes import c_double, c_float, c_int32, c_uint32, c_void_p, sizeof

import numpy as np
import pytest

from edgevla.config.policy import Normalisation
from edgevla.engine import native
from edgevla.engine.native import Library, NativeFailed, NativeMissing, Statistics, find, why
from edgevla.engine.native_abi import ABI, F16, F32, FUNCTIONS, HALF, REASONS, VERDICT, FinishArgs, FlowArgs, Space
from edgevla.engine.native_image import TAP, ImageArgs, levels, quantised
from edgevla.policy.decode.flow import finish
from edgevla.policy.normalise import Unnormalise
from tests.kernels import building
from tests.kernels.decoding import library

HEADERS = "".join((building.KERNELS / name).read_text() for name in ("edgevla_decode.h", "edgevla_image.h"))
IN_C = {c_int32: "int32_t", c_uint32: "uint32_t", c_float: "float", c_double: "double", Space: "edgevla_space"}
CALLS = {**FUNCTIONS, "edgevla_image": ImageArgs}


def struct_of(function):
    """The struct that a function takes in C."""
    return re.search(rf"int {function}\(const (\w+) \*", HEADERS).group(1)


def statements_about(c_name, fields, size):
    yield f'static_assert(sizeof({c_name}) == {size}, "{c_name}");'
    for name, kind, offset in fields:
        yield f'static_assert(offsetof({c_name}, {name}) == {offset}, "{c_name}.{name}");'
        same = f"std::is_same<decltype({c_name}::{name}), {IN_C.get(kind)}>::value"
        pointer = f"std::is_pointer<decltype({c_name}::{name})>::value"
        yield f'static_assert({pointer if kind is c_void_p else same}, "{c_name}.{name}");'


def ctypes_fields(struct):
    return [(name, kind, getattr(struct, name).offset) for name, kind in struct._fields_]


def numpy_fields(dtype):
    kinds = {"i4": c_int32, "f4": c_float}
    return [(name, kinds[kind.str[1:]], offset) for name, (kind, offset) in dtype.fields.items()]


def test_every_struct_has_the_layout_that_a_c_compiler_gives_it():
    structs = {struct_of(function): struct for function, struct in CALLS.items()} | {"edgevla_space": Space}
    lines = ['#include "edgevla_image.h"', "#include <cstddef>", "#include <type_traits>"]
    for c_name, struct in structs.items():
        lines += statements_about(c_name, ctypes_fields(struct), sizeof(struct))
    for c_name, dtype in (("edgevla_verdict", VERDICT), ("edgevla_tap", TAP)):
        lines += statements_about(c_name, numpy_fields(dtype), dtype.itemsize)
    source = building.folder() / "layout.cpp"
    source.write_text("\n".join(lines))
    building.compiled("layout.o", "-std=c++17", "-c", str(source))


def test_every_function_of_the_headers_is_bound():
    declared = set(re.findall(r"EDGEVLA_API (?:const )?\w+ \*?(edgevla_\w+)\(", HEADERS))
    assert declared == CALLS.keys() | {"edgevla_abi", "edgevla_build", "edgevla_image_plan"}


def test_codes_are_those_of_the_headers():
    codes = {name: int(value) for name, value in re.findall(r"(EDGEVLA_\w+) = (\d+)", HEADERS)}
    assert (codes["EDGEVLA_F32"], codes["EDGEVLA_F16"], codes["EDGEVLA_HALF"]) == (F32, F16, HALF)
    assert codes["EDGEVLA_NOT_AN_ACTION"] == len(REASONS) - 1
    assert f"#define EDGEVLA_ABI {ABI}" in HEADERS


def flow(horizon=4, width=6, dims=3, believed=10.0):
    """A prepared last flow step: its arrays by name, and the call."""
    draw = np.random.default_rng(0)
    arrays = {name: draw.standard_normal((1, horizon, width), np.float32) for name in ("x", "velocity")}
    arrays |= {"actions": np.full((1, horizon, dims), 7.0, np.float32), "verdicts": np.zeros(1, VERDICT)}
    numbers = Unnormalise(Normalisation(kind="quantiles", q01=(-1.0, -2.0, 0.0)[:dims], q99=(1.0, 3.0, 0.5)[:dims]))
    args = FinishArgs(samples=1, horizon=horizon, width=width, dims=dims, type=F32, dt=-0.1)
    args.point(**arrays)
    statistics = Statistics(HALF, believed, numbers.scale, numbers.offset)
    return arrays, numbers, library("host").prepare("edgevla_flow_finish", args, statistics)


def test_a_prepared_call_reads_and_writes_its_arrays_each_time():
    arrays, numbers, call = flow()
    for _ in range(2):
        arrays["velocity"] *= np.float32(1.5)
        call()
        expected = finish(arrays["x"], arrays["velocity"], np.float32(-0.1), numbers)
        np.testing.assert_array_equal(arrays["actions"], expected)
        assert why(arrays["verdicts"][0], "abc") == ""


def test_a_fault_is_named_and_becomes_nan():
    arrays, _, call = flow()
    arrays["x"][0, 2, 1] = np.inf
    call()
    assert why(arrays["verdicts"][0], ["pan", "lift", "gripper"]) == "row 2, lift: is NaN or infinite"
    assert np.isnan(arrays["actions"]).all()


def test_a_number_further_out_than_believed_is_named():
    arrays, _, call = flow(believed=4.0)
    arrays["x"][0, 0, 2] = 100.0
    call()
    assert why(arrays["verdicts"][0], ["pan", "lift", "gripper"]) == "row 0, gripper: is further out than believable"


def test_a_call_keeps_alive_what_it_points_to():
    arrays, _, call = flow()
    actions = arrays["actions"]
    call()
    expected = actions.copy()
    arrays.clear()
    del arrays
    gc.collect()
    junk = [np.full((1, 4, 6), 9.0, np.float32) for _ in range(100)]
    call()
    np.testing.assert_array_equal(actions, expected)
    assert len(junk) == 100


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((1, 4, 5), np.float32),
        np.zeros((4, 6), np.float32),
        np.zeros((1, 4, 6), np.float64),
        np.zeros((1, 6, 4), np.float32).swapaxes(1, 2),
        np.zeros((1, 4, 12), np.float32)[..., ::2],
    ],
)
def test_an_array_that_the_kernel_would_misread_is_refused(array):
    args = FlowArgs(samples=1, horizon=4, width=6, type=F32)
    with pytest.raises(ValueError, match=r"x must be float32 \(1, 4, 6\)"):
        args.point(x=array)


def test_the_type_of_the_network_s_array_is_what_the_struct_says():
    args = FlowArgs(samples=1, horizon=4, width=6, type=F16)
    args.point(velocity=np.zeros((1, 4, 6), np.float16))
    with pytest.raises(ValueError, match="velocity must be float16"):
        args.point(velocity=np.zeros((1, 4, 6), np.float32))


@pytest.mark.parametrize("name", ["edgevla_flow_finish", "edgevla_nothing", "edgevla_image"])
def test_a_call_with_another_s_struct_is_refused(name):
    with pytest.raises(ValueError, match=name):
        library("host").prepare(name, FlowArgs())


def test_wrong_statistics_are_refused():
    with pytest.raises(ValueError, match="offset"):
        Statistics(HALF, 10.0, np.ones(3, np.float32), np.ones(2, np.float32))


def test_statistics_of_other_dimensions_than_the_call_s_are_refused():
    args = FinishArgs(samples=1, horizon=1, width=4, dims=4, type=F32)
    with pytest.raises(ValueError, match="3 dimensions, the call has 4"):
        library("host").prepare(
            "edgevla_flow_finish", args, Statistics(HALF, 10.0, np.ones(3, np.float32), np.ones(3, np.float32))
        )


def test_a_kernel_that_refuses_its_arguments_touches_nothing():
    arrays, _, call = flow()
    call.args.horizon = 0
    with pytest.raises(NativeFailed, match="edgevla_flow_finish failed: an argument"):
        call()
    assert (arrays["actions"] == 7.0).all()


def test_a_table_of_levels_is_what_the_picture_is_scaled_by():
    share = np.arange(256, dtype=np.float32) * np.float32(1 / 255)
    np.testing.assert_array_equal(levels(), [share] * 3)
    np.testing.assert_allclose(levels(0.5, 0.25)[1], (np.arange(256) / 255 - 0.5) / 0.25, atol=1e-6)
    assert quantised(levels(0.5, 0.5), 1 / 100)[0, [0, 255]].tolist() == [-100, 100]
    assert quantised(levels(0.5, 0.5), 1 / 200)[0, [0, 255]].tolist() == [-128, 127]


# ---- finding it ----


def test_a_named_folder_is_the_only_one_that_is_searched(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEVLA_KERNELS", str(tmp_path))
    with pytest.raises(
        NativeMissing, match=rf"libedgevla_host.so is not in {re.escape(str(tmp_path))} - `make kernels`"
    ):
        native.host()
    (tmp_path / "libedgevla_host.so").write_bytes(library("host").path.read_bytes())
    assert native.host().path == tmp_path / "libedgevla_host.so"


def test_without_a_name_every_folder_that_was_searched_is_listed(monkeypatch):
    monkeypatch.delenv("EDGEVLA_KERNELS", raising=False)
    with pytest.raises(NativeMissing, match=r"nothing\.so is not in .*_kernels or .*kernels"):
        find("nothing.so")


def test_a_file_that_is_no_library_is_refused(tmp_path):
    (tmp_path / "libedgevla_host.so").write_text("no library")
    with pytest.raises(NativeMissing, match="cannot be loaded"):
        Library(tmp_path / "libedgevla_host.so")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('extern "C" int edgevla_abi() { return 99; }', f"version 99 of its calls, this package takes {ABI}"),
        ('extern "C" int something() { return 0; }', "edgevla_abi"),
    ],
)
def test_a_library_of_another_version_is_refused(tmp_path, source, words):
    (tmp_path / "other.cpp").write_text(source)
    path = building.compiled(f"libother{len(words)}.so", *building.SHARED, str(tmp_path / "other.cpp"))
    with pytest.raises(NativeMissing, match=words):
        Library(path)


def test_loading_needs_no_torch_and_no_cuda():
    code = "import sys, edgevla.engine.native; sys.exit(bool({'torch', 'pycuda', 'cuda', 'onnx'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
