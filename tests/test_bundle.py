from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec
import pytest

from edgevla.bundle import (
    Action,
    Bundle,
    BundleError,
    Language,
    Manifest,
    Normalisation,
    TensorSpec,
    check_fits,
    load_manifest,
    write_manifest,
)
from edgevla.config.load import load_robot
from edgevla.config.policy_families import Recurrent
from edgevla.control.limits import Wanted
from edgevla.control.timeline import Timeline
from edgevla.describe import describe_bundle, describe_robot
from edgevla.messages import Chunk
from edgevla.shipped import shipped

ROBOT = Path(__file__).parents[1] / "engines/so101-tabletop/robot.yaml"
JOINTS = load_robot(ROBOT).joint_names
GRAPH, VOCABULARY = b"not a graph, but hashed like one", "<pad>\npush\nthe\nblue\nblock\nleft\n"


def manifest_of(**changes) -> Manifest:
    six = Normalisation(kind="mean_std", mean=(0.0,) * 6, std=(1e-5,) * 6)
    manifest = Manifest(
        format="edgevla-bundle/1",
        name="toy",
        family="regression",
        graphs={"fp32": "policy.onnx"},
        inputs=(
            TensorSpec(name="front", dtype="float32", shape=(1, 3, 96, 96), source="camera:front"),
            TensorSpec(name="state", dtype="float32", shape=(1, 6), source="state"),
            TensorSpec(name="tokens", dtype="int64", shape=(1, 8), source="instruction"),
        ),
        state=six,
        action=Action(
            output="actions", names=JOINTS, unit="rad", kind="delta", rate_hz=10.0, horizon=12, normalisation=six
        ),
        language=Language(vocabulary="vocabulary.txt", length=8, instructions=("push the blue block left",)),
        files={},
    )
    return msgspec.structs.replace(manifest, **changes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle without mistakes."""
    (tmp_path / "policy.onnx").write_bytes(GRAPH)
    (tmp_path / "vocabulary.txt").write_text(VOCABULARY)
    write_manifest(tmp_path, manifest_of())
    return tmp_path


def with_rows(folder: Path, horizon: int) -> Bundle:
    """The bundle, with plans of so many rows."""
    return write_manifest(folder, manifest_of(action=msgspec.structs.replace(manifest_of().action, horizon=horizon)))


def refusal(folder: Path) -> str:
    with pytest.raises(BundleError) as caught:
        load_manifest(folder)
    assert caught.value.exit_code == 2
    return str(caught.value).replace(f"{folder}/", "")


def test_what_is_written_is_loaded_with_the_hashes_of_the_files(folder):
    bundle = load_manifest(folder)
    assert bundle.manifest.files == {
        "policy.onnx": hashlib.sha256(GRAPH).hexdigest(),
        "vocabulary.txt": hashlib.sha256(VOCABULARY.encode()).hexdigest(),
    }
    assert msgspec.structs.replace(bundle.manifest, files={}) == manifest_of()
    assert bundle.graph("fp32") == bundle.path("policy.onnx") == folder / "policy.onnx"


def test_the_same_manifest_and_files_give_the_same_bytes(folder):
    before = (folder / "policy.yaml").read_bytes()
    write_manifest(folder, manifest_of())
    assert (folder / "policy.yaml").read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == ["policy.onnx", "policy.yaml", "vocabulary.txt"]


def test_more_files_than_the_graphs_can_be_vouched_for(folder):
    (folder / "policy.onnx.data").write_bytes(b"weights")
    bundle = write_manifest(folder, manifest_of(files={"policy.onnx.data": ""}))
    assert sorted(bundle.manifest.files) == ["policy.onnx", "policy.onnx.data", "vocabulary.txt"]


def test_a_manifest_that_contradicts_itself_is_not_written(folder):
    before = (folder / "policy.yaml").read_bytes()
    with pytest.raises(BundleError, match=r"action\.horizon: got 0; must be at least 1 and at most 1024"):
        with_rows(folder, 0)
    with pytest.raises(BundleError, match=r"policy-int8\.onnx: No such file or directory - write the bundle's files"):
        write_manifest(folder, manifest_of(graphs={"int8": "policy-int8.onnx"}))
    assert (folder / "policy.yaml").read_bytes() == before


def test_a_file_or_graph_that_nothing_vouches_for_is_not_handed_out(folder):
    (folder / "stray.onnx").write_bytes(b"x")
    bundle = load_manifest(folder)
    with pytest.raises(BundleError, match=r'no file "stray\.onnx" - it has policy\.onnx, vocabulary\.txt'):
        bundle.path("stray.onnx")
    with pytest.raises(BundleError, match='no graph "int8" - use one of: fp32'):
        bundle.graph("int8")


def test_a_changed_file_is_refused_with_both_hashes(folder):
    (folder / "policy.onnx").write_bytes(GRAPH + b".")
    said, found = hashlib.sha256(GRAPH).hexdigest(), hashlib.sha256(GRAPH + b".").hexdigest()
    assert refusal(folder).startswith(f"policy.onnx: its SHA-256 is {found}; policy.yaml says {said}")


def test_all_damage_is_told_at_once(folder):
    (folder / "policy.onnx").unlink()
    (folder / "vocabulary.txt").write_text("x\n")
    lines = refusal(folder).splitlines()
    assert lines[0] == "policy.onnx: is missing; policy.yaml lists it"
    assert lines[1].startswith("vocabulary.txt: its SHA-256 is ")


def test_a_link_out_of_the_bundle_is_refused(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "policy.onnx"
    outside.write_bytes(GRAPH)
    (folder / "policy.onnx").unlink()
    (folder / "policy.onnx").symlink_to(outside)
    assert refusal(folder).startswith(f"policy.onnx: lies outside the bundle, at {outside}")


def test_a_pipe_does_not_block_the_loading(folder):
    (folder / "policy.onnx").unlink()
    os.mkfifo(folder / "policy.onnx")
    assert refusal(folder).startswith("policy.onnx: is not a regular file")


def test_a_folder_without_a_bundle_says_what_is_missing(tmp_path):
    assert refusal(tmp_path) == "policy.yaml: there is no such file - check the path"
    assert refusal(tmp_path / "nowhere") == "policy.yaml: there is no such file - check the path"


def test_a_file_without_permission_says_so(folder, monkeypatch):
    really_open = Path.open

    def denied(path, *args, **kwargs):
        if path.suffix == ".onnx":
            raise PermissionError(13, "Permission denied", str(path))
        return really_open(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", denied)
    assert refusal(folder).startswith("policy.onnx: cannot be read: Permission denied")
    with pytest.raises(BundleError, match=r"policy\.onnx: Permission denied"):
        write_manifest(folder, manifest_of())


SIX, FIVE = "[0.0, 0.0, 0.0, 0.0, 0.0, 0.0]", "[0.0, 0.0, 0.0, 0.0, 0.0]"
STD = "[1.0e-05, 1.0e-05, 1.0e-05, 1.0e-05, 1.0e-05, 1.0e-05]"
HASHED = "policy.onnx: " + hashlib.sha256(GRAPH).hexdigest()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "format: edgevla-bundle/1",
            "format: edgevla-bundle/9",
            '1: format: got "edgevla-bundle/9"; must be "edgevla-',
        ),
        ("family: regression", "famly: regression", '3: famly: unknown key "famly"; did you mean "family"? allowed: f'),
        ("horizon: 12", "horizon: twelve", '29: action.horizon: got "twelve"; must be a whole number'),
        ("rate_hz: 10.0", "rate_hz: 0", "28: action.rate_hz: got 0; must be above 0 and at most 500"),
        ("unit: rad", "unit: deg", '26: action.unit: got "deg"; must be "rad"'),
        (
            f"mean: {SIX}",
            f"mean: {FIVE}",
            "21: state.mean: got [0.0, 0.0, 0.0, 0.0, 0.0]; must have a number for each of",
        ),
        (f"std: {STD}", "std: [1, 1, 0, 1, 1, 1]", "22: state.std[2]: got 0; must be above 0"),
        (f"std: {STD}", "std: [1, 1, .nan, 1, 1, 1]", "22: state.std[2]: got .nan; must be a finite number"),
        (f"std: {STD}", "std: [1, 1, .inf, 1, 1, 1]", "22: state.std[2]: got .inf; must be a finite number"),
        (f"mean: {SIX}", f"mean: {SIX[:-4]}1e999]", "21: state.mean[5]: got 1e999; must be a finite number"),
        (
            "fp32: policy.onnx",
            "fp32: other.onnx",
            '5: graphs.fp32: got "other.onnx"; must be one of the files with a has',
        ),
        (
            "vocabulary: vocabulary.txt",
            "vocabulary: words.txt",
            '35: language.vocabulary: got "words.txt"; must be one of',
        ),
        (
            "shape: [1, 3, 96, 96]",
            "shape: [1, 96, 96, 3]",
            "9: inputs.front.shape: got [1, 96, 96, 3]; must be [1, 3, he",
        ),
        (
            "shape: [1, 3, 96, 96]",
            "shape: [1, 3, 96]",
            "9: inputs.front.shape: got [1, 3, 96]; must be [1, 3, height, w",
        ),
        ("shape: [1, 3, 96, 96]", "shape: [-1, 3, 96, 96]", "9: inputs.front.shape[0]: got -1; must be at least 1"),
        (
            "shape: [1, 6]",
            "shape: [1, 7]",
            "13: inputs.state.shape: got [1, 7]; must be [1, 6], a number for each of acti",
        ),
        (
            "shape: [1, 8]",
            "shape: [1, 9]",
            "17: inputs.tokens.shape: got [1, 9]; must be [1, 8], as language.length says",
        ),
        (
            "dtype: int64",
            "dtype: float32",
            '16: inputs.tokens.dtype: got "float32"; must be int64 for the source instruct',
        ),
        (
            "source: camera:front",
            "source: front",
            '10: inputs.front.source: got "front"; must be camera:NAME, state or ',
        ),
        ("name: state", "name: front", '11: inputs.front: "front" stands there twice'),
        ("shoulder_lift, ", "gripper, ", '25: action.names[5]: "gripper" stands there twice'),
        ("[push the blue block left]", "[]", "37: language.instructions: got []; must not be empty"),
        (HASHED, HASHED[:-1], f'39: files["policy.onnx"]: got "{HASHED[13:70]}..."; must be a SHA-256, 64 hexadecimal'),
        ("  policy.onnx: ", "  ../policy.onnx: ", '39: files["../policy.onnx"]: must name a file inside the bundle'),
        (
            "  policy.onnx: ",
            "  /etc/policy.onnx: ",
            '39: files["/etc/policy.onnx"]: must name a file inside the bundle',
        ),
        ("  policy.onnx: ", '  "a\\0b": ', r'39: files["a\x00b"]: must name a file inside the bundle'),
        (
            "  policy.onnx: ",
            "  policy.yaml: ",
            '39: files["policy.yaml"]: must name a file inside the bundle, other than',
        ),
    ],
)
def test_a_mistake_in_policy_yaml_is_named_with_its_line(folder, old, new, message):
    path = folder / "policy.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    assert refusal(folder).startswith(f"policy.yaml:{message}")


def test_action_statistics_of_another_number_of_joints_are_refused(folder):
    five = Normalisation(kind="mean_std", mean=(0.0,) * 6, std=(1.0,) * 5)
    with pytest.raises(BundleError, match=r"action\.normalisation\.std: got .* each of the 6 action\.names, not 5"):
        write_manifest(folder, manifest_of(action=msgspec.structs.replace(manifest_of().action, normalisation=five)))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("<pad>\npush\npush\n", 'vocabulary.txt:3: got "push", which stands on line 2 already - write one word a line'),
        ("<pad>\npush\n\nleft\n", 'vocabulary.txt:3: got "" - write one word a line, in lower case, each once'),
        ("<pad>\nPush\n", 'vocabulary.txt:2: got "Push"'),
        ("<pad>\npush left\n", 'vocabulary.txt:2: got "push left"'),
        ("<pad>\n", "vocabulary.txt: holds no words - line 1 is the padding, the words follow"),
        ("", "vocabulary.txt: holds no words"),
        (b"<pad>\n\xff\n", "vocabulary.txt: byte 6 is not UTF-8"),
    ],
)
def test_a_vocabulary_that_cannot_be_one_is_refused(folder, words, message):
    (folder / "vocabulary.txt").write_bytes(words if isinstance(words, bytes) else words.encode())
    with pytest.raises(BundleError) as caught:
        write_manifest(folder, manifest_of())
    assert str(caught.value).replace(f"{folder}/", "").startswith(message)


def test_a_bundle_fits_the_robot_it_was_made_for(folder):
    check_fits(load_manifest(folder), load_robot(ROBOT))


def test_the_shipped_bundle_is_whole_and_fits_the_shipped_robot():
    folder = shipped("so101-tabletop")
    check_fits(load_manifest(folder), load_robot(folder / "robot.yaml"))


@pytest.mark.parametrize("names", [JOINTS[::-1], (*JOINTS[:5], "thumb")])
def test_other_joints_or_another_order_do_not_fit(folder, names):
    action = msgspec.structs.replace(manifest_of().action, names=names)
    bundle = write_manifest(folder, manifest_of(action=action))
    with pytest.raises(BundleError) as caught:
        check_fits(bundle, load_robot(ROBOT))
    assert f"action.names are [{', '.join(names)}]" in str(caught.value)
    assert f"the joints of robot so101-tabletop are [{', '.join(JOINTS)}]" in str(caught.value)


def test_a_camera_the_robot_lacks_does_not_fit(folder):
    bundle = load_manifest(folder)
    robot = load_robot(ROBOT, {"cameras.front.name": "top"})
    with pytest.raises(BundleError, match=r"through the cameras \[front\]; robot so101-tabletop has \[top, wrist\]"):
        check_fits(bundle, robot)


def test_a_policy_that_looks_through_every_camera_fits(folder):
    wrist = TensorSpec(name="wrist", dtype="float32", shape=(1, 3, 96, 96), source="camera:wrist")
    bundle = write_manifest(folder, manifest_of(inputs=(*manifest_of().inputs, wrist)))
    check_fits(bundle, load_robot(ROBOT))


def test_a_plan_that_lasts_just_until_it_is_stale_fits(folder):
    check_fits(with_rows(folder, 3), load_robot(ROBOT, {"control.plan_hold_after": "300 ms"}))


def test_a_plan_that_ends_before_it_is_stale_does_not_fit(folder):
    with pytest.raises(
        BundleError, match=r"2 rows at 10 Hz lasts 200 ms; .* up to an age of 300 ms - set control\.plan_ho"
    ):
        check_fits(with_rows(folder, 2), load_robot(ROBOT))


def test_a_single_row_is_asked_for_until_it_is_stale_however_long_that_is(folder):
    check_fits(with_rows(folder, 1), load_robot(ROBOT))
    timeline = Timeline(len(JOINTS), hold_after_s=0.3)
    row = tuple(0.1 * number for number in range(len(JOINTS)))
    assert timeline.offer(Chunk(seq=0, t_obs_s=5.0, rate_hz=10.0, actions_rad=(row,), valid=True), now_s=5.05) == ""
    for now_s in (5.05, 5.1, 5.299):
        assert timeline.wanted(now_s) == Wanted(row, (0.0,) * len(JOINTS))
    assert timeline.wanted(5.301) is None


@pytest.mark.parametrize(("replan", "fits"), [("10 Hz", True), ("20 Hz", False), ("5 Hz", False)])
def test_a_policy_that_remembers_is_asked_at_the_rate_of_its_memory(folder, replan, fits):
    bundle = write_manifest(folder, manifest_of(family="recurrent", recurrent=Recurrent(window=8, hidden=16)))
    robot = load_robot(ROBOT, {"control.replan": replan})
    if fits:
        check_fits(bundle, robot)
    else:
        with pytest.raises(BundleError, match=rf"come at 10 Hz; .* plans at {replan} - set control\.replan"):
            check_fits(bundle, robot)


def test_a_full_disk_is_one_line_and_leaves_policy_yaml_as_it_was(folder, monkeypatch):
    def full(_path):
        raise OSError(28, "No space left on device")

    before, files = (folder / "policy.yaml").read_bytes(), sorted(folder.iterdir())
    monkeypatch.setattr("edgevla.files.sync", full)
    with pytest.raises(BundleError, match=r"policy\.yaml: No space left on device"):
        with_rows(folder, 9)
    assert (folder / "policy.yaml").read_bytes() == before
    assert sorted(folder.iterdir()) == files


def test_tables_are_plain_data_with_the_same_keys_in_every_row(folder):
    tables = {**describe_robot(load_robot(ROBOT)), **describe_bundle(load_manifest(folder))}
    assert list(tables) == ["robot", "joints", "cameras", "policy", "inputs", "state", "action", "files"]
    for rows in tables.values():
        assert rows
        assert len({tuple(row) for row in rows}) == 1
        assert all(type(value) in (str, int) for row in rows for value in row.values())


def test_tables_show_values_as_people_write_them(folder):
    tables = {**describe_robot(load_robot(ROBOT)), **describe_bundle(load_manifest(folder))}
    assert tables["joints"][0]["position_hard"] == "-110 deg .. 110 deg"
    assert {"setting": "control.rate", "value": "50 Hz"} in tables["robot"]
    assert tables["cameras"][0]["size"] == "288x288"
    assert {"setting": "action.chained", "value": "no"} in tables["policy"]
    assert tables["inputs"][0] == {"name": "front", "source": "camera:front", "dtype": "float32", "shape": "1x3x96x96"}
    row = {"name": "shoulder_pan", "kind": "mean_std", "mean": "0", "std": "1e-05", "eps": "0", "mask": "scaled"}
    assert tables["state"][0] == tables["action"][0] == row
    assert tables["files"][0]["bytes"] == len(GRAPH)
