"""Token after token over a prefix and a step graph: what is fed, what is remembered, where it ends, what is refused."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgevla.config.policy_families import Fast, Tokens
from edgevla.engine.base import EngineFailed, GraphRefused, Tensor
from edgevla.policy.autoregress import AutoregressiveEngine
from tests.policy.two_graphs import Graph, tensors_of

replace = msgspec.structs.replace
V = 40
LOGITS = Tensor("logits", "float32", (1, V))
TOKEN, STEP = Tensor("token", "int64", (1, 1)), Tensor("step", "int64", (1,))
CACHE, CACHE_NEXT = Tensor("cache", "float32", (1, 8)), Tensor("cache_next", "float32", (1, 8))
LENGTH = Tensor("length", "int64", (1,))


def peak(number):
    logits = np.zeros((1, V), np.float32)
    logits[0, number] = 1.0
    return logits


def prefix_of(manifest, first):
    inputs = tensors_of(manifest, "front", "words")
    return Graph(
        inputs,
        [LOGITS, CACHE, LENGTH],
        lambda given: {"logits": peak(first), "cache": np.zeros((1, 8), np.float32), "length": np.array([7])},
    )


def step_of(manifest, **parts):
    """The next token is one above the last; the cache keeps all tokens fed."""

    def function(given):
        cache = given["cache"].copy()
        cache[0, given["step"][0]] = given["token"][0, 0]
        return {"logits": peak((given["token"][0, 0] + 1) % V), "cache_next": cache}

    inputs = [TOKEN, STEP, CACHE, LENGTH, *tensors_of(manifest, "state")]
    return Graph(**{"inputs": inputs, "outputs": [LOGITS, CACHE_NEXT], "function": function, **parts})


def engine_of(manifest, prefix=None, step=None, first=3):
    prefix, step = prefix or prefix_of(manifest, first), step or step_of(manifest)
    return AutoregressiveEngine(manifest, prefix, step, Path("step.onnx")), prefix, step


def given(manifest):
    return {spec.name: np.full(spec.shape, 0.25, spec.dtype) for spec in manifest.inputs}


@pytest.fixture
def tokens(manifest):
    """Three steps of two tokens."""
    section = Tokens(style="openvla", vocabulary_size=V, bins=8)
    return replace(manifest, family="tokens", steps={"fp32": "step.onnx"}, tokens=section)


@pytest.fixture
def fast(manifest):
    section = Fast(tokenizer="t.json", vocabulary_size=V, max_tokens=8, begin_ids=(3,), bar_id=6, end_id=9)
    return replace(manifest, family="fast", steps={"fp32": "step.onnx"}, fast=section)


def test_tokens_answer_the_logits_of_every_token(tokens):
    engine, _, _ = engine_of(tokens)
    logits = engine.run(given(tokens))["actions"]
    assert engine.outputs == (Tensor("actions", "float32", (1, 6, V)),)
    assert (logits.shape, logits.dtype) == ((1, 6, V), np.float32)
    assert logits.argmax(-1).tolist() == [[3, 4, 5, 6, 7, 8]]


def test_ids_where_the_section_says_so(tokens):
    engine, _, _ = engine_of(replace(tokens, tokens=replace(tokens.tokens, logits=False)))
    ids = engine.run(given(tokens))["actions"]
    assert engine.outputs == (Tensor("actions", "int64", (1, 6)),)
    assert (ids.tolist(), ids.dtype) == ([[3, 4, 5, 6, 7, 8]], np.int64)


def test_a_style_with_a_stop_token_has_one_more_token_a_step(tokens):
    section = replace(tokens.tokens, style="rt2", stop_id=32)
    assert engine_of(replace(tokens, tokens=section))[0].outputs[0].shape == (1, 9, V)
    assert engine_of(replace(tokens, tokens=replace(section, stop_id=None)))[0].outputs[0].shape == (1, 6, V)


def test_the_prefix_runs_once_and_each_step_is_fed_the_last_token_its_place_and_the_memory(tokens):
    engine, prefix, step = engine_of(tokens)
    engine.run(given(tokens))
    assert len(prefix.runs) == 1
    assert [(run["token"].item(), run["step"].item()) for run in step.runs] == [(3, 0), (4, 1), (5, 2), (6, 3), (7, 4)]
    assert [run["cache"][0, :5].tolist() for run in step.runs][3] == [3, 4, 5, 0, 0]
    assert all(run["length"] == 7 and (run["state"] == 0.25).all() for run in step.runs)


def test_nothing_is_remembered_from_one_answer_to_the_next(tokens):
    engine, _, step = engine_of(tokens)
    first, second = engine.run(given(tokens))["actions"].copy(), engine.run(given(tokens))["actions"]
    np.testing.assert_array_equal(first, second)
    assert (step.runs[5]["cache"] == 0).all()


def test_fast_ends_at_the_bar_and_the_rest_is_filled(fast):
    engine, _, step = engine_of(fast)
    assert engine.run(given(fast))["actions"].tolist() == [[3, 4, 5, 6, 9, 9, 9, 9]]
    assert len(step.runs) == 3
    assert engine.outputs == (Tensor("actions", "int64", (1, 8)),)


@pytest.mark.parametrize(("bar_id", "ids"), [(None, [3, 4, 5, 6, 7, 8, 9, 9]), (30, [3, 4, 5, 6, 7, 8, 9, 9])])
def test_fast_ends_at_the_end_of_the_sentence(fast, bar_id, ids):
    engine, _, _ = engine_of(replace(fast, fast=replace(fast.fast, bar_id=bar_id)))
    assert engine.run(given(fast))["actions"].tolist() == [ids]


def test_fast_that_does_not_end_has_its_most_tokens_and_no_end(fast):
    engine, _, step = engine_of(fast, first=20)
    assert engine.run(given(fast))["actions"].tolist() == [list(range(20, 28))]
    assert len(step.runs) == 7


def test_the_lowest_of_equal_logits_is_chosen(fast):
    prefix = prefix_of(fast, 3)
    prefix.function = lambda given: {
        "logits": peak(9) + peak(5),
        "cache": np.zeros((1, 8), np.float32),
        "length": np.array([7]),
    }
    assert engine_of(fast, prefix=prefix)[0].run(given(fast))["actions"][0, :2].tolist() == [5, 6]


@pytest.mark.parametrize("fault", [np.nan, np.inf])
@pytest.mark.parametrize("family", ["tokens", "fast"])
def test_logits_that_are_not_finite_fail_the_run(request, family, fault):
    manifest = request.getfixturevalue(family)
    step = step_of(manifest)
    healthy = step.function

    def function(values):
        answer = healthy(values)
        if values["step"][0] == 1:
            answer["logits"][0, 20] = fault
        return answer

    step.function = function
    with pytest.raises(EngineFailed, match=r"token 2: the largest of its logits is (nan|inf)"):
        engine_of(manifest, step=step)[0].run(given(manifest))


def test_a_graph_may_rule_tokens_out_with_minus_infinity(fast):
    prefix = prefix_of(fast, 3)
    healthy = prefix.function
    prefix.function = lambda values: {
        **healthy(values),
        "logits": np.where(peak(3) == 1, 1, -np.inf).astype(np.float32),
    }
    assert engine_of(fast, prefix=prefix)[0].run(given(fast))["actions"][0, 0] == 3


def test_closing_closes_both(tokens):
    engine, prefix, step = engine_of(tokens)
    engine.close()
    assert prefix.closed
    assert step.closed


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"outputs": [CACHE_NEXT]}, r"must answer logits float32\[1, vocabulary\]"),
        ({"outputs": [Tensor("logits", "float32", (1, V + 1)), CACHE_NEXT]}, r"must answer logits .*float32\[1, 41\]"),
        ({"inputs": [TOKEN, CACHE, LENGTH]}, r"must take token int64\[1, 1\], step int64\[1\]; found token"),
        ({"inputs": [TOKEN, STEP, Tensor("x", "float32", (1,))]}, r"besides token, step, only .* found x float32\[1\]"),
        ({"inputs": [TOKEN, STEP, CACHE]}, r"the inputs of policy\.yaml, .*state"),
    ],
)
def test_graphs_that_do_not_fit_are_refused(tokens, parts, message):
    with pytest.raises(GraphRefused, match=message):
        engine_of(tokens, step=step_of(tokens, **parts))


def test_a_memory_that_the_prefix_does_not_begin_is_refused(tokens):
    state_next = Tensor("state_next", "float32", (1, 2))
    step = step_of(tokens, outputs=[LOGITS, CACHE_NEXT, state_next])
    with pytest.raises(GraphRefused, match=r"remembers state float32\[1, 2\], whose first value its prefix must give"):
        engine_of(tokens, step=step)
