"""One-pass heads against upstream's own code: OpenVLA-OFT's chunks, RoboVLMs' evaluation step."""

from pathlib import Path

import numpy as np
import pytest

from edgevla.config.policy_families import Gripper, Regression
from tests.policy.decoding import assert_close, bounds, bundle_of, decode

GOLDEN = Path(__file__).parents[1] / "golden"
OFT = np.load(GOLDEN / "openvla_oft" / "openvla_oft.npz")
CALVIN = np.load(GOLDEN / "robovlms" / "calvin_step.npz")
LSTM = np.load(GOLDEN / "robovlms" / "lstm.npz")


@pytest.mark.parametrize(("platform", "kind"), [("libero", "quantiles"), ("aloha", "min_max"), ("bridge", "quantiles")])
def test_openvla_oft_unnormalises_a_chunk_with_its_epsilon(platform, kind):
    part = {name: OFT[f"{platform}_{name}"] for name in ("normalised", "actions", "low", "high", "mask")}
    units = bounds(part["low"], part["high"], kind=kind, mask=part["mask"].tolist(), eps=1e-8)
    decoded = decode(bundle_of("regression", units, horizon=len(part["actions"])), part["normalised"][None])
    assert decoded.valid, decoded.reason
    assert_close(decoded.actions_rad, part["actions"], np.where(part["mask"], part["high"] - part["low"], 1.0))


@pytest.mark.parametrize(("name", "mu"), [("plain", 0.0), ("mu_law", 255.0)])
def test_robovlms_step_row_by_row(name, mu):
    """The arm within +-0.65 of CALVIN's unit, the gripper open (+1) or closed (-1); mu-law is undone in every row."""
    units = bounds((-0.65,) * 7, (0.65,) * 7, kind="min_max", mask=(True,) * 6 + (False,))
    section = Regression(mu_law=mu, gripper=Gripper(name="joint_6", low=-1.0, high=1.0))
    answer = np.concatenate([CALVIN["arm"], CALVIN["logits"]], -1)
    decoded = decode(bundle_of("regression", units, horizon=len(answer), regression=section), answer[None])
    assert decoded.valid, decoded.reason
    assert_close(decoded.actions_rad, CALVIN[name], 1.3)
    assert 5 < (CALVIN[name][:, 6] > 0).sum() < 35


def test_robovlms_tanh_of_an_arm_whose_graph_ends_before_it():
    columns = LSTM["before_tanh"].shape[1]
    bundle = bundle_of(
        "regression",
        bounds((-1.0,) * columns, (1.0,) * columns),
        horizon=len(LSTM["before_tanh"]),
        regression=Regression(tanh=True),
    )
    assert_close(decode(bundle, LSTM["before_tanh"][None]).actions_rad, LSTM["after_tanh"], 0.0)
