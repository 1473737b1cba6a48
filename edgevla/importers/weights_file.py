"""The small tensors of a .safetensors file, such as statistics, without the library.

The format: 8 bytes with the length of a JSON header, the header, the tensors' bytes; see the safetensors repository.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import numpy as np

from edgevla.importers.errors import ImportRefused

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "u1", "BOOL": "?"}


def read_tensors(path: Path, prefixes: tuple[str, ...] = ("",)) -> dict[str, NDArray[np.float64]]:
    """Return the tensors whose names begin with one of `prefixes`, as float64.

    Raises:
        ImportRefused: the file is missing or broken, or a tensor is of a type that no statistics have.
    """
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
            tensors = {}
            for name, entry in header.items():
                if name == "__metadata__" or not name.startswith(prefixes):
                    continue
                start, end = entry["data_offsets"]
                file.seek(8 + length + start)
                raw = np.frombuffer(file.read(end - start), _DTYPES[entry["dtype"]])
                tensors[name] = raw.reshape(entry["shape"]).astype(np.float64)
    except OSError as error:
        raise ImportRefused(f"{path}: cannot be read: {error.strerror}", fix="copy the whole checkpoint") from None
    except (ValueError, KeyError, TypeError, struct.error, MemoryError, OverflowError):
        raise ImportRefused(f"{path}: is not a .safetensors file", fix="copy the checkpoint again") from None
    return tensors
