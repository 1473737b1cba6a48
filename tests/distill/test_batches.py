"""What a network is shown: normalised numbers, other words, other light, and what to do in the dark."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the recipe needs torch; the runtime does not")

from edgevla.distill import batches as batching  # noqa: E402 - torch may be missing
from edgevla.distill.batches import Batches, Statistics, covered, named_places, relit  # noqa: E402
from edgevla.distill.labels import Labels  # noqa: E402
from edgevla.distill.sentences import LENGTH  # noqa: E402
from edgevla.sim.tasks import EXTENDED  # noqa: E402


def draw(rows, size=64, **options):
    torch.manual_seed(0)
    return Batches(rows, Statistics.of(rows), **options).draw(size, np.random.default_rng(0))


def goals(batch, statistics):
    """The setpoints that a batch asks for, (batch, 12, 6) rad."""
    state = batch.state * statistics.state_std + statistics.state_mean
    return state[:, None] + batch.deltas * statistics.delta_std + statistics.delta_mean


def test_normalised_deltas_have_mean_0_and_spread_1(rows):
    statistics = Statistics.of(rows)
    deltas = (rows.plan_rad - rows.state_rad[:, None] - statistics.delta_mean) / statistics.delta_std
    assert np.abs(deltas.mean((0, 1))).max() < 1e-3
    assert deltas.std((0, 1)) == pytest.approx(np.ones(6), abs=1e-3)


def test_a_joint_that_does_not_move_is_not_blown_up(rows):
    still = np.zeros_like(rows.state_rad)
    statistics = Statistics.of(replace(rows, state_rad=still, plan_rad=still[:, None].repeat(12, 1)))
    assert (statistics.delta_std >= 0.02).all()
    assert (statistics.state_std >= 0.02).all()


def test_statistics_are_kept(rows, tmp_path):
    statistics = Statistics.of(rows)
    statistics.save(tmp_path / "statistics.npz")
    again = Statistics.load(tmp_path / "statistics.npz")
    assert all(np.array_equal(value, getattr(again, name)) for name, value in vars(statistics).items())


def test_a_batch_has_the_shapes_the_networks_take(rows):
    batch = draw(rows, wrist=True)
    assert batch.front.shape == batch.wrist.shape == (64, 3, 96, 96)
    assert batch.state.shape == (64, 6)
    assert batch.tokens.shape == (64, LENGTH)
    assert batch.deltas.shape == (64, 12, 6)
    assert batch.places.shape == (64, 4)


def test_who_does_not_want_the_second_camera_does_not_pay_for_it(rows):
    assert draw(rows).wrist.numel() == 0


def test_plans_lead_to_the_same_place_whatever_the_noise_on_the_state(rows, monkeypatch):
    statistics = Statistics.of(rows)
    noisy = goals(draw(rows), statistics)
    monkeypatch.setattr(batching, "_STATE_NOISE", 0.0)
    assert torch.allclose(noisy, goals(draw(rows), statistics), atol=1e-5)


def test_the_teachers_plans_take_the_place_of_the_experts(rows, monkeypatch):
    monkeypatch.setattr(batching, "_BLIND_SHARE", 0.0)
    plans = np.stack([np.full_like(rows.plan_rad, 0.3), np.full_like(rows.plan_rad, 0.4)], 1)
    labels = Labels(plans, np.ones((len(rows), 512), np.float16))
    batch = draw(rows, labels=labels)
    found = goals(batch, Statistics.of(rows))[:, 0, 0]
    assert set(np.round(found.numpy(), 3).tolist()) == {0.3, 0.4}, "one of the drawn plans each"
    assert batch.feature.shape == (64, 512)


@pytest.mark.parametrize("wrist", [True, False])
def test_who_sees_nothing_through_one_camera_or_both_shall_hold_still(rows, monkeypatch, wrist):
    monkeypatch.setattr(batching, "_BLIND_SHARE", 1.1)
    batch, statistics = draw(rows, wrist=wrist), Statistics.of(rows)
    assert batch.blind.all()
    seen = (batch.front, batch.wrist) if wrist else (batch.front,)
    dark = torch.stack([picture.amax((1, 2, 3)) == picture.amin((1, 2, 3)) for picture in seen], 1)
    ways = {(True, True), (True, False), (False, True)} if wrist else {(True,)}
    assert {tuple(each) for each in dark.tolist()} == ways
    moves = batch.deltas * statistics.delta_std + statistics.delta_mean
    assert torch.allclose(moves, moves[:, :1].expand_as(moves), atol=1e-6)
    assert moves.abs().max() < 0.25, "only the noise on the state and the arm's weight are answered"


def test_half_of_the_covered_cameras_are_black():
    torch.manual_seed(0)
    black = (covered(1000).amax((1, 2, 3)) == 0.0).float().mean()
    assert black == pytest.approx(0.5, abs=0.06)


def test_places_are_those_of_the_blocks_in_the_sentence(rows):
    put = EXTENDED.index("put the red block on the blue block")
    touch = EXTENDED.index("touch the green block")
    some = replace(rows, task=np.array([put, touch] * (len(rows) // 2)))
    red, green, blue = (some.block_m[:, colour, :2] / 0.1 for colour in range(3))
    found = named_places(some)
    assert found[0] == pytest.approx([*red[0], *blue[0]])
    assert found[1] == pytest.approx([*green[1], *green[1]])


def test_sentences_are_paraphrased(rows):
    tasks = replace(rows, task=np.arange(len(rows)) % 9)
    assert len(torch.unique(draw(tasks, 500).tokens, dim=0)) > 25


def test_light_and_tint_change_a_picture_but_keep_it_a_picture():
    torch.manual_seed(0)
    picture = torch.randint(0, 255, (4, 96, 96, 3), dtype=torch.uint8)
    changed = relit(picture)
    assert changed.shape == (4, 3, 96, 96)
    assert changed.min() >= 0.0
    assert changed.max() <= 1.0
    assert (changed - picture.permute(0, 3, 1, 2) / 255.0).abs().mean() > 0.01
