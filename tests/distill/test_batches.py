"""What the student is shown: normalised numbers, other words, other light, and what to do in the dark."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the recipe needs torch; the runtime does not")

from edgevla.distill import batches as batching  # noqa: E402 - torch may be missing
from edgevla.distill.batches import Batches, Statistics, covered, relit  # noqa: E402
from edgevla.distill.demonstrations import Samples  # noqa: E402


def test_normalised_deltas_have_mean_0_and_spread_1(samples):
    statistics = Statistics.of(samples)
    deltas = (samples.plan_rad - samples.state_rad[:, None] - statistics.delta_mean) / statistics.delta_std
    assert np.abs(deltas.mean((0, 1))).max() < 1e-3
    assert deltas.std((0, 1)) == pytest.approx(np.ones(6), abs=1e-3)


def test_a_joint_that_does_not_move_is_not_blown_up(samples):
    still = np.zeros_like(samples.state_rad)
    statistics = Statistics.of(Samples(samples.front, still, samples.task, still[:, None], samples.block_m))
    assert (statistics.delta_std >= 0.02).all()
    assert (statistics.state_std >= 0.02).all()


def draw(samples, size=64):
    torch.manual_seed(0)
    return Batches(samples, Statistics.of(samples)).draw(size, np.random.default_rng(0))


def test_a_batch_has_the_shapes_the_student_takes(samples):
    batch = draw(samples)
    assert batch.front.shape == (64, 3, 96, 96)
    assert batch.state.shape == (64, 6)
    assert batch.tokens.shape == (64, 8)
    assert batch.deltas.shape == (64, 12, 6)
    assert batch.block.shape == (64, 2)


def test_plans_lead_to_the_same_place_whatever_the_noise_on_the_state(samples, monkeypatch):
    statistics = Statistics.of(samples)

    def goals(batch):
        state = batch.state * statistics.state_std + statistics.state_mean
        return state[:, None] + batch.deltas * statistics.delta_std + statistics.delta_mean

    noisy = goals(draw(samples))
    monkeypatch.setattr(batching, "_STATE_NOISE", 0.0)
    assert torch.allclose(noisy, goals(draw(samples)), atol=1e-5)


def test_who_sees_nothing_shall_hold_still(samples, monkeypatch):
    monkeypatch.setattr(batching, "_BLIND_SHARE", 1.1)
    batch, statistics = draw(samples), Statistics.of(samples)
    assert batch.blind.all()
    assert (batch.front.amax((1, 2, 3)) == batch.front.amin((1, 2, 3))).all()
    moves = batch.deltas * statistics.delta_std + statistics.delta_mean
    assert torch.allclose(moves, moves[:, :1].expand_as(moves), atol=1e-6)
    assert moves.abs().max() < 0.25, "only the noise on the state and the arm's weight are answered"


def test_half_of_the_covered_cameras_are_black():
    torch.manual_seed(0)
    black = (covered(1000).amax((1, 2, 3)) == 0.0).float().mean()
    assert black == pytest.approx(0.5, abs=0.06)


def test_sentences_are_paraphrased(samples):
    assert len(torch.unique(draw(samples, 500).tokens, dim=0)) > 25


def test_light_and_tint_change_a_picture_but_keep_it_a_picture():
    torch.manual_seed(0)
    picture = torch.randint(0, 255, (4, 96, 96, 3), dtype=torch.uint8)
    changed = relit(picture)
    assert changed.shape == (4, 3, 96, 96)
    assert changed.min() >= 0.0
    assert changed.max() <= 1.0
    assert (changed - picture.permute(0, 3, 1, 2) / 255.0).abs().mean() > 0.01
