"""So many at once, so many a second."""

from edgevla.runtime.budget import Budget


def test_a_burst_is_allowed_and_then_so_many_a_second():
    budget = Budget(3, 10)
    assert [budget.take(1.0) for _ in range(4)] == [True, True, True, False]
    assert not budget.take(1.05)
    assert budget.take(1.15)
    assert not budget.take(1.16)


def test_what_is_not_spent_does_not_pile_up_beyond_the_burst():
    budget = Budget(3, 10)
    budget.take(0.0, 3)
    assert budget.take(1000.0, 3)
    assert not budget.take(1000.0)


def test_more_than_there_is_spends_nothing():
    budget = Budget(3, 10)
    assert not budget.take(0.0, 4)
    assert budget.take(0.0, 3)


def test_nothing_costs_nothing():
    budget = Budget(1, 1)
    budget.take(0.0)
    assert budget.take(0.0, 0)
