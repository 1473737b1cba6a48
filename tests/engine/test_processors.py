"""Which GPU a signature is for, as a driver tells it on a server, on a Jetson, and where it does not."""

from __future__ import annotations

import pytest

from edgevla.engine import ort_build
from edgevla.engine.graph import GraphFacts
from edgevla.engine.processors import graphics

OPEN = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  560.35.03  Release Build  (dvs-builder)"
CLOSED = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024"


@pytest.fixture
def machine(tmp_path):
    def write(*models, version=CLOSED):
        driver = tmp_path / "proc/driver/nvidia"
        for number, model in enumerate(models):
            place = driver / f"gpus/0000:0{number}:00.0"
            place.mkdir(parents=True)
            (place / "information").write_text(f"Model: \t\t {model}\nIRQ:   \t\t 0\n")
        driver.mkdir(parents=True, exist_ok=True)
        (driver / "version").write_text(f"{version}\nGCC version:  gcc version 12.2.0\n")
        return tmp_path

    return write


@pytest.mark.parametrize(("version", "driver"), [(OPEN, "560.35.03"), (CLOSED, "550.54.15")])
def test_a_server_has_a_model_and_a_driver(machine, version, driver):
    assert graphics(machine("NVIDIA L4", "NVIDIA L4", version=version)) == ("NVIDIA L4", driver)


def test_a_jetson_has_a_board_and_a_release(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/nv_tegra_release").write_text("# R36 (release), REVISION: 4.0, GCID: 37537400, BOARD: generic\n")
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "proc/device-tree/model").write_bytes(b"NVIDIA Jetson AGX Orin Developer Kit\x00")
    assert graphics(tmp_path) == ("NVIDIA Jetson AGX Orin Developer Kit", "R36 (release), REVISION: 4.0")


def test_gpus_of_two_kinds_are_no_answer(machine):
    assert graphics(machine("NVIDIA L4", "NVIDIA A100")) == ("", "")


def test_without_a_driver_there_is_no_answer(tmp_path):
    assert graphics(tmp_path) == ("", "")


def test_a_driver_that_hides_its_version_is_no_answer(machine):
    assert graphics(machine("NVIDIA L4", version="")) == ("", "")


def test_on_cuda_the_fingerprint_is_of_the_gpu_and_on_the_cpu_of_the_cpu(tmp_path, monkeypatch):
    (tmp_path / "g.onnx").write_bytes(b"graph")
    graph = GraphFacts(tmp_path / "g.onnx", (), frozenset())
    monkeypatch.setattr(ort_build, "graphics", lambda: ("NVIDIA L4", "550.54.15"))
    monkeypatch.setattr(ort_build, "processor", lambda: "Cortex-A78AE")
    monkeypatch.setattr(ort_build.ort, "cuda_version", "12.4", raising=False)
    on_cuda, on_cpu = ort_build.fingerprint(graph, ort_build.CUDA), ort_build.fingerprint(graph)
    assert (on_cuda.device, on_cuda.cuda) == ("NVIDIA L4", "12.4 on driver 550.54.15")
    assert (on_cpu.device, on_cpu.cuda) == ("Cortex-A78AE", "")
