"""The format of a calibration set: what is on disk is what comes back, or an error that names the file."""

import json

import numpy as np
import pytest
from msgspec.structs import replace

from edgevla.bundle import load_manifest
from edgevla.calibration_set import (
    CalibrationSetError,
    Resolution,
    SetManifest,
    check_set_fits,
    inputs_sha256,
    load_set,
    save_item,
    save_manifest,
)
from edgevla.messages import Observation
from edgevla.shipped import shipped


@pytest.fixture
def bundle():
    return load_manifest(shipped("so101-tabletop"))


@pytest.fixture
def folder(tmp_path, bundle):
    image = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    item = save_item(tmp_path, 7, Observation(1.5, {"front": image}, np.arange(6.0), "go"))
    manifest = SetManifest(
        bundle=bundle.manifest.name,
        inputs_sha256=inputs_sha256(bundle.manifest),
        source="robot",
        started="now",
        joints=bundle.manifest.joints,
        cameras={"front": Resolution(height=4, width=6)},
        items=(item,),
    )
    save_manifest(tmp_path, manifest)
    return tmp_path


def test_a_set_comes_back_as_it_was_written(folder, bundle):
    found = load_set(folder)
    check_set_fits(found, bundle)
    (only,) = found
    assert (len(found), only.t_obs_s, only.instruction) == (1, 1.5, "go")
    assert only.images["front"].shape == (4, 6, 3)
    assert only.state_rad.tolist() == [0, 1, 2, 3, 4, 5]
    assert {path.name for path in folder.iterdir()} == {"manifest.json", "item-000007.npz"}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.unlink(), "cannot be read"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "its SHA-256 is not the one"),
    ],
)
def test_a_damaged_item_is_named(folder, spoil, words):
    spoil(folder / "item-000007.npz")
    with pytest.raises(CalibrationSetError, match=rf"item-000007\.npz: {words}"):
        load_set(folder).observation(0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": "edgevla-calibration/2"}, "is not the manifest of a calibration set"),
        (
            {"items": [{"file": "../../etc/passwd", "sha256": "0", "t_s": 0.0, "instruction": "x"}]},
            "is not the manifest",
        ),
        (
            {"cameras": {"front": {"height": 5, "width": 6}}},
            r"camera:front is uint8 \(4, 6, 3\), not uint8 \(5, 6, 3\)",
        ),
        ({"cameras": {"wrist": {"height": 4, "width": 6}}}, "is not an observation"),
        ({"joints": ["a", "b"]}, r"state_rad is float64 \(6,\)"),
    ],
)
def test_a_manifest_that_does_not_match_is_refused(folder, changes, words):
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(CalibrationSetError, match=words):
        load_set(folder).observation(0)


def test_a_folder_without_a_manifest_says_how_to_get_one(tmp_path):
    with pytest.raises(CalibrationSetError, match="edgevla calibrate capture"):
        load_set(tmp_path)


def test_a_set_for_other_joints_or_inputs_does_not_fit(folder, bundle):
    found = load_set(folder)
    others = replace(bundle.manifest.action, names=("a", *bundle.manifest.action.names[1:]))
    with pytest.raises(CalibrationSetError, match="the joints of this set are"):
        check_set_fits(found, type(bundle)(bundle.folder, replace(bundle.manifest, action=others)))
    larger = replace(bundle.manifest.inputs[0], shape=(1, 3, 128, 128))
    inputs = (larger, *bundle.manifest.inputs[1:])
    with pytest.raises(CalibrationSetError, match="was taken for inputs"):
        check_set_fits(found, type(bundle)(bundle.folder, replace(bundle.manifest, inputs=inputs)))
