"""The student reads, looks and feels: each input matters, padding does not."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the recipe needs torch; the runtime does not")

from edgevla.distill import batches as batching  # noqa: E402 - torch may be missing
from edgevla.distill.batches import Batches, Statistics  # noqa: E402
from edgevla.distill.encoder import Reader  # noqa: E402
from edgevla.distill.labels import Labels  # noqa: E402
from edgevla.distill.sentences import LENGTH, vocabulary  # noqa: E402
from edgevla.distill.student import Student, student_loss  # noqa: E402


def sentence(*words):
    return torch.tensor([[*words, *[0] * (LENGTH - len(words))]])


@pytest.fixture(scope="module")
def student():
    torch.manual_seed(0)
    return Student(len(vocabulary())).eval()


@pytest.fixture(scope="module")
def inputs():
    torch.manual_seed(1)
    return torch.rand(2, 3, 96, 96), torch.randn(2, 6), sentence(1, 2, 3, 4).repeat(2, 1)


def test_it_answers_with_a_chunk_of_deltas(student, inputs):
    assert student(*inputs).shape == (2, 12, 6)


def test_it_is_small(student):
    exported = [*student.encoder.parameters(), *student.head.parameters()]
    assert 0.3e6 < sum(weights.numel() for weights in exported) < 0.6e6


@pytest.mark.parametrize("which", [0, 1, 2])
def test_every_input_matters(student, inputs, which):
    changed = list(inputs)
    changed[which] = torch.flip(inputs[which], dims=[-1]) if which < 2 else sentence(1, 2, 3, 5).repeat(2, 1)
    assert (student(*changed) - student(*inputs)).abs().max() > 1e-5


def test_what_stands_in_the_padding_does_not_matter():
    reader = Reader(len(vocabulary()), 64).eval()
    before = reader(sentence(1, 2, 3))
    with torch.no_grad():
        reader.embed.weight[0] = 7.0
        reader.place[3:] = 7.0
    assert torch.allclose(reader(sentence(1, 2, 3)), before, atol=1e-6)


def test_no_words_at_all_are_no_fault():
    assert torch.isfinite(Reader(len(vocabulary()), 64)(sentence())).all()


def test_the_order_of_words_matters():
    torch.manual_seed(0)
    reader = Reader(len(vocabulary()), 64).eval()
    assert (reader(sentence(1, 2)) - reader(sentence(2, 1))).abs().max() > 1e-3


def loss(student, rows, feature):
    labels = Labels(rows.plan_rad[:, None], feature)
    batches = Batches(rows, Statistics.of(rows), labels)
    torch.manual_seed(0)
    batch = batches.take(np.arange(8), np.random.default_rng(0))
    return student_loss(student, batch, batches.row_weight)


def test_it_is_drawn_to_the_teachers_feature_where_it_can_see(student, rows, monkeypatch):
    monkeypatch.setattr(batching, "_BLIND_SHARE", 0.0)
    rng = np.random.default_rng(0)
    one, two = (rng.normal(size=(len(rows), 512)).astype(np.float16) for _ in range(2))
    assert loss(student, rows, one) != loss(student, rows, two)
    monkeypatch.setattr(batching, "_BLIND_SHARE", 1.1)
    assert loss(student, rows, one) == loss(student, rows, two)


@pytest.mark.parametrize("which", range(4))
def test_with_two_cameras_every_input_matters(which):
    torch.manual_seed(0)
    student = Student(len(vocabulary()), wrist=True).eval()
    inputs = [torch.rand(2, 3, 96, 96), torch.rand(2, 3, 96, 96), torch.randn(2, 6), sentence(1, 2, 3).repeat(2, 1)]
    changed = list(inputs)
    changed[which] = inputs[which].flip(-1) if which < 3 else sentence(1, 2, 4).repeat(2, 1)
    assert (student(*changed) - student(*inputs)).abs().max() > 1e-5


def test_with_two_cameras_its_loss_has_a_gradient_for_every_weight(rows):
    torch.manual_seed(0)
    student = Student(len(vocabulary()), wrist=True)
    labels = Labels(rows.plan_rad[:, None], np.ones((len(rows), 512), np.float16))
    batches = Batches(rows, Statistics.of(rows), labels, wrist=True)
    batch = batches.take(np.arange(8), np.random.default_rng(0))
    student_loss(student, batch, batches.row_weight).backward()
    assert [name for name, weights in student.named_parameters() if weights.grad is None] == []
