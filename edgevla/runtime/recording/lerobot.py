"""A dataset in LeRobot's layout, version 3.0, written file by file.

    meta/info.json                                 features, rates, totals
    meta/stats.json                                of the whole dataset
    meta/tasks.parquet                             sentence -> task_index
    meta/episodes/chunk-000/file-000.parquet       a row an episode: where its frames are, and its statistics
    data/chunk-000/file-000.parquet                a row a frame, a row group an episode; pictures as they were recorded

Pictures stay files inside the table, not video: every pixel is as the policy saw it, and no encoder is needed.
Source of the layout: lerobot 0.6.1, lerobot/datasets/{utils,feature_utils,dataset_writer}.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from edgevla.runtime.recording import statistics
from edgevla.runtime.recording.log import LogError
from edgevla.runtime.recording.pictures import PictureError, decode
from edgevla.runtime.recording.statistics import Pixels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from edgevla.runtime.recording.episodes import Episode, Frame

VERSION = "v3.0"
_FILES_A_CHUNK = 1000
_DATA_MB = 100
_VIDEO_MB = 200  # of no meaning here, and expected to be there
_PLACE = "chunk-{chunk_index:03d}/file-{file_index:03d}"
_DATA = f"data/{_PLACE}.parquet"
_EPISODES = f"meta/episodes/{_PLACE}.parquet"
_IMAGES = "observation.images."
_COUNTED = ("timestamp", "frame_index", "episode_index", "index", "task_index")


class DatasetWriter:
    """One dataset being written. `add` every episode, then `close`.

    Args:
        folder: must exist; what fails leaves it half-written.
        robot: its name.
        joints: their names, in the order of every row.
        fps: frames a second, as the dataset counts them.

    Raises:
        OSError: from every method.
    """

    def __init__(self, folder: Path, robot: str, joints: Sequence[str], fps: int) -> None:
        self._folder = folder
        self._robot = robot
        self._joints = list(joints)
        self._fps = fps
        self._cameras: dict[str, tuple[int, int]] = {}
        self._tasks: dict[str, int] = {}
        self._episodes: list[dict[str, Any]] = []
        self._columns: dict[str, list[np.ndarray[Any, Any]]] = {}
        self._pixels: dict[str, Pixels] = {}
        self._writer: pq.ParquetWriter | None = None
        self._file, self._file_bytes = -1, 0
        self.frames = 0

    def add(self, episode: Episode) -> None:
        """Write an episode.

        Raises:
            LogError: its pictures are not those of the episodes before, or are none.
        """
        index, length = len(self._episodes), len(episode.frames)
        task = self._tasks.setdefault(episode.instruction, len(self._tasks))
        begin_s = episode.frames[0].t_s
        columns: dict[str, np.ndarray[Any, Any]] = {
            "observation.state": np.array([frame.state_rad for frame in episode.frames], np.float32),
            "action": np.array([frame.action_rad for frame in episode.frames], np.float32),
            "intervention": np.array([frame.intervention for frame in episode.frames]),
            "time_s": np.array([frame.t_s - begin_s for frame in episode.frames], np.float32),
            "timestamp": (np.arange(length) / self._fps).astype(np.float32),
            "frame_index": np.arange(length),
            "episode_index": np.full(length, index),
            "index": np.arange(self.frames, self.frames + length),
            "task_index": np.full(length, task),
        }
        pixels = self._look(episode)
        self._write(columns, episode.frames)
        figures = {name: statistics.of_rows(_rows(column)) for name, column in columns.items()}
        figures |= {_IMAGES + name: counted.figures() for name, counted in pixels.items()}
        self._episodes.append(
            {
                "episode_index": index,
                "tasks": [episode.instruction],
                "length": length,
                "data/chunk_index": self._file // _FILES_A_CHUNK,
                "data/file_index": self._file % _FILES_A_CHUNK,
                "dataset_from_index": self.frames,
                "dataset_to_index": self.frames + length,
                "ended": episode.ended,
                **{f"stats/{name}/{key}": value for name, each in figures.items() for key, value in each.items()},
                "meta/episodes/chunk_index": 0,
                "meta/episodes/file_index": 0,
            }
        )
        self.frames += length
        for name, column in columns.items():
            self._columns.setdefault(name, []).append(column)
        for name, counted in pixels.items():
            self._pixels.setdefault(name, Pixels()).merge([counted])

    def close(self) -> None:
        """Write what is about the whole dataset."""
        if self._writer is not None:
            self._writer.close()
        figures = {name: statistics.of_rows(_rows(np.concatenate(each))) for name, each in self._columns.items()}
        figures |= {_IMAGES + name: counted.figures() for name, counted in self._pixels.items()}
        episodes = self._folder / _EPISODES.format(chunk_index=0, file_index=0)
        episodes.parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(self._episodes), episodes)
        pq.write_table(self._task_table(), self._folder / "meta/tasks.parquet")
        _write_json(self._folder / "meta/stats.json", figures)
        _write_json(self._folder / "meta/info.json", self._info())

    def _look(self, episode: Episode) -> dict[str, Pixels]:
        """Count the pixels of an episode, and refuse cameras that are not those of the first frame of all."""
        pixels: dict[str, Pixels] = {}
        for frame in episode.frames:
            try:
                images = {picture.camera: decode(picture.data) for picture in frame.pictures}
            except PictureError as error:
                raise LogError(f"an observation at {frame.t_s:.3f} s: {error}") from None
            sizes = {name: (image.shape[0], image.shape[1]) for name, image in images.items()}
            self._cameras = self._cameras or sizes
            if sizes != self._cameras:
                raise LogError(
                    f"an observation at {frame.t_s:.3f} s has the pictures {sizes}; those before have {self._cameras}",
                    fix="export recordings of different cameras into different datasets",
                )
            for name, image in images.items():
                pixels.setdefault(name, Pixels()).add(image)
        return pixels

    def _write(self, columns: Mapping[str, np.ndarray[Any, Any]], frames: Sequence[Frame]) -> None:
        """Add a row group, to the next file when this one is full."""
        if self._writer is None or self._file_bytes >= _DATA_MB << 20:
            if self._writer is not None:
                self._writer.close()
            self._file, self._file_bytes = self._file + 1, 0
            place = _DATA.format(chunk_index=self._file // _FILES_A_CHUNK, file_index=self._file % _FILES_A_CHUNK)
            path = self._folder / place
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(path, self._schema())
        arrays = {name: _array(column) for name, column in columns.items()}
        for camera in self._cameras:
            files = [_picture(frame, camera, number) for number, frame in enumerate(frames)]
            self._file_bytes += sum(len(file["bytes"]) for file in files)
            arrays[_IMAGES + camera] = pa.array(files, _IMAGE)
        schema = self._schema()
        self._writer.write_table(pa.table([arrays[name] for name in schema.names], schema=schema))

    def _features(self) -> dict[str, dict[str, Any]]:
        joints = {"dtype": "float32", "shape": [len(self._joints)], "names": self._joints}
        images = {
            _IMAGES + name: {"dtype": "image", "shape": [*size, 3], "names": ["height", "width", "channels"]}
            for name, size in self._cameras.items()
        }
        counted = {name: _scalar("float32" if name == "timestamp" else "int64") for name in _COUNTED}
        return {
            "observation.state": joints,
            "action": joints,
            "intervention": _scalar("bool"),
            "time_s": _scalar("float32"),
            **images,
            **counted,
        }

    def _schema(self) -> pa.Schema:
        """Of the frames, with what the `datasets` library needs to see pictures in it."""
        types = {"float32": pa.float32(), "int64": pa.int64(), "bool": pa.bool_(), "image": _IMAGE}
        fields, named = [], {}
        for name, feature in self._features().items():
            kind, value = types[feature["dtype"]], {"dtype": feature["dtype"], "_type": "Value"}
            if feature["dtype"] == "image":
                value = {"_type": "Image"}
            elif feature["names"]:
                kind = pa.list_(kind, feature["shape"][0])
                value = {"feature": value, "length": feature["shape"][0], "_type": "List"}
            fields.append(pa.field(name, kind))
            named[name] = value
        about = msgspec.json.encode({"info": {"features": named}})
        return pa.schema(fields, metadata={"huggingface": about})

    def _task_table(self) -> pa.Table:
        """Sentences are the index of what pandas reads this into."""
        kinds = {"task_index": ("int64", "int64"), "task": ("unicode", "object")}
        columns = [
            {"name": name, "field_name": name, "pandas_type": pandas, "numpy_type": numpy, "metadata": None}
            for name, (pandas, numpy) in kinds.items()
        ]
        about = {"index_columns": ["task"], "columns": columns, "column_indexes": []}
        table = pa.table({"task_index": list(self._tasks.values()), "task": list(self._tasks)})
        return table.replace_schema_metadata({"pandas": msgspec.json.encode(about)})

    def _info(self) -> dict[str, Any]:
        return {
            "codebase_version": VERSION,
            "robot_type": self._robot,
            "total_episodes": len(self._episodes),
            "total_frames": self.frames,
            "total_tasks": len(self._tasks),
            "chunks_size": _FILES_A_CHUNK,
            "data_files_size_in_mb": _DATA_MB,
            "video_files_size_in_mb": _VIDEO_MB,
            "fps": self._fps,
            "splits": {"train": f"0:{len(self._episodes)}"},
            "data_path": _DATA,
            "video_path": None,
            "features": self._features(),
        }


_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def _scalar(kind: str) -> dict[str, Any]:
    return {"dtype": kind, "shape": [1], "names": None}


def _rows(column: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return column.reshape(len(column), -1).astype(np.float64)


def _array(column: np.ndarray[Any, Any]) -> pa.Array:
    if column.ndim == 1:
        return pa.array(column)
    return pa.FixedSizeListArray.from_arrays(pa.array(column.ravel()), column.shape[1])


def _picture(frame: Frame, camera: str, number: int) -> dict[str, Any]:
    picture = next(each for each in frame.pictures if each.camera == camera)
    suffix = "jpg" if picture.format == "jpeg" else "png"
    return {"bytes": picture.data, "path": f"frame-{number:06d}.{suffix}"}


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=4) + b"\n")
