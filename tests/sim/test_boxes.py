"""The distance of two boxes: by hand where they lie square, and MuJoCo's, where it has one, where they do not."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edgevla.sim.boxes import Box, apart_m
from edgevla.sim.graphics import mujoco

SQUARE = np.eye(3)


@pytest.mark.parametrize(
    ("at", "gap"),
    [
        ((0.05, 0.0, 0.0), 0.02),  # face to face
        ((0.05, 0.07, 0.0), np.hypot(0.02, 0.03)),  # edge to edge
        ((0.05, 0.07, 0.05), np.hypot(np.hypot(0.02, 0.03), 0.01)),  # corner to corner
        ((0.03, 0.0, 0.0), 0.0),
    ],
)
def test_boxes_that_lie_square(at, gap):
    first = Box(np.zeros(3), SQUARE, np.array([0.01, 0.02, 0.02]))
    second = Box(np.array(at), SQUARE, np.full(3, 0.02))
    assert apart_m(first, second) == pytest.approx(gap, abs=1e-12)


def test_an_edge_over_a_face_and_two_edges_across():
    flat = Box(np.zeros(3), SQUARE, np.array([0.1, 0.1, 0.01]))
    bar = Box(np.array([0.0, 0.0, 0.05]), turned(np.array([0.0, 0.25 * np.pi, 0.0])), np.array([0.02, 0.1, 0.02]))
    assert apart_m(flat, bar) == pytest.approx(0.04 - 0.02 * np.sqrt(2.0))
    across = Box(np.array([0.0, 0.0, -0.05]), turned(np.array([0.25 * np.pi, 0.0, 0.0])), np.array([0.1, 0.02, 0.02]))
    assert apart_m(bar, across) == pytest.approx(0.1 - 0.04 * np.sqrt(2.0))


HALVES = (np.array([0.2, 0.5, 1.0]), np.array([0.3, 0.4, 0.6]))
MODEL = mujoco.MjModel.from_xml_string(
    "<mujoco><worldbody>"
    + "".join(f'<body><freejoint/><geom type="box" size="{x} {y} {z}" mass="1"/></body>' for x, y, z in HALVES)
    + "</worldbody></mujoco>"
)
DATA = mujoco.MjData(MODEL)
vectors = st.tuples(*[st.floats(-1.5, 1.5)] * 3).map(np.array)


@given(vectors, vectors, vectors)
def test_boxes_that_lie_askew(turn, at, other_turn):
    boxes = [
        Box(centre, turned(by), half)
        for centre, by, half in zip((np.zeros(3), at), (turn, other_turn), HALVES, strict=True)
    ]
    for geom, box in enumerate(boxes):
        DATA.geom_xpos[geom] = box.centre
        DATA.geom_xmat[geom] = box.axes.ravel()
    gap = mujoco.mj_geomDistance(MODEL, DATA, 0, 1, 10.0, None)
    assume(gap > 1e-3)
    assert [apart_m(*boxes), apart_m(*boxes[::-1])] == pytest.approx([gap, gap], abs=1e-5)


def turned(vector):
    """The rotation about a vector by its length."""
    quat, matrix = np.array([1.0, 0.0, 0.0, 0.0]), np.zeros(9)
    mujoco.mju_quatIntegrate(quat, vector, 1.0)
    mujoco.mju_quat2Mat(matrix, quat)
    return matrix.reshape(3, 3)


FIRST_TOUCH = """
import numpy as np
from edgevla.sim.boxes import Box, apart_m
square, half = np.eye(3), np.full(3, 0.01)
def pages(): return int(open("/proc/self/statm").read().split()[0])
before = pages()
apart_m(Box(np.zeros(3), square, half), Box(np.array([0.05, 0.0, 0.0]), square, half))
print((pages() - before) * 4096)
"""


def test_the_first_question_of_a_process_takes_no_memory_to_speak_of():
    """Where memory is locked the servos are silent for as long as its pages take."""
    grown = subprocess.run([sys.executable, "-c", FIRST_TOUCH], check=True, capture_output=True, text=True)
    assert int(grown.stdout) < 2_000_000
