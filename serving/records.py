"""What the ledger keeps: its tables, and a row of each as a value."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = ["ENTRY_COLUMNS", "SCHEMA", "VERSION", "Entry", "Fill", "canonical_json", "entry_of"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    kind TEXT NOT NULL,
    session TEXT NOT NULL,
    at TEXT NOT NULL,
    model_version TEXT NOT NULL,
    revision INTEGER NOT NULL,
    inputs_hash TEXT NOT NULL,
    in_sample INTEGER NOT NULL,
    reason TEXT,
    recorded_at TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (kind, session, at, model_version, revision),
    UNIQUE (kind, session, at, model_version, inputs_hash)
) STRICT;
CREATE TABLE IF NOT EXISTS outcomes (
    session TEXT NOT NULL,
    head TEXT NOT NULL,
    horizon INTEGER NOT NULL,
    outcome INTEGER NOT NULL CHECK (outcome IN (0, 1)),
    ended TEXT NOT NULL,
    recorded_at TEXT NOT NULL,
    PRIMARY KEY (session, head, horizon)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fills (
    fill_id TEXT PRIMARY KEY,
    signal_id TEXT NOT NULL,
    book TEXT NOT NULL,
    filled_at TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    credit INTEGER NOT NULL,
    modelled INTEGER,
    recorded_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""
# nothing that was said is ever changed or taken back, whoever opens the file
SCHEMA += "".join(
    f"CREATE TRIGGER IF NOT EXISTS {table}_{verb.lower()} BEFORE {verb} ON {table} "
    f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END;\n"
    for table in ("entries", "outcomes", "fills")
    for verb in ("UPDATE", "DELETE")
)
VERSION = 1
ENTRY_COLUMNS = (
    "kind, session, at, model_version, revision, inputs_hash, in_sample, reason, document"
)


@dataclass(frozen=True)
class Entry:
    """One recorded forecast or ticket.

    Attributes
    ----------
    kind : str
        ``score`` or ``ticket``.
    session, at, model_version : str
        The key; session is an ISO date.
    revision : int
        0 is what was said first; a later revision has other inputs.
    inputs_hash : str
    in_sample : bool
        The session is not after the model's training data.
    reason : str or None
        Why there is a revision.
    document : str
        Canonical JSON, as printed.
    told : dict or None
        What the text was written from, when it was written by this process.
    """

    kind: str
    session: str
    at: str
    model_version: str
    revision: int
    inputs_hash: str
    in_sample: bool
    reason: str | None
    document: str
    told: dict[str, Any] | None = field(default=None, repr=False, compare=False)

    def shelved(self) -> Entry:
        """Give the entry with its text alone: a parsed document takes ten times the memory."""
        return replace(self, told=None)

    @property
    def body(self) -> dict[str, Any]:
        """The document: as it was just recorded, else parsed."""
        return dict(json.loads(self.document)) if self.told is None else self.told


@dataclass(frozen=True)
class Fill:
    """An actual fill given back by the user; credit and modelled in hundredths of a point."""

    fill_id: str
    signal_id: str
    book: str
    filled_at: str
    quantity: int
    credit: int
    modelled: int | None


def canonical_json(document: Any) -> str:
    """Text of a document: keys in their own order, no NaN, the same bytes every time."""
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def entry_of(row: Sequence[Any]) -> Entry:
    """Read one row of the table of entries."""
    kind, session, at, version, revision, inputs, in_sample, reason, document = row
    return Entry(
        kind=str(kind),
        session=str(session),
        at=str(at),
        model_version=str(version),
        revision=int(revision),
        inputs_hash=str(inputs),
        in_sample=bool(in_sample),
        reason=None if reason is None else str(reason),
        document=str(document),
    )
