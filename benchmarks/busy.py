"""A machine with something else to do: one process a core that never sleeps, at ordinary priority."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection


@contextlib.contextmanager
def busy_cores(wanted: bool) -> Iterator[None]:
    """Keep every core that this process may use busy; they end with the context, or with this process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    spinners = []
    for _ in range(len(os.sched_getaffinity(0)) if wanted else 0):
        spinners.append(context.Process(target=_spin, args=(theirs,), daemon=True))
        spinners[-1].start()
    theirs.close()
    for _ in spinners:
        ours.recv()
    try:
        yield
    finally:
        ours.close()
        for spinner in spinners:
            spinner.join()


def _spin(parent: Connection) -> None:
    ended = threading.Event()

    def watch() -> None:
        with contextlib.suppress(EOFError, OSError):
            parent.recv()
        ended.set()

    threading.Thread(target=watch, daemon=True).start()
    parent.send("spinning")
    sys.setswitchinterval(0.05)
    value = 1
    while not ended.is_set():
        for _ in range(100_000):
            value = value * 1_103_515_245 & 0xFFFFFFFF
