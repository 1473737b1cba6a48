"""Reading recordings back: whole ones, those of a recorder that was killed, and one that is still being written."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import msgspec
import zstandard
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.JointStates_pb2 import JointStates
from mcap.exceptions import McapError
from mcap.records import Channel, Message, Metadata
from mcap.stream_reader import CRCValidationError, StreamReader

from edgevla.errors import EdgeVLAError
from edgevla.messages import Chunk, Mode, Picture, TickRecord
from edgevla.runtime.recording.schemas import CAMERA, Losses, ModeChange, Plan, Seen, Timing
from edgevla.runtime.recording.segment import FACTS
from edgevla.runtime.recording.store import SUFFIX
from edgevla.runtime.recording.wire import Observed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from mcap.records import McapRecord

    from edgevla.runtime.recording.pictures import Format

Struct = TypeVar("Struct", bound=msgspec.Struct)
Record = TickRecord | Chunk | Observed | Losses

_BROKEN = (McapError, CRCValidationError, zstandard.ZstdError, struct.error, EOFError)


class LogError(EdgeVLAError):
    """What should be a recording is none, or not one that can be used for this."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file. `facts` is what was running when it was written."""

    path: Path
    facts: Mapping[str, str]
    begins_ns: int  # since 1970


def find_logs(paths: Sequence[Path]) -> list[LogFile]:
    """The recordings that these files and folders are, in the order in which they were made.

    Raises:
        LogError: there is none, or a file is not one of ours.
    """
    files = [file for path in paths for file in (path.glob(f"*{SUFFIX}") if path.is_dir() else (path,))]
    if not files:
        raise LogError(f"no recordings (*{SUFFIX}) in {', '.join(map(str, paths))}")
    # A file that continues another begins with what has held since then: the same moment, and the later name.
    return sorted(map(_open, files), key=lambda log: (log.begins_ns, log.path.stem))


def runs(logs: Sequence[LogFile]) -> list[list[LogFile]]:
    """The files of each start of the recorder together: chunks are numbered anew with every start of the robot."""
    found: dict[tuple[str, str], list[LogFile]] = {}
    for log in logs:
        found.setdefault((log.facts["started"], log.facts["monotonic_to_unix_ns"]), []).append(log)
    return list(found.values())


def _open(path: Path) -> LogFile:
    facts: dict[str, str] | None = None
    begins_ns = 0
    try:
        for record in _raw(path):
            if isinstance(record, Metadata) and record.name == FACTS:
                facts = record.metadata
            elif isinstance(record, Message):
                begins_ns = record.log_time
                break
    except OSError as error:
        raise LogError(f"{path}: cannot be read: {error.strerror}") from None
    if facts is None:
        raise LogError(
            f"{path}: is not a recording of edgevla", fix="give an .mcap file that edgevla serve has written"
        )
    return LogFile(path, facts, begins_ns)


def read(logs: Sequence[LogFile]) -> Iterator[Record]:
    """Every record, in the order in which it was written. A file that ends in the middle of something ends there.

    Raises:
        LogError: a file holds what this version does not write.
    """
    reader = _Reader()
    for log in logs:
        yield from reader.records(log)


class _Reader:
    """Puts messages together to the records they came from."""

    def __init__(self) -> None:
        self._log: LogFile
        self._topics: dict[int, str] = {}
        self._pictures: dict[tuple[str, int], CompressedImage] = {}  # by camera and sequence number
        self._measured, self._told = JointStates(), JointStates()
        self._reason = self._said = ""

    def records(self, log: LogFile) -> Iterator[Record]:
        """Of the next file."""
        self._log, self._topics = log, {}
        for raw in _raw(log.path):
            if isinstance(raw, Channel):
                self._topics[raw.id] = raw.topic
            elif isinstance(raw, Message):
                record = self._take(self._topics.get(raw.channel_id, ""), raw)
                if record is not None:
                    yield record

    def _take(self, topic: str, message: Message) -> Record | None:
        if topic.startswith(CAMERA):
            self._pictures[topic.removeprefix(CAMERA), message.sequence] = CompressedImage.FromString(message.data)
        elif topic == "/joint_states":
            self._measured = JointStates.FromString(message.data)
        elif topic == "/commands":
            self._told = JointStates.FromString(message.data)
        elif topic == "/mode":
            self._reason = self._json(message, ModeChange).reason
        elif topic == "/timing":
            return self._tick(self._json(message, Timing))
        elif topic == "/observations":
            return self._observed(self._json(message, Seen))
        elif topic == "/chunks":
            return _chunk(self._json(message, Plan))
        elif topic == "/losses":
            return self._json(message, Losses)
        return None

    def _observed(self, seen: Seen) -> Observed:
        pictures = []
        for name in seen.cameras:
            image = self._pictures.get((name, seen.seq))
            if image is not None:
                kind: Format = "jpeg" if image.format == "jpeg" else "png"
                pictures.append(Picture(camera=name, t_s=seen.t_obs_s, format=kind, data=image.data))
        self._pictures = {}
        return Observed(
            seq=seen.seq,
            t_obs_s=seen.t_obs_s,
            instruction=seen.instruction,
            state_rad=seen.state_rad,
            fresh=seen.fresh,
            clock_s=seen.clock_s,
            pictures=tuple(pictures),
        )

    def _tick(self, timing: Timing) -> TickRecord:
        reason, self._said = self._reason if self._reason != self._said else "", self._reason
        return TickRecord(
            tick=timing.tick,
            t_s=timing.t_s,
            mode=Mode(timing.mode),
            reason=reason,
            measured_rad=tuple(joint.position for joint in self._measured.joints),
            velocity_rad_s=tuple(joint.velocity for joint in self._measured.joints),
            setpoint_rad=tuple(joint.position for joint in self._told.joints),
            chunk_seq=timing.chunk_seq,
            plan_age_ms=timing.plan_age_ms,
            limited=timing.limited,
            blocked=timing.blocked,
            held=timing.held,
            lateness_us=timing.lateness_us,
            skipped=timing.skipped,
            work_us=timing.work_us,
            wire_us=timing.wire_us,
        )

    def _json(self, message: Message, kind: type[Struct]) -> Struct:
        try:
            return msgspec.json.decode(message.data, type=kind)
        except msgspec.MsgspecError as error:
            version = self._log.facts.get("version", "")
            raise LogError(
                f"{self._log.path}: a {kind.__name__} record cannot be read: {error}",
                fix=f"use the version that wrote it, {version}",
            ) from None


def _chunk(plan: Plan) -> Chunk:
    return Chunk(
        seq=plan.seq,
        t_obs_s=plan.t_obs_s,
        rate_hz=plan.rate_hz,
        actions_rad=tuple(row.position_rad for row in plan.rows),
        valid=plan.valid,
        reason=plan.reason,
        done=plan.done,
        instruction=plan.instruction,
        stages=plan.stages,
    )


def _raw(path: Path) -> Iterator[McapRecord]:
    """The records of a file up to where it breaks off."""
    with path.open("rb") as file:
        try:
            yield from StreamReader(file, validate_crcs=True).records
        except _BROKEN:
            return
