"""All rows of many shards side by side on disk, mapped into memory: more pictures than fit into it, and shared by
processes that train at the same time.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import DTypeLike, NDArray

_TAKEN_AT_ONCE = 4096


@dataclass(frozen=True)
class Rows:
    """Observations and the expert's plans, one a row; read only."""

    front: NDArray[np.uint8]  # (n, 96, 96, 3) RGB
    wrist: NDArray[np.uint8]  # (n, 96, 96, 3)
    state_rad: NDArray[np.float32]  # (n, 6)
    task: NDArray[np.int64]  # (n,) index into EXTENDED
    plan_rad: NDArray[np.float32]  # (n, 12, 6) absolute setpoints
    block_m: NDArray[np.float32]  # (n, 3, 3) centre of each block
    episode: NDArray[np.int64]  # (n,) numbered over all shards
    t: NDArray[np.float32]  # (n,) s since the episode began

    def __len__(self) -> int:
        return len(self.task)


def gather(shards: Sequence[Path], folder: Path) -> Rows:
    """Put the rows of the shards, in their order, into one file for each field of `Rows`; once for each list."""
    key = hashlib.sha256("\n".join(f"{path.resolve()} {path.stat().st_size}" for path in shards).encode())
    place = folder / f"rows-{key.hexdigest()[:12]}"
    if not place.exists():
        draft = place.with_suffix(".draft")
        draft.mkdir(parents=True, exist_ok=True)
        _write(shards, draft)
        draft.rename(place)
    return Rows(**{field.name: np.load(place / f"{field.name}.npy", mmap_mode="r") for field in fields(Rows)})


def taken(pictures: NDArray[np.uint8], index: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the pictures of some rows, read in their order on disk."""
    order = np.argsort(index)
    found = np.empty((len(index), *pictures.shape[1:]), np.uint8)
    found[order] = pictures[index[order]]
    return found


def _write(shards: Sequence[Path], folder: Path) -> None:
    counts = []
    for shard in shards:
        with np.load(shard) as part:
            counts.append(len(part["task"]))
    starts = np.concatenate([[0], np.cumsum(counts)])
    for field in fields(Rows):
        target, episodes = None, 0
        for shard, start in zip(shards, starts[:-1], strict=True):
            with np.load(shard) as part:
                values = part[field.name]
            if field.name == "episode":
                values = values - values.min() + episodes
                episodes = int(values.max()) + 1
            if target is None:
                path, shape = folder / f"{field.name}.npy", (int(starts[-1]), *values.shape[1:])
                target = kept(path, values.dtype, shape)
            target[start : start + len(values)] = values
        if target is not None:
            flush(target)


def kept(path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> NDArray[Any]:
    """A new .npy file of that shape, mapped into memory; what is written into the array is in the file once flushed."""
    array: NDArray[Any] = np.lib.format.open_memmap(path, "w+", dtype, shape)  # type: ignore[no-untyped-call]
    return array


def flush(array: NDArray[Any]) -> None:
    """Write what was put into an array of `kept` to its file."""
    assert isinstance(array, np.memmap), "made by `kept`"
    array.flush()


def blocks_of(rows: Rows, size: int = _TAKEN_AT_ONCE) -> list[slice]:
    """Cut all rows into runs that fit into memory."""
    return [slice(start, min(start + size, len(rows))) for start in range(0, len(rows), size)]
