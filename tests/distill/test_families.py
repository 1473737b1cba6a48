"""Every family: it learns from features, its bundle computes what torch does, and the runtime reads its answers."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the recipe needs torch; the runtime does not")

from edgevla.bundle import load_manifest  # noqa: E402 - torch may be missing
from edgevla.distill.batches import Statistics  # noqa: E402
from edgevla.distill.bundles import export_family, export_student, readme  # noqa: E402
from edgevla.distill.driver import Driver  # noqa: E402
from edgevla.distill.families import HEADS, denoised, fast, recurrent, tokens  # noqa: E402
from edgevla.distill.families.base import Range  # noqa: E402
from edgevla.distill.families.tokens import OpenVlaFamily, Rt2Family  # noqa: E402
from edgevla.distill.features import Features  # noqa: E402
from edgevla.distill.sentences import LENGTH, vocabulary  # noqa: E402
from edgevla.distill.student import FEATURE, Encoder, Student  # noqa: E402

COUNT = 48
STATISTICS = Statistics(np.zeros(6), np.ones(6), np.full(6, 0.01), np.full(6, 0.2))
PICTURES = {"front": np.full((96, 96, 3), 128, np.uint8)}


@pytest.fixture(scope="module")
def features():
    """Plans are a smooth function of the feature, so that there is something to learn."""
    rng = np.random.default_rng(0)
    feature = rng.uniform(0.0, 1.0, (2, COUNT, FEATURE)).astype(np.float16)
    goal = np.tanh(feature[..., :6].astype(np.float32) * 4.0 - 2.0)
    deltas = goal[:, :, None] * np.linspace(0.1, 1.0, 12, dtype=np.float32)[:, None]
    done = rng.uniform(1.0, 2.0, (4, FEATURE)).astype(np.float16)
    return Features(feature, deltas, done, np.tile(np.arange(8), COUNT // 8))


@pytest.fixture(autouse=True)
def small(monkeypatch):
    for family in (denoised, fast, recurrent, tokens):
        monkeypatch.setattr(family, "_BATCH", 12)
    monkeypatch.setattr(fast, "_ENCODED", 200)
    monkeypatch.setattr(fast, "_TOKENS", 160)


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return Encoder(len(vocabulary())).eval()


def trained(family, features, steps):
    torch.manual_seed(0)
    head, rng = family.head(), np.random.default_rng(0)
    optimiser = torch.optim.AdamW(head.parameters(), lr=3e-3)
    losses = []
    for _ in range(steps):
        loss = family.loss(head, features, rng)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return head.eval(), losses


def touch_red():
    """The sentence "touch the red block" as ids."""
    ids = [vocabulary().index(word) for word in ["touch", "the", "red", "block"]]
    return torch.tensor([ids + [0] * (LENGTH - len(ids))])


@pytest.mark.parametrize("name", HEADS)
def test_it_learns(name, features):
    _, losses = trained(HEADS[name](features, STATISTICS), features, 8)
    assert min(losses[-2:]) < losses[0]


@pytest.mark.parametrize("name", HEADS)
def test_its_bundle_agrees_with_torch_and_fits_its_manifest(name, features, encoder, tmp_path):
    family = HEADS[name](features, STATISTICS)
    torch.manual_seed(0)
    assert export_family(tmp_path, name, family, encoder, family.head(), STATISTICS) < 1e-4
    manifest = load_manifest(tmp_path).manifest
    assert manifest.family == family.kind
    assert manifest.action.names[0] == "shoulder_pan"
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 3e6
    assert name in readme(tmp_path)


@pytest.mark.parametrize("name", ["recurrent", "flow", "diffusion", "tokens-openvla"])
def test_the_runtime_plans_with_it(name, features, encoder, tmp_path):
    family = HEADS[name](features, STATISTICS)
    head, _ = trained(family, features, 25)
    export_family(tmp_path, name, family, encoder, head, STATISTICS)
    driver = Driver(tmp_path)
    plan = driver.plan(PICTURES, np.zeros(6), "touch the red block", 0.0)
    assert driver.invalid == 0
    assert plan.shape == (family.parts().action.horizon, 6)


def test_the_student_itself_is_the_family_regression(tmp_path):
    torch.manual_seed(0)
    student = Student(len(vocabulary())).eval()
    assert export_student(tmp_path, "regression", student, STATISTICS) < 1e-4
    state = np.array([0.1, -0.9, 0.8, 1.2, 0.0, 0.0])
    with torch.no_grad():
        deltas = student(torch.full((1, 3, 96, 96), 128 / 255), torch.tensor(state[None]).float(), touch_red())[
            0
        ].numpy()
    plan = Driver(tmp_path).plan(PICTURES, state, "touch the red block", 0.0)
    assert plan == pytest.approx(state + 0.01 + 0.2 * deltas, abs=1e-4)


def test_a_range_holds_nearly_all_labels_and_clips_the_rest(features):
    scale = Range(features, STATISTICS, 6)
    numbers = scale(features.deltas[0])
    assert numbers.shape == (COUNT, 6, 6)
    assert (np.abs(numbers) < 1.0).mean() > 0.99
    assert np.abs(scale(100.0 * features.deltas[0])).max() == 1.0


@pytest.mark.parametrize("family", [OpenVlaFamily, Rt2Family])
def test_bins_say_the_number_that_they_were_made_from(family, features):
    bins = family(features, STATISTICS)._bins
    numbers = torch.linspace(-0.99, 0.99, 301)
    ids = bins.ids(numbers)
    assert (bins.values[ids - bins.tokens.first_id] - numbers).abs().max() <= 1.0 / 255 + 1e-6
    target = bins.target(numbers)
    assert torch.allclose(target.sum(-1), torch.ones(301))
    assert (target.argmax(-1) + bins.tokens.first_id - ids).abs().max() <= 1


def test_of_two_ids_for_one_number_only_one_is_ever_taught(features):
    bins = OpenVlaFamily(features, STATISTICS)._bins
    assert bins.values[0] == bins.values[1]
    assert bins.target(torch.tensor([1.0]))[0, 1] == 0.0


def test_only_a_done_instruction_teaches_to_stop(features, monkeypatch):
    monkeypatch.setattr(tokens, "_DONE_SHARE", 0.5)
    family = Rt2Family(features, STATISTICS)
    head, _ = trained(family, features, 40)
    stop, go = family._bins.tokens.stop_ids
    with torch.no_grad():
        said = head(torch.from_numpy(np.concatenate([features.done, features.feature[0, :8]]).astype(np.float32)))
    first = said[:, 0].argmax(-1)
    assert (first[:4] == stop).all()
    assert (first[4:] == go).all()


def test_fast_writes_what_its_decoder_reads(features, encoder, tmp_path):
    from edgevla.policy.decode.fast import FastDecoder

    family = HEADS["fast"](features, STATISTICS)
    torch.manual_seed(0)
    export_family(tmp_path, "fast", family, encoder, family.head(), STATISTICS)
    decoder = FastDecoder(load_manifest(tmp_path))
    for number in range(20):
        deltas = features.deltas[family._view[number], family._row[number]]
        wanted = deltas[: fast.HORIZON] * STATISTICS.delta_std + STATISTICS.delta_mean
        decoded = decoder.decode({"answer": family._ids[number][None].numpy()}, np.zeros(6))
        assert decoded.valid, decoded.reason
        assert np.abs(decoded.actions_rad - wanted).max() < 0.05


def test_an_lstm_forgets_what_was_not_there(features):
    torch.manual_seed(0)
    head = recurrent.Lstm().eval()
    seen, other = torch.rand(1, 4, FEATURE), torch.rand(1, 4, FEATURE)
    other[:, 2:] = seen[:, 2:]
    there = torch.tensor([[False, False, True, True]])
    assert torch.allclose(head(seen, there), head(other, there))
    assert not torch.allclose(head(seen, there | True), head(other, there | True))


def test_an_exported_lstm_remembers_as_in_training(encoder, features, tmp_path):
    family = HEADS["recurrent"](features, STATISTICS)
    torch.manual_seed(0)
    head = family.head()
    export_family(tmp_path, "recurrent", family, encoder, head, STATISTICS)
    driver, rng = Driver(tmp_path), np.random.default_rng(0)
    looks = []
    for tick in range(6):
        picture = rng.integers(0, 255, (96, 96, 3), dtype=np.uint8)
        plan = driver.plan({"front": picture}, np.zeros(6), "touch the red block", 0.1 * tick)
        front = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255.0
        with torch.no_grad():
            looks.append(encoder(front, torch.zeros(1, 6), touch_red()))
            window = torch.stack(looks[-4:], 1)
            deltas = head(window, torch.ones(1, window.shape[1]) > 0)[0].numpy()
        assert plan == pytest.approx(0.01 + 0.2 * deltas, abs=1e-4)
