"""Ticker, timeline, limits, gate and modes: pure functions and small state, clock injected, no I/O."""
