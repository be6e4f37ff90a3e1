"""Writing to the store: what is new, what is a revision, what was said before."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import filelock
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.errors import HomeError, StormpetrelError
from features.query import VERSION, Query, utc
from features.rows import prepared, stored_schema
from features.schema import Table
from features.segments import (
    Manifest,
    Segment,
    collect_garbage,
    read_manifest,
    write_manifest,
    write_segment,
)
from features.tables import table

__all__ = ["Counts", "Transaction"]

LOCK = ".lock"
LOCK_SECONDS = 120
#: Live segments of a table beyond which they are merged into one.
MANY_SEGMENTS = 24


@dataclass(frozen=True)
class Counts:
    """What an append did.

    Parameters
    ----------
    new : int
        Rows whose key was not stored before.
    revised : int
        Later versions of stored keys.
    same : int
        Rows that say what is stored already.
    held : int
        Rows of a less trusted source, for keys that a more trusted one has.
    """

    new: int = 0
    revised: int = 0
    same: int = 0
    held: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.new + other.new,
            self.revised + other.revised,
            self.same + other.same,
            self.held + other.held,
        )


class Transaction:
    """Appends that become visible together; made by `MarketStore.transaction`."""

    def __init__(self, root: Path, manifest: Manifest, now: pd.Timestamp) -> None:
        self._root = root
        self._manifest = manifest
        self._now = utc(now, "now")
        self._changed: set[str] = set()
        self._writer = ThreadPoolExecutor(max_workers=1)
        self._writing: dict[str, list[Future[Segment]]] = {}

    @classmethod
    @contextlib.contextmanager
    def begin(cls, root: Path, *, now: pd.Timestamp) -> Iterator[Transaction]:
        """Take the writer's lock, hand out the transaction, and commit when its block ends well."""
        with _locked(root):
            transaction = cls(root, read_manifest(root), now)
            try:
                yield transaction
                transaction._commit()
            except BaseException:
                transaction._forget()
                raise
            finally:
                transaction._writer.shutdown()

    def append(self, name: str, frame: pd.DataFrame, *, source: str) -> Counts:
        """Add rows to a table.

        Parameters
        ----------
        name : str
            Canonical table.
        frame : DataFrame
            Key and value columns; optional value columns may be absent. Optional too:
            `available_at` (takes the place of the table's rule) and `source` (per row).
        source : str
            Where rows come from that do not say it themselves.

        Returns
        -------
        Counts
            New, revised, same and held rows.

        Raises
        ------
        DataError
            If a row is bad or a key stands twice. Nothing is stored.

        Notes
        -----
        *Timing:* the first version of a key is available by the table's rule, a later one from the
        transaction's `now` on. A null in a later version says nothing: the stored value stands.
        """
        one = table(name)
        if frame.empty:
            one.require(frame.columns)
            return Counts()
        rows = prepared(one, frame, source=source, now=self._now.tz_localize("UTC"))
        segments = self._settled(name)
        if segments:
            rows, counts = self._against_stored(one, rows, segments)
        else:
            counts = Counts(new=rows.num_rows)
        if rows.num_rows:
            self._write(one, rows, revises=counts.revised > 0)
        return counts

    def _against_stored(
        self, one: Table, rows: pa.Table, segments: tuple[Segment, ...]
    ) -> tuple[pa.Table, Counts]:
        """Keep what is new or differs from the newest stored version, values merged over it."""
        columns = list(one.kinds())
        stored = Query(one).newest(columns, self._root, segments)
        join = " AND ".join(f'i."{name}" = s."{name}"' for name in one.key)
        missing = f's."{one.time}" IS NULL'
        differs = " OR ".join(
            f'(i."{name}" IS NOT NULL AND i."{name}" IS DISTINCT FROM s."{name}")'
            for name in one.values
        )
        now = f"TIMESTAMP '{self._now:%Y-%m-%d %H:%M:%S.%f}'"
        picked = [f'i."{name}"' for name in one.key]
        picked += [f'coalesce(i."{name}", s."{name}") AS "{name}"' for name in one.values]
        picked += [
            "i.event_time",
            f"CASE WHEN {missing} THEN i.available_at ELSE greatest(i.available_at, {now}) END AS "
            "available_at",
            "i.ingested_at",
            "i.source",
            f"CASE WHEN {missing} THEN 'new' WHEN {_rank(one, 'i')} > {_rank(one, 's')} THEN "
            f"'held' WHEN {differs or 'FALSE'} THEN 'revised' ELSE 'same' END AS verdict",
        ]
        sql = f"SELECT {', '.join(picked)} FROM incoming i LEFT JOIN stored s ON {join}"
        with duckdb.connect() as connection:
            connection.register("incoming", rows)
            connection.register("stored", stored)
            judged = connection.sql(sql).to_arrow_table()
        verdicts = judged.column("verdict")
        tally = {
            entry["values"]: entry["counts"] for entry in pc.value_counts(verdicts).to_pylist()
        }
        kept = judged.filter(pc.is_in(verdicts, pa.array(["new", "revised"]))).drop_columns(
            "verdict"
        )
        kept = kept.sort_by([(name, "ascending") for name in one.key])
        return kept.cast(stored_schema(one)), Counts(**tally)

    def _write(self, one: Table, rows: pa.Table, *, revises: bool) -> None:
        number = self._manifest.version + 1
        numbered = rows.append_column(
            VERSION, pa.array(np.full(rows.num_rows, number, dtype=np.int32))
        )
        write = functools.partial(write_segment, self._root, one.name, numbered)
        # The file is compressed and synced while the next table is being prepared.
        future = self._writer.submit(write, version=number, revises=revises)
        self._writing.setdefault(one.name, []).append(future)
        self._manifest = replace(self._manifest, version=number)
        self._changed.add(one.name)

    def _settled(self, name: str) -> tuple[Segment, ...]:
        """Wait for what is being written of a table, and return all its segments."""
        written = [future.result() for future in self._writing.pop(name, [])]
        if written:
            segments = (*self._manifest.segments(name), *written)
            self._manifest = self._manifest.replaced(name, segments)
        return self._manifest.segments(name)

    def _forget(self) -> None:
        """Delete what a failed transaction has written; the manifest never named it."""
        self._writer.shutdown()
        stored = read_manifest(self._root)
        for name in self._changed:
            with contextlib.suppress(StormpetrelError):
                kept = {segment.file for segment in stored.segments(name)}
                for segment in self._settled(name):
                    if segment.file not in kept:
                        (self._root / segment.file).unlink(missing_ok=True)

    def _commit(self) -> None:
        if not self._changed:
            return
        for name in sorted(self._changed):
            if len(self._settled(name)) > MANY_SEGMENTS:
                self._merge(table(name))
        write_manifest(self._root, self._manifest)
        collect_garbage(self._root, self._manifest)

    def _merge(self, one: Table) -> None:
        """Write a table's segments as one; every version of every row stays."""
        segments = self._manifest.segments(one.name)
        schema = stored_schema(one).append(pa.field(VERSION, pa.int32()))
        rows = Query(one).versions(schema.names, self._root, segments).cast(schema)
        merged = write_segment(
            self._root,
            one.name,
            rows,
            version=self._manifest.version,
            revises=any(segment.revises for segment in segments),
        )
        self._manifest = self._manifest.replaced(one.name, [merged])


@contextlib.contextmanager
def _locked(root: Path) -> Iterator[None]:
    lock = filelock.FileLock(root / LOCK, timeout=LOCK_SECONDS)
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout as error:
        raise StormpetrelError(
            f"another process has been writing to {root} for {LOCK_SECONDS} seconds. Expected it "
            "to finish; wait for it, or stop it, and try again."
        ) from error
    except OSError as error:
        raise HomeError(
            f"cannot write {root}: {error.strerror}. Expected a writable home; choose one with "
            "--home DIR or STORMPETREL_HOME."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _rank(one: Table, alias: str) -> str:
    cases = " ".join(f"WHEN '{name}' THEN {one.rank(name)}" for name in one.precedence)
    return f"(CASE {alias}.source {cases} ELSE 0 END)" if cases else "0"
