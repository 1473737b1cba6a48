"""The operator's page: one robot, people who may ask it, and everything that keeps others out."""
