"""A transformer described as data: its work, added up by hand."""

import pytest

from edgevla.config.convert import convert
from edgevla.config.problems import ConfigError
from edgevla.config.source import parse_yaml
from edgevla.plan.shapes import Component, Dense, Shapes, Stack, work_of

# Two layers of width 8, 2 heads of 4, MLP 16, 3 tokens: weights 8 x 24 + 8 x 8 + 2 x (8 x 16) = 512 a layer.
PLAIN = Stack(layers=2, width=8, heads=2, head_dim=4, mlp=16, tokens=3)


def totals(*parts):
    work = work_of(parts)
    return {
        "weights": sum(each.weights * each.layers for each in work),
        "weight_macs": sum(each.macs * each.layers * each.passes for each in work if each.quantised),
        "attention_macs": sum(each.macs * each.layers * each.passes for each in work if not each.quantised),
        "kernels": sum(each.kernels * each.layers * each.passes for each in work),
    }


def test_weights_and_products_of_a_plain_stack():
    found = totals(Component(name="vision", stacks=(PLAIN,)))
    assert found["weights"] == 2 * 512
    assert found["weight_macs"] == 2 * 3 * 512
    assert found["attention_macs"] == 2 * 2 * (2 * 3 * 3 * 4)  # two layers; q k^T and p v; heads x tokens^2 x head_dim
    assert found["kernels"] == 2 * 9


def test_sequences_of_a_batch_do_not_see_each_other():
    one = totals(Component(name="vision", stacks=(PLAIN,)))
    two = totals(
        Component(name="vision", stacks=(Stack(layers=2, width=8, heads=2, head_dim=4, mlp=16, tokens=3, batch=2),))
    )
    assert two["attention_macs"] == 2 * one["attention_macs"]  # as one sequence of 6 it would be 4 times
    assert two["weight_macs"] == 2 * one["weight_macs"]
    assert two["weights"] == one["weights"]


def test_fewer_key_heads_a_gate_and_conditioning_change_the_weights():
    stack = Stack(
        layers=1, width=8, heads=2, kv_heads=1, head_dim=4, mlp=16, tokens=3, gated=True, rotary=True, conditioning=5
    )
    found = totals(Component(name="x", stacks=(stack,)))
    assert found["weights"] == 8 * (8 + 2 * 4) + 8 * 8 + 3 * (8 * 16) + 8 * 5
    assert found["kernels"] == 9 + 1 + 1 + 1  # rotation, gate, conditioning


@pytest.mark.parametrize(("source_width", "keys_and_values"), [(None, 2 * 8 * 8), (6, 2 * 6 * 8), (0, 0)])
def test_keys_and_values_come_from_the_layer_itself_from_elsewhere_or_are_cached(source_width, keys_and_values):
    stack = Stack(layers=1, width=8, heads=2, head_dim=4, mlp=16, tokens=3, context=7, source_width=source_width)
    found = totals(Component(name="x", stacks=(stack,)))
    assert found["weights"] == 8 * 8 + keys_and_values + 8 * 8 + 2 * 8 * 16
    assert found["attention_macs"] == 2 * (2 * 3 * 7 * 4)


def test_a_step_that_runs_ten_times_has_its_weights_once():
    once = totals(Component(name="steps", stacks=(PLAIN,), dense=(Dense(inputs=4, outputs=8, tokens=3),)))
    ten = totals(Component(name="steps", passes=10, stacks=(PLAIN,), dense=(Dense(inputs=4, outputs=8, tokens=3),)))
    assert ten["weights"] == once["weights"] == 2 * 512 + 32
    assert ten["weight_macs"] == 10 * once["weight_macs"]


def test_an_embedding_takes_memory_and_no_time():
    (table,) = work_of((Component(name="language", table=1000),))
    assert (table.weights, table.passes, table.macs) == (1000, 0, 0.0)


def test_a_misspelt_shape_is_refused_with_its_line():
    text = "format: edgevla-shapes/1\nname: a\nsource: b\ncomponents:\n  - name: vision\n    stacks: [{layer: 2}]\n"
    with pytest.raises(ConfigError, match=r'shapes.yaml:6: .*unknown key "layer"; did you mean "layers"'):
        convert(parse_yaml(text, lambda line: f"shapes.yaml:{line}"), Shapes)
