"""robot.yaml: types with units, loading, and errors that name file, line and value."""
