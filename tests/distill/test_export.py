"""Export: the bundle that comes out is complete and computes what the student computes."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the recipe needs torch; the runtime does not")

from edgevla.bundle import load_manifest  # noqa: E402 - torch may be missing
from edgevla.distill import export as exporting  # noqa: E402
from edgevla.distill.batches import Statistics  # noqa: E402
from edgevla.distill.export import ExportError, export  # noqa: E402
from edgevla.distill.runner import Student  # noqa: E402
from edgevla.distill.sentences import vocabulary  # noqa: E402
from edgevla.distill.student import Policy  # noqa: E402

STATISTICS = Statistics(np.zeros(6), np.ones(6), np.full(6, 0.01), np.full(6, 0.1))


@pytest.fixture(scope="module")
def student():
    torch.manual_seed(0)
    return Policy(len(vocabulary()))


def test_the_graph_agrees_with_torch_and_the_bundle_is_whole(student, tmp_path):
    assert export(student, STATISTICS, tmp_path) < 1e-4
    manifest = load_manifest(tmp_path).manifest
    assert [spec.name for spec in manifest.inputs] == ["front", "state", "tokens"]
    assert manifest.action.names[0] == "shoulder_pan"
    assert (manifest.action.horizon, manifest.action.rate_hz, manifest.action.kind) == (12, 10.0, "delta")


def test_the_runtime_plans_with_it_what_the_student_would(student, tmp_path):
    export(student, STATISTICS, tmp_path)
    picture = np.full((288, 288, 3), 255, np.uint8)
    state = np.array([0.1, -0.9, 0.8, 1.2, 0.0, 0.0])
    plan = Student(tmp_path).plan(picture, state, "touch the red block")
    tokens = torch.zeros(1, 8, dtype=torch.int64)
    tokens[0, :4] = torch.tensor([vocabulary().index(word) for word in ["touch", "the", "red", "block"]])
    with torch.no_grad():
        deltas = student(torch.ones(1, 3, 96, 96), torch.tensor(state[None]).float(), tokens)[0].numpy()
    assert plan == pytest.approx(state + 0.01 + 0.1 * deltas, abs=1e-4)


def test_a_graph_that_differs_is_refused(student, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "_AGREE", -1.0)
    with pytest.raises(ExportError, match="differs"):
        export(student, STATISTICS, tmp_path)
