"""One retrain or search at a time in a home: the second waits, or refuses with a clear word."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from features.errors import RefusedError
from features.home import Home
from training.settings import TrainingSettings

__all__ = ["alone"]


@contextmanager
def alone(
    home: Home, settings: TrainingSettings, tell: Callable[[float, str], None]
) -> Iterator[None]:
    """Hold the home's lock.

    Raises
    ------
    RefusedError
        If another one holds it for longer than ``lock_wait_seconds``.
    """
    home.writable(home.mlruns)
    lock = FileLock(home.mlruns / ".retrain.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        tell(0.0, "another retrain or search is running in this home: waiting for it")
        try:
            lock.acquire(timeout=settings.lock_wait_seconds)
        except Timeout as error:
            raise RefusedError(
                f"another retrain or search has held {home.mlruns} for "
                f"{settings.lock_wait_seconds:.0f} s. Wait for it to end, or raise "
                "lock_wait_seconds in [training]."
            ) from error
    try:
        yield
    finally:
        lock.release()
