"""Is this machine ready: every check says what it found, and what is wrong comes with the command that puts it right.

A check is a function of what it reads through a `Machine`, whose root may be another folder; it changes nothing.
"""
