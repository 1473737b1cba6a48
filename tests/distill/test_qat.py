"""Training with INT8's rounding in it: numbers on the grid, gradients as if there were none."""

import pytest

torch = pytest.importorskip("torch", reason="the recipe needs torch; the runtime does not")

from edgevla.distill.qat import round_layers, unround_layers  # noqa: E402 - torch may be missing


@pytest.fixture
def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(12, 4))


def steps(weight):
    """How many steps of its channel's scale each weight is."""
    scale = weight.abs().flatten(1).amax(1) / 127
    return weight.flatten(1) / scale[:, None]


def test_weights_are_on_the_grid_of_their_channel(network):
    before = network[3].weight.detach().clone()
    assert (steps(before) - steps(before).round()).abs().max() > 0.1
    rounded = round_layers(network)[3].weight.detach()
    assert (steps(rounded) - steps(rounded).round()).abs().max() < 1e-3
    assert (rounded - before).abs().max() <= before.abs().max() / 254 + 1e-6


def test_inputs_are_on_a_grid_of_what_was_seen(network):
    round_layers(network).train()
    seen = []
    network[0].register_forward_hook(lambda layer, inputs, output: seen.append(inputs[0]))
    network(torch.rand(1, 2, 4, 4))
    of_scale = seen[0] / (network[0].rounding.largest / 127)
    assert (of_scale - of_scale.round()).abs().max() < 1e-3
    network.eval()
    network(10.0 * torch.rand(1, 2, 4, 4))
    assert seen[1].max() <= network[0].rounding.largest + 1e-6, "what is larger than ever before saturates"


def test_gradients_pass(network):
    exact = torch.autograd.grad(network[3](torch.ones(1, 12)).sum(), network[3].weight)[0]
    round_layers(network).train()
    network[3](torch.ones(1, 12)).sum().backward()
    assert torch.allclose(network[3].parametrizations.weight.original.grad, exact, atol=1e-6)


def test_the_rounding_can_be_taken_out_again(network):
    names = set(network.state_dict())
    x = torch.rand(1, 2, 4, 4)
    before = network(x).detach()
    after = unround_layers(round_layers(network))(x).detach()
    assert set(network.state_dict()) == names
    assert 0.0 < (after - before).abs().max() < 0.05
