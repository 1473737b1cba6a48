"""Tokens: the greedy choice and what it stands for, from the native library and from the CUDA sources."""

from __future__ import annotations

import numpy as np
import pytest

from edgevla.engine.native_abi import F32, TokenArgs
from edgevla.policy.decode.tokens import token_values
from edgevla.policy.normalise import Unnormalise
from tests.kernels.decoding import (
    FLOAT,
    NOT_AN_ACTION,
    NOT_FINITE,
    assert_refused,
    assert_same_bits,
    library,
    outputs,
    space_of,
    tokens,
)

FIRST, BINS, VOCABULARY = 31744, 256, 32064
VALUES = token_values("openvla", BINS)


@pytest.fixture(scope="module", params=["host", "emulated"])
def kernels(request):
    return library(request.param)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def logits_of(rng, chosen, vocabulary=VOCABULARY, dtype=FLOAT):
    """Noise, and the `chosen` (samples, tokens) ids above it."""
    logits = rng.standard_normal((*chosen.shape, vocabulary)).astype(dtype)
    np.put_along_axis(logits, chosen[..., np.newaxis], 20.0, axis=-1)
    return logits


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_openvla_logits_become_the_actions_of_their_best_ids(kernels, rng, dtype):
    chosen = rng.integers(FIRST, FIRST + BINS, (2, 7))
    space = space_of("quantiles", 7, rng, mask=True)
    logits = logits_of(rng, chosen, dtype=dtype)
    actions, verdicts, ids = tokens(kernels, logits, FIRST, VALUES, space, (1, 7))
    np.testing.assert_array_equal(ids, chosen)
    assert_same_bits(actions, Unnormalise(space.normalisation)(VALUES[chosen - FIRST])[:, np.newaxis])
    assert verdicts["valid"].all()


def test_a_prepared_call_can_be_made_again_and_again(kernels, rng):
    space = space_of("quantiles", 7, rng)
    out = {**outputs(2, 1, 7), "ids": np.zeros((2, 7), np.int32)}
    logits = np.empty((2, 7, VOCABULARY), FLOAT)
    args = TokenArgs(samples=2, horizon=1, dims=7, vocabulary=VOCABULARY, type=F32, first=FIRST, count=BINS)
    args.point(input=logits, values=VALUES, scratch=np.zeros((2, 8), np.int32), **out)
    call = kernels.prepare("edgevla_token_logits", args, space.statistics)
    for _ in range(4):
        chosen = rng.integers(FIRST, FIRST + BINS, (2, 7))
        logits[:] = logits_of(rng, chosen)
        call()
        assert_same_bits(out["actions"], space.actions(VALUES[chosen - FIRST])[:, np.newaxis])


@pytest.mark.parametrize("vocabulary", [1, 2, 63, 64, 65, 127, 1000, 1 << 18])
def test_the_choice_is_numpys_for_vocabularies_of_any_size(kernels, rng, vocabulary):
    logits = rng.integers(-8, 8, (1, 6, vocabulary)).astype(FLOAT)  # many ties
    logits[0, 0] = 3.0  # nothing but ties
    values = np.linspace(-1.0, 1.0, vocabulary, dtype=FLOAT)
    actions, verdicts, ids = tokens(kernels, logits, 0, values, space_of("min_max", 3, rng), (2, 3))
    np.testing.assert_array_equal(ids, logits.argmax(-1))
    assert verdicts["valid"].all()
    assert np.isfinite(actions).all()


@pytest.mark.parametrize("token", [0, 3, 6])
@pytest.mark.parametrize("id_", [0, FIRST - 1, FIRST + BINS, VOCABULARY - 1])
def test_a_choice_outside_the_action_ids_makes_the_chunk_invalid(kernels, rng, token, id_):
    logits = logits_of(rng, rng.integers(FIRST, FIRST + BINS, (1, 7)))
    logits[0, token, id_] = 21.0
    actions, verdicts, ids = tokens(kernels, logits, FIRST, VALUES, space_of("quantiles", 7, rng), (1, 7))
    assert_refused(actions, verdicts[0], NOT_AN_ACTION, token)
    assert ids[0, token] == id_, "the id is told"


