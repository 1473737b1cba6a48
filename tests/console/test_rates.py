"""How often something may happen."""

from edgevla.console.rates import Rate


def test_a_burst_passes_then_only_the_rate():
    rate = Rate(per_s=8.0, burst=5.0)
    assert [rate.allows(0.0) for _ in range(7)] == [True] * 5 + [False] * 2
    assert sum(rate.allows(step / 64) for step in range(1, 65)) == 8


def test_silence_fills_no_more_than_the_burst():
    rate = Rate(per_s=10.0, burst=5.0)
    rate.allows(0.0)
    assert sum(rate.allows(1000.0) for _ in range(100)) == 5
