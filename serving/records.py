"""What the ledger keeps: its tables, and a row of each as a value."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from serving.pushes import plain, unpack, with_rows

__all__ = [
    "ENTRY_COLUMNS",
    "SCHEMA",
    "UPGRADE",
    "VERSION",
    "Entry",
    "Fill",
    "canonical_json",
    "entry_of",
]

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
    pushes BLOB,
    names INTEGER,
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
# The names of packed pushes, once a model. A ledger of version 1 lacks the table and the columns of
# the pushes; its entries hold them in their text and stay as they are.
NAMES_SCHEMA = """
CREATE TABLE IF NOT EXISTS names (
    id INTEGER PRIMARY KEY,
    names TEXT NOT NULL UNIQUE
) STRICT;
"""
SCHEMA += NAMES_SCHEMA
# nothing that was said is ever changed or taken back, whoever opens the file
_GUARDS = {
    table: [
        f"CREATE TRIGGER IF NOT EXISTS {table}_{verb.lower()} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END;\n"
        for verb in ("UPDATE", "DELETE")
    ]
    for table in ("entries", "outcomes", "fills", "names")
}
SCHEMA += "".join(guard for guards in _GUARDS.values() for guard in guards)
UPGRADE = (
    NAMES_SCHEMA,
    "ALTER TABLE entries ADD COLUMN pushes BLOB",
    "ALTER TABLE entries ADD COLUMN names INTEGER",
    *_GUARDS["names"],
)
VERSION = 2
ENTRY_COLUMNS = (
    "kind, session, at, model_version, revision, inputs_hash, in_sample, reason, document, pushes, "
    "names"
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
    text : str
        Canonical JSON, the packed pushes left out.
    packed : tuple or None
        Names and bytes of the pushes; see `serving.pushes.pack`.
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
    text: str
    packed: tuple[tuple[str, ...], bytes] | None = field(default=None, repr=False)
    told: dict[str, Any] | None = field(default=None, repr=False, compare=False)

    def shelved(self) -> Entry:
        """Give the entry with its text alone: a parsed document takes ten times the memory."""
        return replace(self, told=None)

    @property
    def document(self) -> str:
        """Canonical JSON, as printed."""
        return self.text if self.packed is None else canonical_json(self.body)

    @property
    def body(self) -> dict[str, Any]:
        """The document: as it was just recorded, else parsed; contributions are any sequence."""
        if self.told is not None:
            return self.told
        found = dict(json.loads(self.text))
        return found if self.packed is None else unpack(found, *self.packed)

    @property
    def printed(self) -> dict[str, Any]:
        """The document in plain JSON values."""
        found = dict(json.loads(self.text))
        return found if self.packed is None else with_rows(unpack(found, *self.packed))


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


_WRITER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=plain
)


def canonical_json(document: Any) -> str:
    """Text of a document: keys in their own order, no NaN, the same bytes every time."""
    return _WRITER.encode(document)


def entry_of(row: Sequence[Any], names: Callable[[int], tuple[str, ...]]) -> Entry:
    """Read one row of the table of entries; `names` looks the names of its pushes up."""
    kind, session, at, version, revision, inputs, in_sample, reason, text, packed, place = row
    return Entry(
        kind=str(kind),
        session=str(session),
        at=str(at),
        model_version=str(version),
        revision=int(revision),
        inputs_hash=str(inputs),
        in_sample=bool(in_sample),
        reason=None if reason is None else str(reason),
        text=str(text),
        packed=None if packed is None else (names(int(place)), bytes(packed)),
    )
