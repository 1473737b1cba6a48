"""Observations from episodes that were recorded earlier, one .npz file each.

In a file: `t_s` (n,), `state_rad` (n, joints), `camera:<name>` (n, height, width, 3) uint8 RGB, and `instruction`, one
text or n of them.
"""

from __future__ import annotations

import zipfile
import zlib
from typing import TYPE_CHECKING

import numpy as np

from edgevla.calibrate.errors import CalibrationError
from edgevla.calibration_set import CAMERA, Resolution
from edgevla.messages import Observation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Episode:
    """One recorded episode, read whole.

    Raises:
        CalibrationError: it cannot be read, or its arrays do not belong together.
    """

    def __init__(self, path: Path) -> None:
        fix = "see edgevla/calibrate/recorded.py for what it holds"
        try:
            with (
                zipfile.ZipFile(path),
                np.load(path, allow_pickle=False) as arrays,
            ):  # numpy alone reads other files too
                self._arrays = dict(arrays)
        except OSError as error:
            raise CalibrationError(f"{path}: cannot be read: {error.strerror}", fix="check the path") from None
        except (ValueError, zipfile.BadZipFile, zlib.error) as error:
            raise CalibrationError(f"{path}: is not a recorded episode: {error}", fix=fix) from None
        missing = [name for name in ("t_s", "state_rad", "instruction") if name not in self._arrays]
        if missing:
            raise CalibrationError(f"{path}: lacks {', '.join(missing)}", fix=f"it has {', '.join(self._arrays)}")
        for name, kinds in (("t_s", "fiu"), ("state_rad", "fiu"), ("instruction", "U")):
            if self._arrays[name].dtype.kind not in kinds:
                raise CalibrationError(f"{path}: {name} is {self._arrays[name].dtype}", fix=fix)
        self._length = len(np.atleast_1d(self._arrays["t_s"]))
        for name, array in self._arrays.items():
            single = name == "instruction" and array.ndim == 0
            if not single and (array.ndim == 0 or len(array) != self._length):
                raise CalibrationError(f"{path}: {name} has shape {array.shape}; t_s says {self._length} rows")
            if name.startswith(CAMERA) and array.ndim != 4:
                raise CalibrationError(f"{path}: {name} has shape {array.shape}; must be (n, height, width, 3)")

    @property
    def cameras(self) -> dict[str, Resolution]:
        """The cameras and the size of their pictures."""
        return {
            name.removeprefix(CAMERA): Resolution(height=array.shape[1], width=array.shape[2])
            for name, array in self._arrays.items()
            if name.startswith(CAMERA)
        }

    def __iter__(self) -> Iterator[Observation]:
        texts = np.broadcast_to(self._arrays["instruction"], (self._length,))
        for row in range(self._length):
            yield Observation(
                t_obs_s=float(self._arrays["t_s"][row]),
                images={name: self._arrays[CAMERA + name][row] for name in self.cameras},
                state_rad=np.asarray(self._arrays["state_rad"][row], np.float64),
                instruction=str(texts[row]),
            )
