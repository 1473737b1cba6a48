"""The teacher: two cameras, a flow that ends in what the network says, and labels drawn from it once."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the recipe needs torch; the runtime does not")

from rich.progress import Progress  # noqa: E402 - torch may be missing

from edgevla.distill.batches import Batches, Statistics  # noqa: E402
from edgevla.distill.bundles import export_teacher  # noqa: E402
from edgevla.distill.denoiser import Denoiser, flow_pair, flow_velocity, sample_flow  # noqa: E402
from edgevla.distill.driver import Driver  # noqa: E402
from edgevla.distill.labels import Labels  # noqa: E402
from edgevla.distill.relabel import DRAWS, label  # noqa: E402
from edgevla.distill.sentences import LENGTH, vocabulary  # noqa: E402
from edgevla.distill.teacher import Teacher, teacher_loss  # noqa: E402


@pytest.fixture(scope="module")
def teacher():
    torch.manual_seed(0)
    return Teacher(len(vocabulary())).eval()


def test_it_has_5_to_20_million_parameters(teacher):
    assert 5e6 < sum(weights.numel() for weights in teacher.parameters()) < 20e6


@pytest.mark.parametrize("which", range(4))
def test_every_input_matters(teacher, which):
    torch.manual_seed(1)
    words = torch.ones(1, LENGTH, dtype=torch.int64)
    inputs = [torch.rand(1, 3, 96, 96), torch.rand(1, 3, 96, 96), torch.randn(1, 6), words]
    changed = list(inputs)
    changed[which] = inputs[which].flip(-1) if which < 3 else 2 * words
    assert (teacher(*changed) - teacher(*inputs)).abs().max() > 1e-5


def test_its_loss_has_a_gradient_for_every_weight(teacher, rows):
    batches = Batches(rows, Statistics.of(rows), wrist=True)
    torch.manual_seed(0)
    teacher_loss(teacher, batches.draw(4, np.random.default_rng(0)), batches.row_weight).backward()
    without = [name for name, weights in teacher.named_parameters() if weights.grad is None]
    teacher.zero_grad(set_to_none=True)
    assert without == []


def test_noise_is_mixed_in_by_the_time():
    torch.manual_seed(0)
    noisy, time = flow_pair(torch.full((20_000, 12, 6), 3.0))
    assert time.min() >= 0.05
    assert time.max() <= 1.0
    late = noisy[time > 0.95]
    assert late.mean() == pytest.approx(3.0 * (1.0 - 0.975), abs=0.02)
    assert late.std() == pytest.approx(0.975, abs=0.03)


def test_the_velocity_leads_from_the_noise_to_the_clean_chunk():
    clean, noise = torch.randn(3, 12, 6), torch.randn(3, 12, 6)
    time = torch.tensor([1.0, 0.5, 0.2])
    at = time[:, None, None]
    noisy = at * noise + (1.0 - at) * clean
    assert torch.allclose(noisy - at * flow_velocity(clean, noisy, time), clean, atol=1e-5)


def test_a_flow_ends_in_what_the_network_says_last():
    class Known(Denoiser):
        def forward(self, noisy, time, feature):
            return torch.full_like(noisy, 0.25)

    chunk = sample_flow(
        Known(4, width=8, blocks=1, condition=4),
        torch.zeros(2, 4),
        steps=5,
        generator=torch.Generator().manual_seed(0),
    )
    assert torch.allclose(chunk, torch.full((2, 12, 6), 0.25), atol=1e-6)


def asked(teacher, rows, folder):
    with Progress(disable=True) as progress:
        return label(teacher, Statistics.of(rows), rows, folder, seed=0, progress=progress)


def test_every_row_gets_plans_and_a_feature_once(teacher, rows, tmp_path, monkeypatch):
    labels = asked(teacher, rows, tmp_path / "labels")
    assert labels.plan_rad.shape == (len(rows), DRAWS, 12, 6)
    assert labels.feature.shape == (len(rows), 512)
    assert np.abs(labels.plan_rad[:, 0] - labels.plan_rad[:, 1]).max() > 0.0, "drawn, not the same twice"
    monkeypatch.setattr(Teacher, "forward", lambda *_: pytest.fail("asked again"))
    again = asked(teacher, rows, tmp_path / "labels")
    assert np.array_equal(again.plan_rad, labels.plan_rad)


def test_labels_of_more_rows_come_behind():
    few = Labels(np.zeros((2, 1, 12, 6), np.float32), np.zeros((2, 512), np.float16))
    more = Labels(np.ones((3, 1, 12, 6), np.float32), np.ones((3, 512), np.float16))
    both = few.followed_by(more)
    assert both.plan_rad[:, 0, 0, 0].tolist() == [0, 0, 1, 1, 1]
    assert both.feature[:, 0].tolist() == [0, 0, 1, 1, 1]


def test_plans_can_be_corrected_and_averaged():
    labels = Labels(np.array([0.0, 1.0], np.float32).reshape(1, 2, 1, 1).repeat(3, 0), np.zeros((3, 512), np.float16))
    assert labels.averaged().plan_rad.ravel().tolist() == [0.5] * 3
    assert labels.corrected(np.full((3, 1, 1), 7.0, np.float32)).plan_rad.shape == (3, 2, 1, 1)
    assert (labels.corrected(np.full((3, 1, 1), 7.0, np.float32)).plan_rad == 7.0).all()


def test_it_drives_as_a_bundle_that_looks_through_both_cameras(teacher, rows, tmp_path):
    assert export_teacher(tmp_path, teacher, Statistics.of(rows)) < 1e-4
    driver = Driver(tmp_path)
    assert driver.cameras == ("front", "wrist")
    picture = np.full((96, 96, 3), 128, np.uint8)
    plan = driver.plan({"front": picture, "wrist": picture}, np.zeros(6), "touch the red block", 0.0)
    assert plan.shape == (12, 6)
    assert driver.invalid == 0
