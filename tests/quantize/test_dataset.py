from __future__ import annotations

import msgspec
import numpy as np
import pytest

from edgevla.bundle import Bundle
from edgevla.calibration_set import CalibrationSetError, load_set, save_manifest
from edgevla.config.policy_families import Recurrent
from edgevla.policy.engines import load_engine
from edgevla.policy.policy import Policy
from edgevla.quantize.dataset import FEWEST, load_dataset, remembering, split
from edgevla.quantize.errors import SetUnfit
from edgevla.quantize.quantise import sets_of


def test_a_set_gives_its_observations_as_often_as_asked(bundle, observations):
    policy = bundle()
    part = load_dataset(observations(policy), policy)
    first, again = ([each.state_rad.tolist() for each in part] for _ in range(2))
    assert len(first) == len(part) == 48
    assert first == again


@pytest.mark.parametrize("count", [0, 1, FEWEST - 1])
def test_an_empty_or_small_set_is_refused(bundle, observations, count):
    policy = bundle()
    with pytest.raises(SetUnfit, match=f"holds {count} observations; at least {FEWEST} are needed"):
        load_dataset(observations(policy, count), policy)


def test_a_set_without_the_policy_s_camera_is_refused(bundle, observations):
    policy = bundle()
    with pytest.raises(SetUnfit, match=r"has pictures of \[side\], none of camera front"):
        load_dataset(observations(policy, cameras=("side",)), policy)


def test_a_set_taken_for_another_resolution_of_the_graph_is_refused(bundle, observations):
    policy = bundle()
    place = observations(policy)
    taken = load_set(place).manifest
    save_manifest(place, msgspec.structs.replace(taken, inputs_sha256="0" * 64))
    with pytest.raises(CalibrationSetError, match="was taken for inputs 000000000000"):
        load_dataset(place, policy)


def test_a_damaged_item_is_refused_when_it_is_read(bundle, observations):
    policy = bundle()
    place = observations(policy)
    item = place / "item-000005.npz"
    item.write_bytes(item.read_bytes()[:-1])
    with pytest.raises(CalibrationSetError, match="SHA-256"):
        list(load_dataset(place, policy))


def test_a_blank_picture_is_refused(bundle, observations):
    policy = bundle()
    place = observations(policy, picture=np.full((24, 24, 3), 7, np.uint8))
    with pytest.raises(SetUnfit, match="item 0: the picture of camera front is blank"):
        list(load_dataset(place, policy))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_state_that_is_not_finite_is_refused(bundle, observations, value):
    policy = bundle()
    place = observations(policy, state_rad=(0.0, value))
    with pytest.raises(SetUnfit, match="item 0: the state is not finite"):
        list(load_dataset(place, policy))


@pytest.mark.parametrize("shares", [(1, 1), (2, 1, 1)])
def test_parts_of_a_split_share_nothing_and_leave_nothing_out(bundle, observations, shares):
    policy = bundle()
    everything = load_dataset(observations(policy, 50), policy)
    parts = split(everything, shares)
    indices = [index for part in parts for index in part.indices]
    assert sorted(indices) == list(range(50))
    assert [round(len(part) / 50, 1) for part in parts] == [round(share / sum(shares), 1) for share in shares]


def test_neighbours_in_time_stay_together(bundle, observations):
    policy = bundle()
    one, other = split(load_dataset(observations(policy, 40), policy), (1, 1), run=4)
    assert one.indices[:8] == (0, 1, 2, 3, 8, 9, 10, 11)
    assert other.indices[:4] == (4, 5, 6, 7)


def test_fewer_are_taken_from_all_over_the_part(bundle, observations):
    policy = bundle()
    part = load_dataset(observations(policy, 40), policy)
    assert part.first(4, policy.manifest).indices == (0, 10, 20, 30)
    assert part.first(99, policy.manifest) is part


WINDOW = Recurrent(window=4, hidden=8)


def episodes(place, rows, *, gap_s=1.0):
    """Give the items of a set times: rows of so many at 10 Hz, one sentence, a gap between two rows."""
    manifest = load_set(place).manifest
    times_s = [0.1 * number + gap_s * row for row, count in enumerate(rows) for number in range(count)]
    starts = np.cumsum([0, *rows])
    times_s = [t_s + 0.1 * starts[np.searchsorted(starts, i, side="right") - 1] for i, t_s in enumerate(times_s)]
    items = tuple(
        msgspec.structs.replace(item, t_s=float(t_s), instruction="go left")
        for item, t_s in zip(manifest.items, times_s, strict=True)
    )
    save_manifest(place, msgspec.structs.replace(manifest, items=items))


@pytest.mark.parametrize(("rows", "full"), [((48,), 45), ((24, 24), 42), ((3,) * 16, 0), ((1,) * 48, 0)])
def test_a_memory_of_four_is_full_from_the_fourth_of_an_unbroken_row(bundle, observations, rows, full):
    policy = bundle()
    place = observations(policy)
    episodes(place, rows)
    part = load_dataset(place, policy)
    assert remembering(part, policy.manifest) == 48
    assert remembering(part, msgspec.structs.replace(policy.manifest, recurrent=WINDOW)) == full


def test_another_sentence_breaks_the_row(bundle, observations):
    """As the fixture writes them: at 10 Hz, but with two sentences in turn."""
    policy = bundle()
    part = load_dataset(observations(policy), policy)
    assert remembering(part, msgspec.structs.replace(policy.manifest, recurrent=WINDOW)) == 0


def test_the_row_breaks_where_the_policy_forgets(bundle, observations):
    """A part that counts as unbroken by the set's times is one in which the policy itself never forgets, and back."""
    policy = bundle()
    place = observations(policy)
    for gap_s, full in ((0.04, 42 + 3), (0.06, 42)):  # 0.14 s and 0.16 s between two rows at 10 Hz
        episodes(place, (24, 24), gap_s=gap_s)
        part = load_dataset(place, policy)
        assert remembering(part, msgspec.structs.replace(policy.manifest, recurrent=WINDOW)) == full
        acting = Policy(policy, load_engine(policy, "fp32"))
        forgot = []
        acting._forget = lambda forgot=forgot: forgot.append(1)
        for seq, observation in enumerate(part):
            assert acting.act(observation, seq).valid
        assert len(forgot) == (1 if full == 45 else 2)  # always before the first


def test_a_policy_that_remembers_is_not_quantised_on_frames_picked_here_and_there(bundle, observations):
    policy = bundle()
    place = observations(policy, 160)
    remembers = Bundle(policy.folder, msgspec.structs.replace(policy.manifest, recurrent=WINDOW))
    with pytest.raises(SetUnfit, match=r"small remembers 4 observations; 0 of 120 here end an unbroken row of 4 at 10"):
        sets_of(remembers, place)
    episodes(place, (160,))
    sets = sets_of(remembers, place)
    assert sets.calibration.indices == tuple(range(120))
    assert sets.held_out.indices == tuple(range(120, 160))


def test_fewer_are_taken_without_a_gap_where_the_policy_remembers(bundle, observations):
    policy = bundle()
    part = load_dataset(observations(policy, 40), policy)
    manifest = msgspec.structs.replace(policy.manifest, recurrent=WINDOW)
    assert part.first(4, manifest).indices == (0, 1, 2, 3)
