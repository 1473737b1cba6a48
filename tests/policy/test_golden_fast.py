"""What FAST's own processor and openpi's extraction make of an answer, ours make; of their zeros, ours make nothing."""

import json
from pathlib import Path

import numpy as np
import pytest

from edgevla.config.policy_families import Fast
from tests.policy.decoding import assert_close, bounds, bundle_of, decode

FOLDER = Path(__file__).parents[1] / "golden" / "fast"
GOLDEN = json.loads((FOLDER / "fast.json").read_text())
SHAPE = (GOLDEN["horizon"], GOLDEN["dimensions"])
SECTION = Fast(
    tokenizer="tokenizer.json",
    vocabulary_size=GOLDEN["vocabulary_size"],
    skipped_tokens=GOLDEN["skipped_tokens"],
    scale=GOLDEN["scale"],
    min_token=GOLDEN["min_token"],
    begin_ids=tuple(GOLDEN["begin_ids"]),
    bar_id=GOLDEN["bar_id"],
    end_id=GOLDEN["end_id"],
)
UNITS = bounds((-1.0,) * SHAPE[1], (1.0,) * SHAPE[1])
BUNDLE = bundle_of("fast", UNITS, horizon=SHAPE[0], folder=FOLDER, files=["tokenizer.json"], fast=SECTION)


@pytest.mark.parametrize("number", range(len(GOLDEN["good"])))
def test_an_answer_decodes_to_upstreams_actions(number):
    case = GOLDEN["good"][number]
    decoded = decode(BUNDLE, [case["ids"]])
    assert decoded.valid, decoded.reason
    assert_close(decoded.actions_rad, np.array(case["actions"]), 1.0)


def test_and_they_are_the_actions_that_were_encoded():
    for case in GOLDEN["good"]:
        error = decode(BUNDLE, [case["ids"]]).actions_rad - case["chunk"]
        assert np.abs(error).max() < 2.0 / GOLDEN["scale"]


REASONS = {
    "one token short": "hold 22 coefficients, not 10 x 3",
    "one token more": "hold 31 coefficients, not 10 x 3",
    "no beginning": "the answer begins with",
    "no tokens": "the 0 action tokens hold 0 coefficients",
    "an id that no token has": "actions are",
    "a lone high byte": "broken UTF-8",
    "a token that no encoder writes": "which no action is ever written with",
}


@pytest.mark.parametrize("name", GOLDEN["bad"])
def test_what_upstream_makes_motion_of_is_refused(name):
    case = GOLDEN["bad"][name]
    assert np.shape(case["actions"]) == SHAPE
    decoded = decode(BUNDLE, [case["ids"]])
    assert not decoded.valid
    assert REASONS[name] in decoded.reason
