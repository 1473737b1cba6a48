"""Training: it learns, it can be interrupted, and a seed decides everything."""

import pytest

torch = pytest.importorskip("torch", reason="the recipe needs torch; the runtime does not")

from rich.progress import Progress  # noqa: E402 - torch may be missing

from edgevla.distill import train as training  # noqa: E402
from edgevla.distill.batches import Statistics  # noqa: E402
from edgevla.distill.train import train  # noqa: E402


@pytest.fixture(autouse=True)
def small_steps(monkeypatch):
    monkeypatch.setattr(training, "BATCH", 4)
    monkeypatch.setattr(training, "_CHECKPOINT_STEPS", 3)
    monkeypatch.setattr(training, "_WARM_UP_STEPS", 2)
    torch.set_num_threads(1)


def run(samples, checkpoint, steps, **options):
    with Progress(disable=True) as progress:
        return train(samples, Statistics.of(samples), checkpoint, steps=steps, seed=3, progress=progress, **options)


def weights(student):
    return torch.cat([value.flatten() for value in student.state_dict().values()])


def test_the_loss_falls(samples, tmp_path):
    _, early = run(samples, tmp_path / "a.pt", 2)
    _, late = run(samples, tmp_path / "b.pt", 12)
    assert late < early


def test_a_finished_training_is_not_repeated(samples, tmp_path):
    first, _ = run(samples, tmp_path / "a.pt", 6)
    again, _ = run(samples, tmp_path / "a.pt", 6)
    assert torch.equal(weights(first), weights(again))


def test_an_interrupted_training_ends_like_one_that_was_not(samples, tmp_path, monkeypatch):
    whole, _ = run(samples, tmp_path / "whole.pt", 6)
    calls = iter(range(4))
    loss = training._loss

    def interrupted(*arguments):
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return loss(*arguments)

    monkeypatch.setattr(training, "_loss", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(samples, tmp_path / "cut.pt", 6)
    monkeypatch.setattr(training, "_loss", loss)
    resumed, _ = run(samples, tmp_path / "cut.pt", 6)
    assert torch.allclose(weights(resumed), weights(whole), atol=1e-6)


def test_it_can_begin_with_the_weights_of_another(samples, tmp_path):
    first, _ = run(samples, tmp_path / "first.pt", 12)
    second, _ = run(samples, tmp_path / "second.pt", 1, start=tmp_path / "first.pt")
    fresh, _ = run(samples, tmp_path / "fresh.pt", 1)
    assert (weights(second) - weights(first)).norm() < (weights(fresh) - weights(first)).norm()
