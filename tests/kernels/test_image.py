"""The camera kernel, as a CPU runs it and as a GPU would: equal to NumPy bit for bit, and to OpenCV within a level."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevla.engine.native import NativeFailed
from edgevla.engine.native_image import BGR, CUT, LETTERBOX, NV12, RGB, ImageArgs, levels, quantised
from edgevla.policy.picture import Picture
from tests.examples import examples
from tests.kernels.decoding import library
from tests.kernels.image_by_numpy import tensor_of

LAYOUTS = {"rgb": RGB, "bgr": BGR, "nv12": NV12}
FITS = {"cut": CUT, "letterbox": LETTERBOX}
TABLES = {
    "float32": levels(),
    "normalised": levels(mean=np.float32([0.485, 0.456, 0.406]), std=np.float32([0.229, 0.224, 0.225])),
    "float16": levels(0.5, 0.5).astype(np.float16),
    "int8": quantised(levels(0.5, 0.5), 1 / 100),
}
SIZES = [
    (48, 64, 24, 24),  # two by two, and a cut
    (36, 24, 12, 8),  # three by three
    (37, 41, 5, 7),  # areas with partial pixels
    (24, 30, 24, 30),  # as it is
    (20, 14, 31, 30),  # growing
    (26, 60, 24, 59),  # one side shrinks, the other grows
    (1, 1, 3, 2),
    (90, 2, 4, 4),
]


@pytest.fixture(params=["host", "emulated"])
def kernels(request):
    return library(request.param)


def shot(draw, height, width, layout="rgb"):
    """A picture in which every pixel differs from its neighbours."""
    if layout == "nv12":
        return draw.integers(0, 256, (height * 3 // 2, width), np.uint8)
    return draw.integers(0, 256, (height, width, 3), np.uint8)


def run(kernels, picture, height, width, layout="rgb", fit="cut", table=TABLES["float32"], pad_level=0):
    source_height = picture.shape[0] * 2 // 3 if layout == "nv12" else picture.shape[0]
    planes = np.ascontiguousarray(picture).reshape(len(picture), -1)
    args = ImageArgs(
        pixels=LAYOUTS[layout], fit=FITS[fit], source_height=source_height, source_width=picture.shape[1],
        row_bytes=planes.shape[1], height=height, width=width, element_bytes=table.itemsize, pad_level=pad_level,
    )  # fmt: skip
    tensor = np.empty((3, height, width), table.dtype)
    args.point(taps=kernels.plan(args), levels=table, picture=planes[:source_height], tensor=tensor)
    if layout == "nv12":
        args.point(chroma=planes[source_height:])
    kernels.prepare("edgevla_image", args)()
    return tensor


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("fit", FITS)
def test_every_way_to_resize_equals_numpy(kernels, size, fit):
    picture = shot(np.random.default_rng(sum(size)), *size[:2])
    tensor = run(kernels, picture, *size[2:], fit=fit, pad_level=7)
    np.testing.assert_array_equal(tensor, tensor_of(picture, "rgb", *size[2:], fit, TABLES["float32"], 7))


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_and_element_equals_numpy(kernels, layout, table):
    picture = shot(np.random.default_rng(5), 30, 44, layout)
    tensor = run(kernels, picture, 16, 16, layout, "letterbox", TABLES[table], 114)
    expected = tensor_of(picture, layout, 16, 16, "letterbox", TABLES[table], 114)
    assert tensor.dtype == expected.dtype
    np.testing.assert_array_equal(tensor, expected)


@settings(max_examples=examples(60), deadline=None)
@given(
    size=st.tuples(*[st.integers(1, 70)] * 2, *[st.integers(1, 40)] * 2),
    layout=st.sampled_from(["rgb", "bgr"]),
    fit=st.sampled_from(sorted(FITS)),
    seed=st.integers(0, 2**32),
)
def test_any_size_equals_numpy(size, layout, fit, seed):
    picture = shot(np.random.default_rng(seed), *size[:2])
    tensor = run(library("host"), picture, *size[2:], layout, fit)
    np.testing.assert_array_equal(tensor, tensor_of(picture, layout, *size[2:], fit, TABLES["float32"], 0))


@pytest.mark.parametrize("size", [(480, 640, 96, 96), (480, 640, 224, 224), (97, 131, 96, 96), (192, 256, 96, 96)])
def test_a_picture_that_shrinks_is_the_one_that_policies_are_given(size):
    """Level for level on x86-64. Elsewhere OpenCV may fuse its multiply-adds, which moves a level in a thousand."""
    picture = shot(np.random.default_rng(1), *size[:2])
    apart = levels_apart(run(library("host"), picture, *size[2:]), Picture(*size[2:])(picture)[0])
    assert apart.max() <= 1
    assert apart.mean() < 1e-3


@pytest.mark.parametrize("size", [(60, 80, 96, 96), (2, 2, 4, 4), (96, 199, 96, 200), (20, 14, 31, 30)])
def test_a_picture_that_grows_is_within_a_level_because_opencv_weighs_in_steps_of_a_2048th(size):
    picture = shot(np.random.default_rng(2), *size[:2])
    assert levels_apart(run(library("host"), picture, *size[2:]), Picture(*size[2:])(picture)[0]).max() <= 1


def test_nv12_has_the_colours_of_opencv():
    planes = shot(np.random.default_rng(3), 60, 80, "nv12")
    expected = Picture(24, 24)(cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_NV12))[0]
    apart = levels_apart(run(library("host"), planes, 24, 24, "nv12"), expected)
    assert apart.max() <= 1
    assert apart.mean() < 1e-2


def levels_apart(left, right):
    return np.abs(np.rint(left * 255) - np.rint(right * 255))


def test_a_letterbox_keeps_the_whole_picture_between_even_bars():
    tensor = run(library("host"), np.full((10, 20, 3), 255, np.uint8), 8, 8, fit="letterbox", pad_level=51)
    np.testing.assert_array_equal(np.rint(tensor[0, :, 3] * 255), [51, 51, 255, 255, 255, 255, 51, 51])


def test_a_cut_loses_the_sides_evenly():
    picture = np.zeros((12, 20, 3), np.uint8)
    picture[:, 4:16] = 255
    np.testing.assert_array_equal(run(library("host"), picture, 6, 6), 1.0)


def test_what_stands_behind_a_row_is_not_looked_at(kernels):
    picture = shot(np.random.default_rng(4), 12, 16)
    planes = np.full((12, 64), 255, np.uint8)
    planes[:, :48] = picture.reshape(12, 48)
    args = ImageArgs(
        pixels=RGB, fit=CUT, source_height=12, source_width=16, row_bytes=64, height=6, width=8, element_bytes=4
    )
    tensor = np.empty((3, 6, 8), np.float32)
    args.point(taps=kernels.plan(args), levels=TABLES["float32"], picture=planes, tensor=tensor)
    kernels.prepare("edgevla_image", args)()
    np.testing.assert_array_equal(tensor, run(kernels, picture, 6, 8))


GOOD = {
    "pixels": RGB, "fit": CUT, "source_height": 8, "source_width": 8, "row_bytes": 24, "height": 4, "width": 4,
    "element_bytes": 4, "pad_level": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        {"pixels": 3},
        {"pixels": -1},
        {"fit": 2},
        {"source_height": 0},
        {"source_width": 16385, "row_bytes": 49155},
        {"row_bytes": 23},
        {"height": 0},
        {"width": -1},
        {"element_bytes": 3},
        {"pad_level": 256},
        {"pixels": NV12, "source_height": 7},
        {"pixels": NV12, "row_bytes": 7},
    ],
    ids=str,
)
def test_what_is_out_of_range_is_refused_when_it_is_planned(kernels, wrong):
    with pytest.raises(NativeFailed, match="out of range"):
        kernels.plan(ImageArgs(**{**GOOD, **wrong}))


@pytest.mark.parametrize("missing", ["taps", "levels", "picture", "tensor", "plan"])
def test_a_picture_without_all_that_it_takes_is_refused(kernels, missing):
    args = ImageArgs(**GOOD)
    tensor = np.full((3, 4, 4), 5.0, np.float32)
    arrays = {
        "taps": kernels.plan(args),
        "levels": TABLES["float32"],
        "picture": np.zeros((8, 24), np.uint8),
        "tensor": tensor,
    }
    args.point(**{name: array for name, array in arrays.items() if name != missing})
    if missing == "plan":
        args.place_height = 0
    with pytest.raises(NativeFailed, match="edgevla_image"):
        kernels.prepare("edgevla_image", args)()
    assert (tensor == 5.0).all()
