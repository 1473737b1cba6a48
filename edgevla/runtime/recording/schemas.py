"""What stands on each topic, as a schema that comes with the file.

What Foxglove knows by name (pictures, joint states, log lines) is written as that, in protobuf, which keeps pictures
from growing by a third as base64. The rest is JSON with a JSON schema made from the types below; of those, Foxglove
takes neither references nor arrays of arrays.

Annotations are not postponed in this file: msgspec reads them.
"""

from typing import NamedTuple

import msgspec
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.JointStates_pb2 import JointStates
from foxglove_schemas_protobuf.Log_pb2 import Log
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import Message

from edgevla.messages import StageTimes

CAMERA = "/camera/"


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """One tick of the control loop: when it was, how it kept its time, what the bounds did."""

    tick: int
    t_s: float
    mode: str
    chunk_seq: int  # the plan in hand; -1 for none
    plan_age_ms: float
    limited: bool
    blocked: bool
    held: bool
    lateness_us: float
    skipped: int
    work_us: float
    wire_us: float


class ModeChange(msgspec.Struct, frozen=True, kw_only=True):
    """The mode, and why; written when either changes."""

    tick: int
    t_s: float
    mode: str
    reason: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a plan."""

    position_rad: tuple[float, ...]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One chunk; row i is the setpoint for the moment `t_obs_s + i / rate_hz`."""

    seq: int
    t_obs_s: float
    rate_hz: float
    valid: bool
    reason: str
    done: bool
    instruction: str
    stages: StageTimes
    rows: tuple[Row, ...]


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What one chunk was made from; its pictures have the same sequence number on their own topics."""

    seq: int
    t_obs_s: float
    instruction: str
    state_rad: tuple[float, ...]
    fresh: bool
    clock_s: tuple[float, ...]
    cameras: tuple[str, ...]


class Instruction(msgspec.Struct, frozen=True, kw_only=True):
    """What the arm is to do; written when it changes."""

    t_s: float
    instruction: str


class Losses(msgspec.Struct, frozen=True, kw_only=True):
    """What is missing from the recording so far; written when it changes."""

    t_s: float
    ticks: int
    observations: int
    records: int


class Schema(NamedTuple):
    """As MCAP wants it."""

    name: str
    encoding: str  # of the schema
    message_encoding: str
    data: bytes


def _json(kind: type[msgspec.Struct]) -> Schema:
    (described,), parts = msgspec.json.schema_components([kind], ref_template="{name}")

    def inline(node: object) -> object:
        if isinstance(node, list):
            return [inline(each) for each in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return inline(parts[node["$ref"]])
        return {key: inline(value) for key, value in node.items()}

    return Schema(f"edgevla.{kind.__name__}", "jsonschema", "json", msgspec.json.encode(inline(described)))


def _protobuf(kind: type[Message]) -> Schema:
    """A schema with every file that its own imports; those come first."""
    files: dict[str, FileDescriptor] = {}

    def add(file: FileDescriptor) -> None:
        for needed in file.dependencies:
            add(needed)
        files.setdefault(file.name, file)

    add(kind.DESCRIPTOR.file)
    described = FileDescriptorSet()
    for file in files.values():
        file.CopyToProto(described.file.add())
    return Schema(kind.DESCRIPTOR.full_name, "protobuf", "protobuf", described.SerializeToString())


_PICTURE = _protobuf(CompressedImage)
_TOPICS = {
    "/joint_states": _protobuf(JointStates),
    "/commands": _protobuf(JointStates),
    "/events": _protobuf(Log),
    "/timing": _json(Timing),
    "/mode": _json(ModeChange),
    "/chunks": _json(Plan),
    "/observations": _json(Seen),
    "/instruction": _json(Instruction),
    "/losses": _json(Losses),
}


def schema_of(topic: str) -> Schema:
    """The schema of a topic of ours.

    Raises:
        KeyError: it is none of ours.
    """
    return _PICTURE if topic.startswith(CAMERA) else _TOPICS[topic]
