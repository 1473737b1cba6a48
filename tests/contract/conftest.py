from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.fetch import PLACE

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
STUBS = ("nvinfer", "nvinfer_plugin", "nvonnxparser")


@pytest.fixture(scope="session")
def wheels():
    """The folder of a set of wheels, or a skip that says how to get them."""

    def folder(name):
        if not (PLACE / name).is_dir():
            pytest.skip(f"{name} is not here: make contract installs it where its wheels can be had")
        return PLACE / name

    return folder


@pytest.fixture(scope="session")
def stubs(tmp_path_factory):
    """A folder with stub libraries for one major version of TensorRT."""

    def build(major):
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None or platform.system() != "Linux":
            pytest.skip("no C compiler for the stub libraries")
        folder = tmp_path_factory.mktemp(f"stubs-{major}")
        for name in STUBS:
            library = f"lib{name}.so.{major}"
            words = [compiler, "-shared", "-fPIC", f"-Wl,-soname,{library}", "-o", folder / library]
            subprocess.run([*words, HERE / "stub_tensorrt.c"], check=True)
        return folder

    return build


@pytest.fixture(scope="session")
def in_subprocess():
    """Run a script of this folder with foreign wheels on the path, and return the JSON it prints last."""

    def run(script, *arguments, wheels, libraries=None):
        paths = [str(wheels), str(ROOT), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        if libraries is not None:
            environment["LD_LIBRARY_PATH"] = str(libraries)
        words = [sys.executable, str(HERE / script), *map(str, arguments)]
        result = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=120, check=False)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout.splitlines()[-1])

    return run
