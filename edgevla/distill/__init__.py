"""Demonstrations, student, training. Needs torch; the runtime never does."""
