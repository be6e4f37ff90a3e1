"""The ledger: every forecast and ticket exactly once, revisions beside it, nothing overwritten."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any

from features.home import Home
from serving.ledger_file import open_file
from serving.pushes import pack, without_pushes
from serving.records import ENTRY_COLUMNS, Entry, Fill, canonical_json, entry_of

__all__ = ["Entry", "Fill", "Ledger", "canonical_json", "ledger_path"]


class Ledger:
    """The SQLite file of one home.

    Parameters
    ----------
    path : Path
        File; made on the first write.
    bulk : bool
        For runs over many sessions: the disk is asked to hold the whole run once, at its end. A
        killed process still leaves whole sessions; a power cut may lose the last of them.

    Notes
    -----
    Write-ahead log, one immediate transaction a session: a process killed anywhere leaves all of
    a session or nothing of it, and two runs at once cannot both record it.
    """

    def __init__(self, path: Path, *, bulk: bool = False) -> None:
        self.path = path
        self.bulk = bulk
        self._connection: sqlite3.Connection | None = None
        self._writable = False  # whether the folder was found to be, which one look settles
        self._names: dict[int, tuple[str, ...]] = {}

    @classmethod
    def of(cls, home: Home, *, bulk: bool = False) -> Ledger:
        """Open the ledger of a home; nothing is created until something is recorded."""
        return cls(ledger_path(home), bulk=bulk)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            if self.bulk:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._connection.close()
            self._connection = None

    def record(
        self,
        *,
        kind: str,
        session: str,
        at: str,
        model_version: str,
        inputs_hash: str,
        in_sample: bool,
        document: dict[str, Any],
        reason: str,
        now: str,
        text: str | None = None,
    ) -> tuple[Entry, bool]:
        """Record a document once.

        Parameters
        ----------
        kind, session, at, model_version, inputs_hash, in_sample
            As in `Entry`.
        document : dict
            Without `revision` and `revision_reason`, which the ledger adds.
        reason : str
            Kept when this turns out to be a revision.
        now : str
            UTC time of the recording; never part of the document.
        text : str, optional
            Canonical JSON of the document, where it was written already; pushes are packed anyway.

        Returns
        -------
        tuple of Entry and bool
            What stands in the ledger for these inputs, and whether it was recorded just now.
        """
        with self._writing() as connection:
            found = connection.execute(
                f"SELECT {ENTRY_COLUMNS} FROM entries WHERE kind = ? AND session = ? AND at = ? "
                "AND model_version = ? ORDER BY revision",
                (kind, session, at, model_version),
            ).fetchall()
            for row in found:
                if row[5] == inputs_hash:
                    return entry_of(row, self._named), False
            revision = len(found)
            added = {"revision": revision, "revision_reason": reason if revision else None}
            told = {**document, **added}
            packed = pack(told)
            if text is None or packed is not None:
                text = canonical_json(told if packed is None else without_pushes(told))
            else:
                text = f"{text[:-1]},{canonical_json(added)[1:]}"
            place = None if packed is None else self._place_of(packed[0])
            entry = Entry(
                kind=kind,
                session=session,
                at=at,
                model_version=model_version,
                revision=revision,
                inputs_hash=inputs_hash,
                in_sample=in_sample,
                reason=reason if revision else None,
                text=text,
                packed=None if packed is None or place is None else (self._named(place), packed[1]),
                told=told,
            )
            connection.execute(
                f"INSERT INTO entries ({ENTRY_COLUMNS}, recorded_at) "
                "VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
                (
                    kind,
                    session,
                    at,
                    model_version,
                    revision,
                    inputs_hash,
                    int(in_sample),
                    entry.reason,
                    text,
                    None if packed is None else packed[1],
                    place,
                    now,
                ),
            )
        return entry, True

    def entries(
        self,
        kind: str,
        *,
        at: str | None = None,
        sessions: Sequence[str] | None = None,
        first_only: bool = False,
    ) -> list[Entry]:
        """Read what was recorded, by session, moment, time of recording and revision.

        Parameters
        ----------
        kind : str
            ``score`` or ``ticket``.
        at : str, optional
            Only that moment.
        sessions : sequence of str, optional
            Only from the first to the last of these ISO dates.
        first_only : bool
            Leave revisions out: only what was said first counts for the track record.
        """
        clauses, values = ["kind = ?"], [kind]
        if at is not None:
            clauses.append("at = ?")
            values.append(at)
        if sessions is not None:
            clauses.append("session BETWEEN ? AND ?")
            values += [min(sessions), max(sessions)] if sessions else ["", ""]
        if first_only:
            clauses.append("revision = 0")
        rows = self._rows(
            f"SELECT {ENTRY_COLUMNS} FROM entries WHERE {' AND '.join(clauses)} "
            "ORDER BY session, at, recorded_at, revision",
            *values,
        )
        return [entry_of(row, self._named) for row in rows]

    def last_session(self, kind: str, at: str) -> str | None:
        """Last session recorded at a moment, by any model."""
        rows = self._rows("SELECT max(session) FROM entries WHERE kind = ? AND at = ?", kind, at)
        return None if not rows or rows[0][0] is None else str(rows[0][0])

    def recorded_at(self, kind: str, at: str) -> dict[str, str]:
        """When each session was first recorded at a moment, by any model (UTC, ISO)."""
        rows = self._rows(
            "SELECT session, min(recorded_at) FROM entries WHERE kind = ? AND at = ? "
            "GROUP BY session",
            kind,
            at,
        )
        return {str(session): str(when) for session, when in rows}

    def record_outcomes(self, rows: Sequence[tuple[str, str, int, int, str]], *, now: str) -> int:
        """Fill in outcomes (session, head, horizon, 0 or 1, session it ended); once each."""
        if not rows:
            return 0
        with self._writing() as connection:
            before = connection.total_changes
            connection.executemany(
                "INSERT INTO outcomes VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [(*row, now) for row in rows],
            )
            return connection.total_changes - before

    def outcomes(self) -> dict[tuple[str, str, int], int]:
        """Realised outcomes by session, head and horizon."""
        rows = self._rows("SELECT session, head, horizon, outcome FROM outcomes")
        return {(str(s), str(h), int(k)): int(y) for s, h, k, y in rows}

    def record_fills(self, fills: Sequence[Fill], *, now: str) -> list[bool]:
        """Keep actual fills, all of them or none; a fill given twice is kept once.

        Returns
        -------
        list of bool
            Whether each is new.
        """
        new = []
        with self._writing() as connection:
            for fill in fills:
                before = connection.total_changes
                connection.execute(
                    "INSERT INTO fills VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    (*astuple(fill), now),
                )
                new.append(connection.total_changes > before)
        return new

    def ticket(self, signal_id: str) -> Entry | None:
        """Find the recorded ticket of a signal id."""
        rows = self._rows(
            f"SELECT {ENTRY_COLUMNS} FROM entries WHERE kind = 'ticket' "
            "AND json_extract(document, '$.signal_id') = ? LIMIT 1",
            signal_id,
        )
        return entry_of(rows[0], self._named) if rows else None

    def fills(self) -> list[Fill]:
        """Every fill given back, by time."""
        rows = self._rows(
            "SELECT fill_id, signal_id, book, filled_at, quantity, credit, modelled FROM fills "
            "ORDER BY filled_at, fill_id"
        )
        return [Fill(*row) for row in rows]

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Read; a ledger in which nothing was recorded has no rows, and no file is made."""
        return self._open().execute(query, values).fetchall() if self.path.is_file() else []

    def _named(self, place: int) -> tuple[str, ...]:
        """Look the names of packed pushes up, once each."""
        if place not in self._names:
            (text,) = (
                self._open().execute("SELECT names FROM names WHERE id = ?", (place,)).fetchone()
            )
            self._names[place] = tuple(json.loads(text))
        return self._names[place]

    def _place_of(self, text: str) -> int:
        """Give a list of names its number, kept from its first entry on."""
        connection = self._open()
        connection.execute("INSERT INTO names (names) VALUES (?) ON CONFLICT DO NOTHING", (text,))
        (place,) = connection.execute("SELECT id FROM names WHERE names = ?", (text,)).fetchone()
        return int(place)

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = open_file(self.path, bulk=self.bulk)
        return self._connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        if not self._writable:
            Home(self.path.parent).writable(self.path.parent)
            self._writable = True
        connection = self._open()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def ledger_path(home: Home) -> Path:
    """Path of the ledger of a home."""
    return home.scores / "ledger.db"
