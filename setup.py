"""Package metadata. Build system and tool settings are in pyproject.toml."""

import subprocess
import sys
from pathlib import Path

from setuptools import Distribution, find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
RUNTIME = ["numpy>=1.26", "PyYAML>=6", "msgspec>=0.18", "typer>=0.15", "rich>=13", "pyserial>=3.5"]
CPU = ["onnx>=1.16", "onnxruntime>=1.18", "opencv-python>=4.8"]
SIM = ["mujoco>=3.2,<4", "PyOpenGL>=3.1"]
REPORT = ["matplotlib>=3.8"]

EXTRAS = {
    "cpu": [*CPU, *REPORT],
    # TensorRT, OpenCV with GStreamer and the CUDA libraries come with JetPack; wheels must not shadow them.
    # JetPack 6's own cv2 was built for NumPy 1.
    "jetson": [
        "numpy<2; python_version < '3.11'",
        "onnx>=1.16",
        "onnxruntime>=1.18",
        "pycuda>=2024.1",
        "cuda-bindings>=12.6",
        *REPORT,
    ],
    "gpu": ["onnx>=1.16", "onnxruntime-gpu>=1.18", "opencv-python>=4.8", *REPORT],
    "sim": [*SIM, *CPU, *REPORT],
    "triton": ["tritonclient[grpc]>=2.50"],  # for a policy that does not fit on the robot
    # uvicorn alone has no WebSocket: wsproto.
    "console": ["starlette>=0.40", "uvicorn>=0.30", "wsproto>=1.2", "prometheus-client>=0.20"],
    "language": ["tokenizers>=0.15"],  # for policies on a language model
    "record": ["mcap>=1.6", "foxglove-schemas-protobuf>=0.4"],
    "dataset": ["pyarrow>=15"],  # recordings for training, in LeRobot's layout
    "import": ["torch>=2.4", "onnxscript>=0.5", *CPU, *REPORT],  # beside the project that a checkpoint comes from
    "distill": ["torch>=2.4", *SIM, *CPU, *REPORT],
    "ray": ["ray>=2.9"],  # demonstrations and evaluations on more machines than one
    "test": [
        "pytest>=8",
        "pytest-timeout>=2.3",
        "pytest-rerunfailures>=14",
        "pytest-xdist>=3.5",
        "hypothesis>=6.100",
        "mypy>=1.10",
        "ruff>=0.6",
        "types-PyYAML",
    ],
    "browser": ["playwright>=1.40"],  # drives a Chromium that the distribution installs
    "mutants": ["mutmut>=3.7"],
}

# The shipped bundles live in engines/ at the top of the repository and travel in the wheel as edgevla/_engines.
BUNDLES = [path.parent.relative_to(HERE).as_posix() for path in sorted(HERE.glob("engines/**/policy.yaml"))]
SHIPPED = {f"edgevla._{folder.replace('/', '.')}": folder for folder in BUNDLES}
TARGETS = {"edgevla._engines": "engines"}
# `edgevla service install` places these.
UNITS = {"edgevla._systemd": "systemd"}


class BuildWithKernels(build_py):
    """Adds the decoding kernels for the processor, where there is a compiler; without them NumPy decodes."""

    def run(self) -> None:
        super().run()
        into = HERE / "kernels/build" if self.editable_mode else Path(self.build_lib, "edgevla/_kernels").resolve()
        build = [sys.executable, str(HERE / "kernels/build_host.py"), "--optional", "--into", str(into)]
        subprocess.run(build, check=True)


class WithKernels(Distribution):
    """Its wheel is for one kind of processor."""

    def has_ext_modules(self) -> bool:
        return True


setup(
    name="edgevla",
    version="0.1.0",
    description="Runs vision-language-action policies on robot arms, inside the bounds you wrote down.",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10,<3.13",
    packages=[*find_packages(include=["edgevla", "edgevla.*"]), *TARGETS, *SHIPPED, *UNITS],
    package_dir={**TARGETS, **SHIPPED, **UNITS},
    package_data={
        "edgevla": ["py.typed"],
        "edgevla.sim": ["assets/*"],
        "edgevla.evaluate.faults": ["*.yaml"],
        "edgevla.plan": ["*.yaml"],
        "edgevla.console": ["static/*"],
        "edgevla._engines": ["targets.yaml"],
        "edgevla._systemd": ["*.service", "*.conf", "*.rules", "*.json"],
        **{name: ["*"] for name in SHIPPED},
    },
    install_requires=RUNTIME,
    extras_require=EXTRAS,
    distclass=WithKernels,
    cmdclass={"build_py": BuildWithKernels},
    entry_points={"console_scripts": ["edgevla=edgevla.cli:main"]},
)
