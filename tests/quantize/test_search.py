"""The search over plans, with costs that simply add up."""

from __future__ import annotations

import pytest
from onnx import NodeProto

from edgevla.config.quantisation import Quantisation
from edgevla.quantize.deviation import Deviation, JointError, Spread
from edgevla.quantize.layers import Layer, Level
from edgevla.quantize.search import raise_until_it_fits, sensitivity

BUDGET = Quantisation(mean_rad=1.0, p99_rad=1.0, worst_rad=1.0)
WEIGHTED = tuple(Level)
INT8, WEIGHTS, FLOAT = WEIGHTED


def layer(name, *, levels=WEIGHTED, pair=""):
    return Layer(name, NodeProto(), (0,), levels, pair=pair)


def measuring(costs):
    """`costs` is {(layer, level): share of the budget}; what is not in it costs nothing."""
    measured = []

    def measure(plan):
        measured.append(dict(plan))
        worst = sum(costs.get((name, level), 0.0) for name, level in plan.items())
        joint = JointError(name="j", unit="rad", mean=0.0, p99=0.0, worst=worst)
        return Deviation(observations=1, joints=(joint,), cosine=Spread(mean=1, median=1, min=1), gripper_flips=0.0)

    return measure, measured


def search(layers, costs):
    measure, measured = measuring(costs)
    found = raise_until_it_fits(layers, sensitivity(layers, measure, BUDGET), measure, BUDGET)
    return found, measured


def test_layers_are_ranked_by_what_each_costs_alone():
    layers = [layer("a"), layer("b"), layer("c")]
    measure, measured = measuring({("a", INT8): 0.2, ("b", INT8): 0.9, ("b", WEIGHTS): 0.3, ("c", INT8): 0.01})
    effects = sensitivity(layers, measure, BUDGET)
    assert [(each.layer, each.level) for each in effects[:3]] == [("b", INT8), ("b", WEIGHTS), ("a", INT8)]
    assert all(sum(level is not FLOAT for level in plan.values()) == 1 for plan in measured)
    assert ("c", WEIGHTS) not in [(each.layer, each.level) for each in effects]  # cheap enough as it is


def test_everything_stays_int8_when_that_fits():
    found, _ = search([layer("a"), layer("b")], {("a", INT8): 0.3, ("b", INT8): 0.4})
    assert set(found.plan.values()) == {INT8}
    assert found.kept == ()


def test_the_worst_layer_is_raised_first_and_no_higher_than_needed():
    found, _ = search([layer("a"), layer("b")], {("a", INT8): 0.3, ("b", INT8): 2.0, ("b", WEIGHTS): 0.1})
    assert found.plan == {"a": INT8, "b": WEIGHTS}
    assert [(each.layer, each.level) for each in found.kept] == [("b", INT8)]
    assert found.deviation.worst_rad == pytest.approx(0.4)


def test_a_layer_whose_weights_are_the_trouble_ends_in_float():
    found, _ = search([layer("a"), layer("b")], {("b", INT8): 2.0, ("b", WEIGHTS): 1.9})
    assert found.plan == {"a": INT8, "b": FLOAT}


def test_what_turns_out_not_to_be_needed_goes_back():
    layers = [layer("a"), layer("b")]
    alone, _ = measuring({("a", INT8): 0.75, ("b", INT8): 0.69})
    together, _ = measuring({("a", INT8): 0.1, ("b", INT8): 0.9})  # b is the worse one once both are quantised
    found = raise_until_it_fits(layers, sensitivity(layers, alone, BUDGET), together, BUDGET)
    assert found.plan == {"a": INT8, "b": WEIGHTS}
    assert [each.layer for each in found.kept] == ["b"]


def test_both_products_of_an_attention_change_together():
    two = (INT8, FLOAT)
    layers = [layer("qk", levels=two, pair="s"), layer("pv", levels=two, pair="s"), layer("w")]
    found, measured = search(layers, {("pv", INT8): 3.0})
    assert found.plan == {"qk": FLOAT, "pv": FLOAT, "w": INT8}
    assert all(plan["qk"] is plan["pv"] for plan in measured)


def test_a_budget_that_cannot_hold_ends_with_everything_float():
    found, _ = search([layer("a")], {("a", INT8): 5.0, ("a", WEIGHTS): 4.0, ("a", FLOAT): 3.0})
    assert found.plan == {"a": FLOAT}
    assert found.deviation.share_of(BUDGET) > 1.0
