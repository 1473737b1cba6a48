"""Fault plans: break one thing after the other in a running robot, and compare what it does with what it should do."""
