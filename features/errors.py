"""What can go wrong, and with which exit code the command line says so."""

from __future__ import annotations

__all__ = [
    "DataError",
    "HomeError",
    "NothingToDo",
    "RefusedError",
    "StormpetrelError",
    "UsageError",
]


class StormpetrelError(Exception):
    """Root of every error that the user can mend; its text says what, expected, and what to do."""

    exit_code = 1


class UsageError(StormpetrelError, ValueError):
    """The command or the call was asked for something that cannot exist."""

    exit_code = 2


class HomeError(StormpetrelError, OSError):
    """The home folder cannot be read or written."""


class DataError(StormpetrelError, ValueError):
    """Data that a computation needs is missing, malformed or contradicts itself."""

    exit_code = 3


class RefusedError(StormpetrelError):
    """A gate said no: the data is stale or invalid, or a model did not pass."""

    exit_code = 3


class NothingToDo(StormpetrelError):
    """All was done before; the stored result stands."""

    exit_code = 4
