"""What upstream's own tokenizers decode, ours decode; and where upstream makes motion of nonsense, ours refuse."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from edgevla.config.policy_families import Tokens
from edgevla.policy.decode.tokens import token_values
from tests.policy.decoding import assert_close, bounds, bundle_of, decode

GOLDEN = Path(__file__).parents[1] / "golden"
OPENVLA = np.load(GOLDEN / "openvla" / "openvla.npz")
RT1 = np.load(GOLDEN / "rt1" / "rt1.npz")
ROBOVLMS = np.load(GOLDEN / "robovlms" / "tokens.npz")
BY_IDS = Tokens(style="openvla", vocabulary_size=32000, logits=False)


def openvla(style=BY_IDS):
    return bundle_of("tokens", bounds(OPENVLA["q01"], OPENVLA["q99"], mask=OPENVLA["mask"].tolist()), tokens=style)


def logits_of(ids, width):
    logits = np.zeros((1, len(ids), width), np.float32)
    logits[0, np.arange(len(ids)), ids] = 1.0
    return logits


def test_openvla_every_action_id_and_random_ones():
    found = np.concatenate([decode(openvla(), row[None]).actions_rad for row in OPENVLA["ids"]])
    assert_close(found, OPENVLA["actions"], np.where(OPENVLA["mask"], OPENVLA["q99"] - OPENVLA["q01"], 1.0))


def test_openvla_logits_as_wide_as_the_padded_vocabulary_say_the_same_as_ids():
    by_logits = openvla(Tokens(style="openvla", vocabulary_size=32000))
    for row in OPENVLA["ids"][::50]:
        found = decode(by_logits, logits_of(row, 32064))
        np.testing.assert_array_equal(found.actions_rad, decode(openvla(), row[None]).actions_rad)


def test_openvla_decoding_ends_within_half_a_bin_of_what_was_encoded():
    values = token_values("openvla", 256)[OPENVLA["encoded_ids"] - BY_IDS.first_id]
    np.testing.assert_array_less(np.abs(values - np.clip(OPENVLA["encoded_actions"], -1, 1)), 1 / 255 + 1e-6)


def test_openvla_turns_ids_that_are_no_actions_into_full_deflection_and_we_refuse_them():
    assert (np.abs(OPENVLA["strange_actions"][:, -1]) > 0.99).all()
    for strange in OPENVLA["strange_ids"]:
        decoded = decode(openvla(), np.full((1, 7), strange))
        assert not decoded.valid
        assert f"is {strange}; actions are 31744 to 31999" in decoded.reason


def rt1(stop_id=0):
    section = Tokens(style="rt1", vocabulary_size=256, logits=False, stop_id=stop_id)
    return bundle_of("tokens", bounds(RT1["low"], RT1["high"], kind="min_max"), tokens=section)


def test_rt1_every_token_and_random_ones():
    going_on = RT1["tokens"][:, 0] == 1
    assert 100 < going_on.sum() < len(going_on)
    found = np.concatenate([decode(rt1(), row[None]).actions_rad for row in RT1["tokens"][going_on]])
    assert_close(found, RT1["actions"][going_on], RT1["high"] - RT1["low"])


def test_rt1_done_is_the_first_of_the_one_hot():
    done = [decode(rt1(), row[None]).done for row in RT1["tokens"]]
    np.testing.assert_array_equal(done, RT1["terminate"][:, 0])


def test_rt1_takes_a_strange_terminate_token_for_the_first_meaning_and_we_refuse_it():
    np.testing.assert_array_equal(RT1["strange_terminate"], [[1, 0]])
    decoded = decode(rt1(), [[7] + [128] * 7])
    assert not decoded.valid
    assert "the stop token is [7]" in decoded.reason


def test_rt1_decoding_ends_within_a_bin_of_what_was_encoded():
    low, high = RT1["low"], RT1["high"]
    values = 0.5 * (token_values("rt1", 256)[RT1["encoded_tokens"][:, 1:]] + 1) * (high - low) + low
    difference = np.clip(RT1["encoded_actions"], low, high) - values
    assert (difference > -1e-6).all()  # encoding rounds down
    assert (difference < (high - low) / 255 + 1e-6).all()


def test_rt2_by_exact_fractions():
    """RT-2 has no public code; its paper takes RT-1's bins: token / 255 of the way from the lowest to the highest."""
    exact = [float(Fraction(2 * token, 255) - 1) for token in range(256)]
    np.testing.assert_allclose(token_values("rt2", 256), exact, rtol=1e-7)


def test_robovlms_every_action_id():
    tokens = Tokens(
        style="robovlms",
        vocabulary_size=int(ROBOVLMS["vocabulary_size"]),
        special_tokens=int(ROBOVLMS["special_tokens"]),
        logits=False,
    )
    assert tokens.first_id == ROBOVLMS["ids"][0]
    bundle = bundle_of("tokens", bounds((-1.0,), (1.0,)), tokens=tokens)
    found = np.concatenate([decode(bundle, [[number]]).actions_rad for number in ROBOVLMS["ids"]])
    assert_close(found, ROBOVLMS["values"][:, None], 2.0)


@pytest.mark.parametrize("style", ["openvla", "robovlms"])
def test_the_middles_are_the_nearest_float32_to_the_exact_ones(style):
    exact = [Fraction(2 * min(255 - number, 254) - 254, 255) for number in range(256)]
    np.testing.assert_array_equal(token_values(style, 256), np.array([float(value) for value in exact], np.float32))
