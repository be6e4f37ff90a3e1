"""Worker processes: one thread of linear algebra each, and none outlives us."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import connection
from typing import Any, TypeVar

__all__ = ["Crew", "crew", "leave_with_parent", "single_threaded_children"]

Item = TypeVar("Item")
Made = TypeVar("Made")


class Crew:
    """Processes that take tasks, or this one; a task is a function that pickles.

    Parameters
    ----------
    pool : ProcessPoolExecutor, optional
        Where the tasks run; in this process, as they are handed over, by default.
    """

    def __init__(self, pool: ProcessPoolExecutor | None = None) -> None:
        self.pool = pool

    def submit(self, task: Callable[..., Made], *given: Any) -> Future[Made]:
        """Hand over one task."""
        if self.pool is not None:
            return self.pool.submit(task, *given)
        done: Future[Made] = Future()
        done.set_result(task(*given))
        return done

    def map(self, task: Callable[[Item], Made], items: Iterable[Item]) -> Iterator[Made]:
        """Results in the order of the items."""
        return map(task, items) if self.pool is None else self.pool.map(task, items)

    def completed(self, task: Callable[[Item], Made], items: Iterable[Item]) -> Iterator[Made]:
        """Results as they come; the items are taken in their order, at once by processes."""
        if self.pool is None:
            return map(task, items)
        waiting = [self.pool.submit(task, item) for item in items]
        return (future.result() for future in as_completed(waiting))


@contextmanager
def crew(processes: int) -> Iterator[Crew]:
    """Start so many processes, or none for one; they end with the block.

    Notes
    -----
    They are spawned: a forked OpenMP runtime can hang, a fresh process cannot.
    """
    if processes <= 1:
        yield Crew()
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=leave_with_parent) as pool:
        with single_threaded_children():
            for _ in range(processes):
                pool.submit(os.getpid)  # each starts one, since none is up yet to take it
        try:
            yield Crew(pool)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


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
