"""From a float graph to INT8: calibration data, Q/DQ, sensitivity in joint units, lint, report."""
