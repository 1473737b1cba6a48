"""From records to lines of an MCAP file: a record becomes one message on every topic that it says something on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.JointStates_pb2 import JointStates
from foxglove_schemas_protobuf.Log_pb2 import Log

from edgevla.runtime.recording.clock import wall_ns
from edgevla.runtime.recording.happenings import Watcher
from edgevla.runtime.recording.schemas import CAMERA, Instruction, Losses, ModeChange, Plan, Row, Seen, Timing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edgevla.messages import Chunk, TickRecord
    from edgevla.runtime.recording.happenings import Happening
    from edgevla.runtime.recording.wire import Observed

_json = msgspec.json.Encoder().encode
_LEVELS = {"info": Log.INFO, "warning": Log.WARNING, "error": Log.ERROR}


class Line(NamedTuple):
    """One message, ready to be written."""

    topic: str
    t_ns: int  # since 1970
    sequence: int
    data: bytes


class Lines:
    """Writes down what it is given, and remembers what the next file has to begin with.

    Args:
        joints: their names, in the order of every row.
        offset_ns: from CLOCK_MONOTONIC to the time since 1970.
    """

    def __init__(self, joints: Sequence[str], offset_ns: int) -> None:
        self._joints = joints
        self._offset_ns = offset_ns
        self._watcher = Watcher()
        self._mode, self._reason, self._instruction = "", "", ""
        self._standing: dict[str, Line] = {}

    def head(self) -> list[Line]:
        """What still holds: mode, instruction, losses. Every file can be read without those before it."""
        return list(self._standing.values())

    def tick(self, tick: TickRecord) -> Iterator[Line]:
        """One tick: where the joints were and were told to be, and how the loop did."""
        yield self._joint_states("/joint_states", tick, tick.measured_rad, tick.velocity_rad_s)
        yield self._joint_states("/commands", tick, tick.setpoint_rad, ())
        timing = Timing(
            tick=tick.tick,
            t_s=tick.t_s,
            mode=tick.mode.value,
            chunk_seq=tick.chunk_seq,
            plan_age_ms=tick.plan_age_ms if math.isfinite(tick.plan_age_ms) else -1.0,  # JSON has no infinity
            limited=tick.limited,
            blocked=tick.blocked,
            held=tick.held,
            lateness_us=tick.lateness_us,
            skipped=tick.skipped,
            work_us=tick.work_us,
            wire_us=tick.wire_us,
        )
        for happening in self._watcher.tick(tick):
            yield self._line("/events", happening.t_s, tick.tick, self._log(happening))
        reason = tick.reason or self._reason
        if (tick.mode.value, reason) != (self._mode, self._reason):
            self._mode, self._reason = tick.mode.value, reason
            change = ModeChange(tick=tick.tick, t_s=tick.t_s, mode=self._mode, reason=reason)
            yield self._keep(self._line("/mode", tick.t_s, tick.tick, _json(change)))
        # Last, so that who reads it has all of this tick.
        yield self._line("/timing", tick.t_s, tick.tick, _json(timing))

    def planned(self, chunk: Chunk) -> Iterator[Line]:
        """One chunk, valid or not."""
        self._watcher.plan(chunk)
        if chunk.instruction != self._instruction:
            self._instruction = chunk.instruction
            words = Instruction(t_s=chunk.t_obs_s, instruction=chunk.instruction)
            yield self._keep(self._line("/instruction", chunk.t_obs_s, chunk.seq, _json(words)))
        plan = Plan(
            seq=chunk.seq,
            t_obs_s=chunk.t_obs_s,
            rate_hz=chunk.rate_hz,
            valid=chunk.valid,
            reason=chunk.reason,
            done=chunk.done,
            instruction=chunk.instruction,
            stages=chunk.stages,
            rows=tuple(Row(position_rad=row) for row in chunk.actions_rad),
        )
        yield self._line("/chunks", chunk.t_obs_s, chunk.seq, _json(plan))

    def observed(self, observed: Observed) -> Iterator[Line]:
        """What a chunk was made from: the pictures first, so that who reads the rest has them."""
        for picture in observed.pictures:
            image = CompressedImage(frame_id=picture.camera, format=picture.format, data=picture.data)
            image.timestamp.FromNanoseconds(self._wall_ns(picture.t_s))
            yield self._line(CAMERA + picture.camera, picture.t_s, observed.seq, image.SerializeToString())
        seen = Seen(
            seq=observed.seq,
            t_obs_s=observed.t_obs_s,
            instruction=observed.instruction,
            state_rad=observed.state_rad,
            fresh=observed.fresh,
            clock_s=observed.clock_s,
            cameras=tuple(picture.camera for picture in observed.pictures),
        )
        yield self._line("/observations", observed.t_obs_s, observed.seq, _json(seen))

    def lost(self, losses: Losses) -> Iterator[Line]:
        """What is missing by now."""
        yield self._keep(self._line("/losses", losses.t_s, 0, _json(losses)))

    def _joint_states(
        self, topic: str, tick: TickRecord, position_rad: Sequence[float], velocity_rad_s: Sequence[float]
    ) -> Line:
        states = JointStates()
        states.timestamp.FromNanoseconds(self._wall_ns(tick.t_s))
        for name, at in zip(self._joints, position_rad, strict=False):
            states.joints.add(name=name, position=at)
        for joint, speed in zip(states.joints, velocity_rad_s, strict=False):
            joint.velocity = speed
        return self._line(topic, tick.t_s, tick.tick, states.SerializeToString())

    def _log(self, happening: Happening) -> bytes:
        name = "intervention" if happening.intervention else "edgevla"
        log = Log(level=_LEVELS[happening.level], message=happening.text, name=name)
        log.timestamp.FromNanoseconds(self._wall_ns(happening.t_s))
        data: bytes = log.SerializeToString()
        return data

    def _keep(self, line: Line) -> Line:
        self._standing[line.topic] = line
        return line

    def _line(self, topic: str, t_s: float, sequence: int, data: bytes) -> Line:
        return Line(topic, self._wall_ns(t_s), sequence, data)

    def _wall_ns(self, t_s: float) -> int:
        return wall_ns(t_s, self._offset_ns)
