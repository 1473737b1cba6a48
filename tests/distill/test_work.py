"""The work folder: it is of one plan, notes survive an interruption, and bundles leave it whole."""

import json

import pytest

from edgevla.distill.work import WorkError, claim, noted, ready, ship

IDENTITY = {"version": 2, "seed": 0, "instructions": ("touch", "push")}


def bundle(folder, text):
    folder.mkdir(parents=True)
    (folder / "policy.yaml").write_text(text)
    return folder


def test_a_folder_that_was_begun_goes_on(tmp_path):
    claim(tmp_path / "work", IDENTITY)
    claim(tmp_path / "work", IDENTITY)


@pytest.mark.parametrize(("key", "value"), [("version", 3), ("seed", 1), ("instructions", ("touch",))])
def test_a_folder_of_something_else_is_refused_and_says_what(tmp_path, key, value):
    claim(tmp_path, IDENTITY)
    with pytest.raises(WorkError, match=f"was begun with {key}"):
        claim(tmp_path, {**IDENTITY, key: value})


def test_a_folder_of_files_that_nobody_claimed_is_refused(tmp_path):
    (tmp_path / "teacher.pt").touch()
    with pytest.raises(WorkError, match="which plan"):
        claim(tmp_path, IDENTITY)


def test_a_damaged_claim_is_one_line(tmp_path):
    (tmp_path / "recipe.json").write_text("{")
    with pytest.raises(WorkError, match="no JSON object"):
        claim(tmp_path, IDENTITY)


def test_a_work_folder_that_is_a_file_is_no_place(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        claim(tmp_path / "file" / "seed-0", IDENTITY)


def test_minutes_of_an_interrupted_stage_add_up(tmp_path, monkeypatch):
    moments = iter([0.0, 60.0, 100.0, 220.0])
    monkeypatch.setattr("edgevla.distill.work.time.monotonic", lambda: next(moments))
    with pytest.raises(KeyboardInterrupt), noted(tmp_path, "teacher"):
        raise KeyboardInterrupt
    with noted(tmp_path, "teacher") as note:
        note["loss"] = 0.5
    assert json.loads((tmp_path / "teacher.json").read_text()) == {"minutes": 3.0, "loss": 0.5}


def test_a_bundle_takes_the_place_of_an_older_one(tmp_path):
    out = bundle(tmp_path / "out" / "flow", "old")
    (out / "left over").touch()
    new = bundle(tmp_path / "work" / "flow", "new")
    ready(out)
    ship(new, out)
    assert [path.name for path in out.iterdir()] == ["policy.yaml"]
    assert (out / "policy.yaml").read_text() == "new"
    assert [path.name for path in out.parent.iterdir()] == ["flow"]


def test_a_place_with_something_else_in_it_is_refused(tmp_path):
    (tmp_path / "flow").mkdir()
    ready(tmp_path / "flow")
    (tmp_path / "flow" / "thesis.txt").touch()
    with pytest.raises(WorkError, match="no bundle"):
        ready(tmp_path / "flow")
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        ready(tmp_path / "file" / "flow")