def test_a_tie_with_a_lower_id_that_is_no_action_is_lost(kernels, rng):
    logits = logits_of(rng, np.full((1, 7), FIRST + 9))
    logits[0, 2, 100] = 20.0
    logits[0, 4, VOCABULARY - 1] = 20.0  # a higher id loses the tie
    actions, verdicts, ids = tokens(kernels, logits, FIRST, VALUES, space_of("quantiles", 7, rng), (1, 7))
    assert_refused(actions, verdicts[0], NOT_AN_ACTION, 2)
    assert ids[0, [2, 4]].tolist() == [100, FIRST + 9]


@pytest.mark.parametrize("where", [0, 50, FIRST + 3, VOCABULARY - 1])
@pytest.mark.parametrize("fault", [np.nan, np.inf])
def test_a_logit_that_is_nan_or_infinite_makes_the_chunk_invalid(kernels, rng, fault, where):
    logits = logits_of(rng, rng.integers(FIRST, FIRST + BINS, (1, 7)))
    logits[0, 5, where] = fault
    actions, verdicts, ids = tokens(kernels, logits, FIRST, VALUES, space_of("quantiles", 7, rng), (1, 7))
    assert_refused(actions, verdicts[0], NOT_FINITE, 5)
    assert ids[0, 5] == -1


def test_minus_infinity_rules_an_id_out_and_all_of_them_leave_no_choice(kernels, rng):
    chosen = rng.integers(FIRST, FIRST + BINS, (1, 7))
    logits = logits_of(rng, chosen)
    logits[0, :, :FIRST] = -np.inf
    space = space_of("quantiles", 7, rng)
    assert tokens(kernels, logits, FIRST, VALUES, space, (1, 7))[1]["valid"].all()
    logits[0, 6] = -np.inf
    actions, verdicts, _ = tokens(kernels, logits, FIRST, VALUES, space, (1, 7))
    assert_refused(actions, verdicts[0], NOT_FINITE, 6)


def test_ids_that_may_not_be_chosen_are_no_actions(kernels, rng):
    allowed = np.arange(BINS) % 2 == 0
    logits = logits_of(rng, np.full((1, 7), FIRST + 10))
    space = space_of("quantiles", 7, rng)
    assert tokens(kernels, logits, FIRST, VALUES, space, (1, 7), allowed)[1]["valid"].all()
    logits[0, 1, FIRST + 11] = 30.0
    actions, verdicts, _ = tokens(kernels, logits, FIRST, VALUES, space, (1, 7), allowed)
    assert_refused(actions, verdicts[0], NOT_AN_ACTION, 1)
    actions, verdicts, _ = tokens(kernels, logits, FIRST, VALUES, space, (1, 7), np.zeros(BINS, bool))
    assert_refused(actions, verdicts[0], NOT_AN_ACTION, 0)


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_ids_chosen_already_become_actions_or_a_fault(kernels, rng, dtype):
    ids = rng.integers(FIRST, FIRST + BINS, (3, 64 * 7)).astype(dtype)
    ids[1, 30], ids[2, 0] = FIRST - 1, FIRST + BINS
    space = space_of("quantiles", 7, rng, bounds=True)
    actions, verdicts, _ = tokens(kernels, ids, FIRST, VALUES, space, (64, 7))
    assert_same_bits(actions[0], space.actions(VALUES[ids[0] - FIRST].reshape(64, 7)))
    assert_refused(actions[1], verdicts[1], NOT_AN_ACTION, 30)
    assert_refused(actions[2], verdicts[2], NOT_AN_ACTION, 0)


def test_an_id_of_64_bits_is_not_cut_to_32(kernels, rng):
    ids = np.full((1, 2), FIRST, np.int64)
    ids[0, 1] += 1 << 32
    actions, verdicts, _ = tokens(kernels, ids, FIRST, VALUES, space_of("quantiles", 2, rng), (1, 2))
    assert_refused(actions, verdicts[0], NOT_AN_ACTION, 1)
