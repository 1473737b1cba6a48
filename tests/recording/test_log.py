"""What was recorded is read back to the bit, and the file opens in other people's readers."""

import json

import numpy as np
import pytest
from google.protobuf import descriptor_pb2
from mcap.reader import make_reader

from edgevla.messages import Chunk, TickRecord
from edgevla.runtime.recording.log import LogError, find_logs, read
from edgevla.runtime.recording.pictures import decode
from edgevla.runtime.recording.wire import Observed

STANDARD = {
    "/camera/front": "foxglove.CompressedImage",
    "/camera/wrist": "foxglove.CompressedImage",
    "/joint_states": "foxglove.JointStates",
    "/commands": "foxglove.JointStates",
    "/events": "foxglove.Log",
}
OURS = {"/timing", "/mode", "/chunks", "/observations", "/instruction"}


def of(kind, folder):
    return [record for record in read(find_logs([folder])) if isinstance(record, kind)]


def test_every_tick_comes_back_as_it_was(episode):
    arm, folder = episode
    assert of(TickRecord, folder) == arm.records


def test_every_chunk_comes_back_as_it_was(episode):
    arm, folder = episode
    assert of(Chunk, folder) == arm.chunks


def test_every_observation_comes_back_to_the_last_bit(episode):
    arm, folder = episode
    for seen, (number, read_back) in zip(arm.observations, enumerate(of(Observed, folder), 1), strict=True):
        assert (read_back.seq, read_back.t_obs_s, read_back.instruction) == (number, seen.t_obs_s, seen.instruction)
        assert read_back.state_rad == tuple(seen.state_rad)
        for picture in read_back.pictures:
            np.testing.assert_array_equal(decode(picture.data), seen.images[picture.camera])
        assert len(read_back.pictures) == len(seen.images)


def test_it_says_where_the_policy_forgot_and_what_its_clock_said(episode):
    _, folder = episode
    observed = of(Observed, folder)
    assert [each.seq for each in observed if each.fresh] == [1, 23]
    assert all(len(each.clock_s) >= 4 and min(each.clock_s) >= each.t_obs_s for each in observed)


def test_every_channel_has_its_schema_and_every_message_follows_it(episode):
    _, folder = episode
    with find_logs([folder])[0].path.open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        summary = reader.get_summary()
        schemas = {each.topic: summary.schemas[each.schema_id] for each in summary.channels.values()}
        messages = {each.topic: message for _, each, message in reader.iter_messages()}
    assert schemas.keys() == messages.keys() == STANDARD.keys() | OURS
    for topic, name in STANDARD.items():
        assert (schemas[topic].name, schemas[topic].encoding) == (name, "protobuf")
        files = descriptor_pb2.FileDescriptorSet.FromString(schemas[topic].data).file
        names = [each.name for each in files]
        assert all(set(each.dependency) <= set(names[:at]) for at, each in enumerate(files)), "needed files come first"
    for topic in OURS:
        schema, message = json.loads(schemas[topic].data), json.loads(messages[topic].data)
        assert schemas[topic].encoding == "jsonschema"
        assert schema["type"] == "object"
        assert schema["properties"].keys() == message.keys()
        assert "$ref" not in schemas[topic].data.decode(), "Foxglove follows no references"


def test_arrays_of_arrays_are_nowhere_because_foxglove_takes_none(episode):
    def nested(node):
        if isinstance(node, dict):
            items = node.get("items", {})
            return items.get("type") == "array" or any(map(nested, node.values()))
        return False

    _, folder = episode
    with find_logs([folder])[0].path.open("rb") as file:
        for schema in make_reader(file).get_summary().schemas.values():
            assert schema.encoding != "jsonschema" or not nested(json.loads(schema.data)), schema.name


def test_times_are_of_the_day_and_the_sequence_ties_a_picture_to_its_chunk(episode):
    arm, folder = episode
    with find_logs([folder])[0].path.open("rb") as file:
        front = [message for _, _, message in make_reader(file).iter_messages(["/camera/front"])]
    assert [each.sequence for each in front] == [chunk.seq for chunk in arm.chunks]
    first_s = arm.observations[0].t_obs_s
    assert front[0].log_time == round(first_s * 1e9) + 1_700_000_000_000_000_000


def test_the_log_lines_tell_a_stop_from_a_release(episode):
    from foxglove_schemas_protobuf.Log_pb2 import Log

    _, folder = episode
    with find_logs([folder])[0].path.open("rb") as file:
        logs = [Log.FromString(message.data) for _, _, message in make_reader(file).iter_messages(["/events"])]
    said = {log.message: log.name for log in logs}
    assert said["stopping: stop: a test"] == "intervention"
    assert said["engaged: engage: touch the red block"] == "edgevla"


def test_the_facts_are_in_the_file(episode):
    _, folder = episode
    with find_logs([folder])[0].path.open("rb") as file:
        (record,) = make_reader(file).iter_metadata()
    assert record.name == "edgevla"
    assert record.metadata["robot.yaml"].startswith("# A SO-101")
    assert record.metadata["variant"] == "fp32"


@pytest.mark.parametrize("share", [0.999, 0.6, 0.3])
def test_a_file_that_breaks_off_is_read_up_to_there(episode, tmp_path, share):
    arm, folder = episode
    whole = find_logs([folder])[0].path.read_bytes()
    (tmp_path / "cut.mcap").write_bytes(whole[: round(len(whole) * share)])
    ticks = of(TickRecord, tmp_path)
    assert ticks == arm.records[: len(ticks)]
    assert share < 0.9 or len(ticks) == len(arm.records)


@pytest.mark.parametrize("share", [0.2, 0.4, 0.6, 0.8])
def test_bytes_that_were_changed_end_the_reading_and_are_not_believed(episode, tmp_path, share):
    _, folder = episode
    whole = list(read(find_logs([folder])))
    damaged = bytearray(find_logs([folder])[0].path.read_bytes())
    damaged[round(len(damaged) * share)] ^= 0xFF
    (tmp_path / "damaged.mcap").write_bytes(damaged)
    found = list(read(find_logs([tmp_path])))
    assert len(found) < len(whole)
    assert found == whole[: len(found)]


@pytest.mark.parametrize("content", [b"", b"not a recording", b"\x89MCAP0\r\n"])
def test_what_is_no_recording_is_refused(tmp_path, content):
    path = tmp_path / "other.mcap"
    path.write_bytes(content)
    with pytest.raises(LogError, match="is not a recording of edgevla"):
        find_logs([path])


def test_a_folder_without_recordings_is_refused(tmp_path):
    with pytest.raises(LogError, match="no recordings"):
        find_logs([tmp_path])


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(LogError, match="No such file"):
        find_logs([tmp_path / "gone.mcap"])
