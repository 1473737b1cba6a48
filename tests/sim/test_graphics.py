"""Which OpenGL is taken, and what a machine without one is told. Each case needs a fresh interpreter."""

import os
import subprocess
import sys

import pytest

PICTURE = (
    "from edgevla.sim.world import World\nw = World(96)\nw.step()\nprint('stepped')\nprint(w.render('front').shape)"
)


def run(code, **environment):
    ours = ("MUJOCO_GL", "LP_NUM_THREADS", "PYOPENGL_PLATFORM")
    inherited = {name: value for name, value in os.environ.items() if name not in ours}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_working_backend_is_found_and_llvmpipe_gets_no_threads():
    done = run("from edgevla.sim.graphics import BACKEND\nimport os\nprint(BACKEND, os.environ['LP_NUM_THREADS'])")
    backend, threads = done.stdout.split()
    assert backend in ("egl", "osmesa")
    assert threads == "0"


def test_what_the_user_has_set_is_left_alone():
    code = "from edgevla.sim.graphics import BACKEND\nimport os\nprint(BACKEND, os.environ['LP_NUM_THREADS'])"
    assert run(code, MUJOCO_GL="disable", LP_NUM_THREADS="3").stdout.split() == ["disable", "3"]


def test_without_opengl_the_physics_runs_and_a_picture_names_the_package():
    done = run(PICTURE, MUJOCO_GL="disable")
    assert done.stdout == "stepped\n"
    assert "GraphicsError" in done.stderr
    assert "apt-get install" in done.stderr


@pytest.mark.parametrize("backend", ["egl", "osmesa"])
def test_a_backend_that_does_not_start_is_named(backend):
    broken = "import mujoco\ndef fail(*a):\n    raise RuntimeError('no display')\nmujoco.Renderer = fail\n"
    done = run("from edgevla.sim import graphics\n" + broken + PICTURE, MUJOCO_GL=backend)
    assert f"MUJOCO_GL={backend}" in done.stderr
    assert "no display" in done.stderr


@pytest.mark.parametrize("environment", [{"MUJOCO_GL": "vulkan"}, {"MUJOCO_GL": "osmesa", "PYOPENGL_PLATFORM": "egl"}])
def test_a_setting_that_cannot_work_is_quoted(environment):
    done = run(PICTURE, **environment)
    assert "GraphicsError" in done.stderr
    assert f"MUJOCO_GL={environment['MUJOCO_GL']}" in done.stderr
