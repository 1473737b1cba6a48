"""Memory that stays: a page that must be read from the disk first can hold up a tick, or a servo's answer, for long."""

from __future__ import annotations

import ctypes

_MCL_CURRENT_AND_FUTURE = 1 | 2


def lock_memory() -> bool:
    """Keep all pages of this process in memory, now and from now on; False when that is not permitted."""
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.mlockall(_MCL_CURRENT_AND_FUTURE) == 0)
