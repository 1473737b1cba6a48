"""`edgevla export`: recordings to a dataset that LeRobot trains on."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from typing import TYPE_CHECKING, Any

from edgevla.errors import EdgeVLAError
from edgevla.files import sync
from edgevla.runtime.recording.episodes import FEWEST_FRAMES, engagements, episodes, rate_hz
from edgevla.runtime.recording.lerobot import VERSION, DatasetWriter
from edgevla.runtime.recording.log import LogError, find_logs, runs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edgevla.runtime.recording.episodes import Episode


class ExportRefused(EdgeVLAError):
    """The dataset cannot be written where it was asked for."""


def export(paths: Sequence[Path], out: Path, fps: int | None, progress: Callable[[Episode], None]) -> dict[str, Any]:
    """Write every episode of the recordings into a new dataset, whole or not at all.

    Args:
        paths: recordings, or folders of them.
        out: the dataset's folder; must not exist.
        fps: frames a second; None: the rate at which the policy looked.
        progress: called with every episode that is written.

    Returns:
        The totals, for a report.

    Raises:
        LogError: there is no recording, or no episode in it, or they are not of one robot.
        ExportRefused: `out` exists or cannot be written.
    """
    logs = find_logs(paths)
    facts = logs[0].facts
    for log in logs[1:]:
        if log.facts["joints"] != facts["joints"]:
            raise LogError(f"{log.path}: has the joints {log.facts['joints']}, {logs[0].path} has {facts['joints']}")
    if out.exists():
        raise ExportRefused(f"--out {out}: exists already", fix="name a folder that does not")
    engaged = [(run, engagements(run)) for run in runs(logs)]
    rate = fps or max(1, round(rate_hz(engaged)))
    draft = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        draft.mkdir(parents=True)
        writer = DatasetWriter(draft, facts["robot"], facts["joints"].split(","), rate)
        marked: Counter[str] = Counter()
        for run, spans in engaged:
            for episode in episodes(run, spans, rate):
                writer.add(episode)
                marked[episode.instruction] += 1
                progress(episode)
        if not marked:
            raise LogError(f"{paths[0]}: no episode of at least {FEWEST_FRAMES} frames in this recording")
        writer.close()
        draft.rename(out)
        sync(out.parent)
    except OSError as error:
        raise ExportRefused(f"--out {out}: cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    totals = {"episodes": sum(marked.values()), "frames": writer.frames, "fps": rate, "tasks": dict(marked)}
    return {"dataset": str(out), "format": VERSION, "logs": [str(log.path) for log in logs], **totals}
