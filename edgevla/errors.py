"""The root of every error a user may meet: one line that says what, where, which value and how to fix it.

Each room derives its own classes, typed by cause. The command line prints `str(error)` and exits with
`error.exit_code`; a traceback in front of a user is a bug.
"""

from __future__ import annotations


class EdgeVLAError(Exception):
    """A failure with a cause that a user can act on.

    Args:
        message: what is wrong, where, and the offending value.
        fix: what to do about it; appended after a dash when given.
    """

    exit_code = 2

    def __init__(self, message: str, *, fix: str = "") -> None:
        self.message = message
        self.fix = fix
        super().__init__(f"{message} - {fix}" if fix else message)
