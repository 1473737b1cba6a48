"""Calibration on the robot: observations that a quantiser may trust, and where every servo's zero and ends are."""
