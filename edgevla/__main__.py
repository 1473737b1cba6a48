"""`python -m edgevla`: the same as the command `edgevla`."""

from edgevla.cli import main

main()
