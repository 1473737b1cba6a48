"""What stands behind each command: arguments in, one room's function, a table or JSON out; see `edgevla.cli`."""
