"""The student reads, looks and feels: each input matters, padding does not."""

import pytest

torch = pytest.importorskip("torch", reason="the recipe needs torch; the runtime does not")

from edgevla.distill.sentences import vocabulary  # noqa: E402 - torch may be missing
from edgevla.distill.student import Policy, Reader  # noqa: E402


@pytest.fixture(scope="module")
def student():
    torch.manual_seed(0)
    return Policy(len(vocabulary())).eval()


@pytest.fixture(scope="module")
def inputs():
    torch.manual_seed(1)
    return torch.rand(2, 3, 96, 96), torch.randn(2, 6), torch.tensor([[1, 2, 3, 4, 0, 0, 0, 0]] * 2)


def test_it_answers_with_a_chunk_of_deltas(student, inputs):
    assert student(*inputs).shape == (2, 12, 6)
    deltas, block = student.answers(*inputs)
    assert torch.equal(deltas, student(*inputs))
    assert block.shape == (2, 2)


def test_it_is_small(student):
    assert 0.3e6 < sum(weights.numel() for weights in student.parameters()) < 0.6e6


@pytest.mark.parametrize("which", [0, 1, 2])
def test_every_input_matters(student, inputs, which):
    changed = list(inputs)
    changed[which] = torch.flip(inputs[which], dims=[-1]) if which < 2 else torch.tensor([[1, 2, 3, 5, 0, 0, 0, 0]] * 2)
    assert (student(*changed) - student(*inputs)).abs().max() > 1e-5


def test_what_stands_in_the_padding_does_not_matter():
    reader = Reader(len(vocabulary())).eval()
    tokens = torch.tensor([[1, 2, 3, 0, 0, 0, 0, 0]])
    before = reader(tokens)
    with torch.no_grad():
        reader.embed.weight[0] = 7.0
        reader.place[3:] = 7.0
    assert torch.allclose(reader(tokens), before, atol=1e-6)


def test_the_order_of_words_matters():
    torch.manual_seed(0)
    reader = Reader(len(vocabulary())).eval()
    there, back = reader(torch.tensor([[1, 2, 0, 0, 0, 0, 0, 0], [2, 1, 0, 0, 0, 0, 0, 0]]))
    assert (there - back).abs().max() > 1e-3
