"""The real Triton server, from NVIDIA's wheel `nvidia-pytriton`: only the server of it, none of its Python API."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from edgevla.engine.base import EngineMissing
from edgevla.engine.triton import open_server

PLACE = Path(sys.prefix) / "triton"  # an environment of its own: `make triton`
STARTS_S = 60.0


def package() -> Path | None:
    """Where the server lies, if it was installed."""
    return next(PLACE.glob("lib/python3.*/site-packages/pytriton/tritonserver"), None)


class RealTriton:
    """A server of one repository, on a free port of this machine, until it is closed.

    Args:
        folder: for its backends and its log.
        python: the environment in which the Python backend runs models.
    """

    def __init__(self, repository: Path, folder: Path, python: Path = PLACE) -> None:
        server = package()
        assert server is not None
        # The wheel keeps the backend's interpreter apart, one for each version of Python; the server wants it inside.
        version = server.relative_to(PLACE).parts[1].removeprefix("python")
        shutil.copytree(server / "backends", folder / "backends")
        stub = folder / "backends" / "python" / "triton_python_backend_stub"
        shutil.copy(server / "python_backend_stubs" / version / stub.name, stub)
        program = folder / "tritonserver"
        shutil.copy(server / "bin" / "tritonserver", program)
        for path in (stub, program):
            path.chmod(0o755)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = folder / "server.log"
        options = {
            "model-repository": repository,
            "backend-directory": folder / "backends",
            "grpc-address": "127.0.0.1",
            "grpc-port": self.port,
            "allow-http": "false",
            "allow-metrics": "false",
        }
        environment = {
            **os.environ,
            "LD_LIBRARY_PATH": str(server.parents[1] / "nvidia_pytriton.libs"),
            "PATH": f"{python / 'bin'}:{os.environ['PATH']}",
        }
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [program, *(f"--{name}={value}" for name, value in options.items())],
                env=environment,
                stdout=log,
                stderr=log,
            )

    def engine(self, model: str, query: str = ""):
        """Connect, as soon as it serves."""
        until = time.monotonic() + STARTS_S
        while True:
            try:
                return open_server(f"127.0.0.1:{self.port}/{model}{query}", "")
            except EngineMissing:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise
                time.sleep(0.2)

    def ended(self) -> str:
        """Wait until it has given up, and return what it said."""
        self._process.wait(STARTS_S)
        return self.log.read_text()

    def close(self) -> None:
        """Stop it; one that would not stop is killed."""
        self._process.terminate()
        try:
            self._process.wait(STARTS_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
