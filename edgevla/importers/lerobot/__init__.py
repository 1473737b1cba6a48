"""LeRobot's policies. Proven against the version that tests/importers/requirements.txt pins."""
