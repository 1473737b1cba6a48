"""Training: it learns, it can be interrupted, and a seed decides everything."""

import pytest

torch = pytest.importorskip("torch", reason="the recipe needs torch; the runtime does not")

from rich.progress import Progress  # noqa: E402 - torch may be missing

from edgevla.distill import train as training  # noqa: E402
from edgevla.distill.train import load_averaged, train  # noqa: E402


@pytest.fixture(autouse=True)
def small_steps(monkeypatch):
    monkeypatch.setattr(training, "_CHECKPOINT_STEPS", 3)
    monkeypatch.setattr(training, "_WARM_UP_STEPS", 2)


def loss(network, rng):
    x = torch.from_numpy(rng.normal(size=(8, 3)).astype("float32")) + 0.01 * torch.randn(8, 3)
    return (network(x) - x.sum(1, keepdim=True)).square().mean()


def run(checkpoint, steps, loss_of=loss):
    torch.manual_seed(1)
    network = torch.nn.Linear(3, 1)
    with Progress(disable=True) as progress:
        return train(network, loss_of, checkpoint, steps=steps, rate=0.1, seed=3, progress=progress)


def weights(network):
    return torch.cat([value.detach().flatten() for value in network.state_dict().values()])


def test_the_loss_falls(tmp_path):
    _, early = run(tmp_path / "a.pt", 2)
    _, late = run(tmp_path / "b.pt", 40)
    assert late < early


def test_a_finished_training_is_not_repeated(tmp_path):
    first, _ = run(tmp_path / "a.pt", 6)
    again, _ = run(tmp_path / "a.pt", 6, lambda *_: pytest.fail("trained again"))
    assert torch.equal(weights(first), weights(again))


def test_an_interrupted_training_ends_like_one_that_was_not(tmp_path):
    whole, _ = run(tmp_path / "whole.pt", 8)
    calls = iter(range(5))

    def interrupted(*arguments):
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return loss(*arguments)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut.pt", 8, interrupted)
    resumed, _ = run(tmp_path / "cut.pt", 8)
    assert torch.equal(weights(resumed), weights(whole))


def test_a_network_that_was_filled_to_be_used_is_trained_as_one_that_trains(tmp_path):
    run(tmp_path / "first.pt", 1)
    network = load_averaged(torch.nn.Linear(3, 1), tmp_path / "first.pt")
    modes = []

    def noting(network, rng):
        modes.append(network.training)
        return loss(network, rng)

    with Progress(disable=True) as progress:
        train(network, noting, tmp_path / "next.pt", steps=1, rate=0.1, seed=0, progress=progress)
    assert modes == [True], "rounding only learns how large inputs are in this mode"


def test_the_averaged_weights_are_the_ones_that_are_kept(tmp_path):
    trained, _ = run(tmp_path / "a.pt", 6)
    assert torch.equal(weights(load_averaged(torch.nn.Linear(3, 1), tmp_path / "a.pt")), weights(trained))
