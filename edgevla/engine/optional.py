"""The members that not every machine has, or one line that says how to get them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from edgevla.engine.base import EngineMissing

if TYPE_CHECKING:
    from types import ModuleType

_WAYS = {
    "cuda": "pip install 'edgevla[jetson]', with CUDA's nvcc on the PATH",
    "grpc": "pip install 'edgevla[triton]'",
    "onnxruntime": "pip install 'edgevla[cpu]'",
    "pycuda": "pip install 'edgevla[jetson]', with CUDA's nvcc on the PATH",
    "tensorrt": "it comes with JetPack: make the environment with python3 -m venv --system-site-packages",
    "tritonclient": "pip install 'edgevla[triton]'",
}


def member(module: str) -> ModuleType:
    """Import `edgevla.engine.<module>`, whose library this machine may lack.

    Raises:
        EngineMissing: it does; the message says which and how to get it.
    """
    try:
        return import_module(f"edgevla.engine.{module}")
    except ImportError as error:
        library = (error.name or "").partition(".")[0]
        raise EngineMissing(
            f"{library or module} cannot be imported: {error}", fix=_WAYS.get(library, "install that library")
        ) from error
