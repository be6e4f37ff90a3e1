"""How worker processes start and end: one thread of linear algebra each, and none outlives us."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import connection

__all__ = ["leave_with_parent", "single_threaded_children"]


@contextmanager
def single_threaded_children() -> Iterator[None]:
    """Start processes whose BLAS and OpenMP use one thread; the workers are the parallelism."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def leave_with_parent() -> None:
    """End this worker as soon as its parent has ended, in whatever way: a pool's initializer.

    Notes
    -----
    A pool's workers wait on a queue of which they hold both ends. When the parent is killed they
    would wait for ever, with all their memory.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="leave-with-parent", daemon=True).start()
