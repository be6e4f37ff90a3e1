"""Opening the ledger's file: made where it is absent, brought up to date where it is older."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from features.errors import HomeError, StormpetrelError
from serving.records import SCHEMA, UPGRADE, VERSION

__all__ = ["open_file"]


def open_file(path: Path, *, bulk: bool) -> sqlite3.Connection:
    """Open a ledger.

    Parameters
    ----------
    path : Path
    bulk : bool
        Ask the disk once, when the run is over, not at every transaction.

    Raises
    ------
    StormpetrelError
        If a newer program has written it.
    HomeError
        If SQLite cannot open it.

    Notes
    -----
    A ledger of version 1 gets what it lacks and keeps its entries as they are; the program that
    wrote it refuses it from then on.
    """
    try:
        connection = sqlite3.connect(path, timeout=30, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'NORMAL' if bulk else 'FULL'}")
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version not in (0, 1, VERSION):
            raise StormpetrelError(
                f"{path} has ledger version {version}, this program knows {VERSION}. "
                "Use the program that wrote it, or another home."
            )
        if version == 0:
            connection.executescript(
                f"BEGIN IMMEDIATE;{SCHEMA}PRAGMA user_version = {VERSION};COMMIT;"
            )
        elif version == 1:
            _upgrade(connection)
    except sqlite3.Error as error:
        raise HomeError(
            f"cannot open the ledger {path}: {error}. Expected a readable and "
            "writable SQLite file; check the disk, or choose another home with --home."
        ) from error
    return connection


def _upgrade(connection: sqlite3.Connection) -> None:
    """Give a ledger of version 1 what it lacks, all of it or nothing; its entries stay."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        # another process may have been first
        if connection.execute("PRAGMA user_version").fetchone()[0] == 1:
            for statement in UPGRADE:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
