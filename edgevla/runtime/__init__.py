"""The processes and their wiring: the only place where rooms meet."""
