from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import edgevla.shipped
from edgevla.shipped import NotShipped, shipped

CHECKOUT = Path(__file__).parents[1]


def put_bundle(place: Path, name: str) -> Path:
    folder = place / name
    folder.mkdir(parents=True)
    for file in ("policy.yaml", "policy.onnx", "robot.yaml", "README.md"):
        (folder / file).write_text(f"{name}/{file}")
    return folder


def test_a_bundle_is_found_in_a_checkout_and_in_an_installed_package(tmp_path, monkeypatch):
    wheel, checkout = tmp_path / "edgevla/_engines", tmp_path / "engines"
    monkeypatch.setattr(edgevla.shipped, "_PLACES", (wheel, checkout))
    here, there = put_bundle(checkout, "here"), put_bundle(wheel, "there")
    assert shipped("here") == here
    assert shipped("there") == there


def test_a_name_that_is_not_shipped_lists_those_that_are(tmp_path, monkeypatch):
    monkeypatch.setattr(edgevla.shipped, "_PLACES", (tmp_path / "engines",))
    put_bundle(tmp_path / "engines", "so101-tabletop")
    (tmp_path / "engines/orin-agx-64").mkdir()
    for name in ("orin-agx-64", "so101", "../engines/so101-tabletop", ""):
        with pytest.raises(NotShipped, match=r"comes with this package - use one of: so101-tabletop; or give a path"):
            shipped(name)


def test_an_installed_package_carries_the_bundles_and_finds_them_outside_the_checkout(tmp_path):
    pytest.importorskip("setuptools")
    source, installed = tmp_path / "source", tmp_path / "installed"
    source.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(CHECKOUT / name, source)
    shutil.copytree(CHECKOUT / "edgevla", source / "edgevla", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(CHECKOUT / "kernels", source / "kernels", ignore=shutil.ignore_patterns("build", "__pycache__"))
    shutil.copytree(CHECKOUT / "systemd", source / "systemd")
    put_bundle(source / "engines", "toy-task")
    put_bundle(source / "engines/families", "toy-family")
    (source / "engines/targets.yaml").write_text("")
    # What a wheel holds is what build_py copies; building the archive itself would need more than setuptools.
    build = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(installed)]
    subprocess.run(build, cwd=source, check=True, capture_output=True, timeout=120)
    found = subprocess.run(
        [sys.executable, "-c", "from edgevla.shipped import shipped; print(shipped('toy-task'))"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    folder = Path(found.stdout.strip())
    assert folder == installed / "edgevla/_engines/toy-task"
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "policy.onnx", "policy.yaml", "robot.yaml"]
    assert (installed / "edgevla/_engines/families/toy-family/policy.onnx").is_file()
    assert (installed / "edgevla/_engines/targets.yaml").is_file()
    assert (installed / "edgevla/py.typed").is_file()
    assert (installed / "edgevla/_systemd/edgevla@.service").is_file()
    assert (installed / "edgevla/console/static/page.html").is_file()
    if shutil.which("c++"):
        assert (installed / "edgevla/_kernels/libedgevla_host.so").is_file()
