"""Closed-loop evaluation and reports."""
