"""The bitemporal market store: what was known, and when.

Rows live in immutable Parquet segments. One manifest names the live segments and
is replaced in one step, so a reader sees the state before or after an import and nothing between.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from features.errors import DataError, UsageError
from features.query import VERSION, Query
from features.schema import Kind, Table, arrow_type
from features.segments import MANIFEST, Manifest, read_manifest
from features.tables import QUARANTINE, TABLES, table

if TYPE_CHECKING:
    from features.ingest import Counts, Transaction

__all__ = ["MarketStore"]


class MarketStore:
    """A folder of canonical tables, each row with the time from which it could be known.

    Parameters
    ----------
    root : Path
        Folder of the store. It is made by the first import; an absent one reads as empty.
    manifest : Manifest, optional
        Pins the store to one state (see `snapshot`).
    """

    def __init__(self, root: Path, *, manifest: Manifest | None = None) -> None:
        self.root = Path(root)
        self._pinned = manifest
        self._cached: tuple[tuple[int, int, int], Manifest] | None = None

    def snapshot(self) -> MarketStore:
        """Return a store that keeps reading today's state, whatever is imported meanwhile."""
        return MarketStore(self.root, manifest=self.manifest())

    def manifest(self) -> Manifest:
        """Return the current manifest, read again only when its file has changed."""
        if self._pinned is not None:
            return self._pinned
        try:
            stat = (self.root / MANIFEST).stat()
        except OSError:
            return read_manifest(self.root)
        mark = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if self._cached is None or self._cached[0] != mark:
            self._cached = (mark, read_manifest(self.root))
        return self._cached[1]

    def tables(self) -> list[str]:
        """Name the tables that have rows."""
        manifest = self.manifest()
        return [name for name in TABLES if manifest.segments(name)]

    def read(
        self,
        name: str,
        *,
        as_of: pd.Timestamp | None = None,
        start: Any = None,
        end: Any = None,
        columns: Sequence[str] | None = None,
        where: Mapping[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Return the newest version of each row that was available at `as_of`.

        Parameters
        ----------
        name : str
            Canonical table.
        as_of : Timestamp, optional
            Timezone-aware; None means everything that is stored.
        start, end : date or Timestamp, optional
            Span of the table's date or moment column, both ends included.
        columns : sequence of str, optional
            Columns wanted beside the key and `available_at`; default all value columns. `source`,
            `event_time` and `ingested_at` come only when named.
        where : mapping, optional
            Columns to a value or a list of values that rows must have.

        Returns
        -------
        DataFrame
            Sorted by key. Dates are tz-naive, moments UTC, both of unit "us".

        Raises
        ------
        UsageError
            If the table or a column does not exist, or `as_of` has no timezone.

        Notes
        -----
        *Timing:* no row with ``available_at > as_of`` can be seen, and a later version of a key
        never changes what an earlier `as_of` returns.

        Examples
        --------
        >>> store.read("vol_indices", as_of=cutoff, where={"symbol": ["vix", "vix3m"]})
        """
        query = Query(table(name), as_of=as_of, start=start, end=end, where=where)
        return self._frame(query, _wanted(query.table, columns))

    def history(
        self,
        name: str,
        *,
        start: Any = None,
        end: Any = None,
        where: Mapping[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Return every version of every row, oldest version first within its key.

        The frame has all stored columns, and `version`, the number of the append that wrote it.
        """
        query = Query(table(name), start=start, end=end, where=where)
        return self._frame(query, [*query.table.kinds(), VERSION], all_versions=True)

    def revision_times(
        self,
        name: str,
        *,
        as_of: pd.Timestamp | None = None,
        start: Any = None,
        end: Any = None,
    ) -> pd.DatetimeIndex:
        """Return the moments, up to `as_of`, from which a later version of a key is available.

        `start` and `end` bound the table's date or moment column.
        """
        one = table(name)
        if not any(segment.revises for segment in self.manifest().segments(name)):
            return pd.DatetimeIndex([], dtype="datetime64[us, UTC]")
        rows = self.history(name, start=start, end=end)
        later = rows.loc[rows.duplicated(list(one.key), keep="first"), "available_at"]
        if as_of is not None:
            later = later[later <= as_of]
        return pd.DatetimeIndex(later.drop_duplicates().sort_values(), name=None)

    def append(self, name: str, frame: pd.DataFrame, *, source: str, now: pd.Timestamp) -> Counts:
        """Add rows to one table in a transaction of their own (see `Transaction.append`)."""
        with self.transaction(now=now) as transaction:
            return transaction.append(name, frame, source=source)

    @contextlib.contextmanager
    def transaction(self, *, now: pd.Timestamp) -> Iterator[Transaction]:
        """Group appends to any tables into one step: all become visible at its end, or none.

        Parameters
        ----------
        now : Timestamp
            Timezone-aware moment of the import: `ingested_at` of its rows, and the availability
            of its revisions.

        Raises
        ------
        StormpetrelError
            If another process holds the store for longer than two minutes.
        """
        # a score reads alone, and need not load what writes
        from features.ingest import Transaction

        if self._pinned is not None:
            raise UsageError("a snapshot cannot be written. Append to the store it was taken from.")
        with Transaction.begin(self.root, now=now) as transaction:
            yield transaction

    def data_hash(self, *, as_of: pd.Timestamp | None = None) -> str:
        """Hash all that a read at `as_of` returns: keys, values, availability; not import times.

        Two stores with the same rows have the same hash, in whatever order or pieces they came.
        """
        digest = hashlib.sha256()
        pinned = self.snapshot()
        for name in pinned.tables():
            if name == QUARANTINE.name:
                continue
            query = Query(table(name), as_of=as_of)
            rows = pinned.fetch(query, _wanted(query.table, None))
            digest.update(f"{name}:{rows.num_rows};".encode())
            for column in rows.column_names:
                digest.update(column.encode())
                _update(digest, rows.column(column))
        return digest.hexdigest()

    def fetch(
        self, query: Query, columns: Sequence[str], *, all_versions: bool = False
    ) -> pa.Table:
        """Run a query and return Arrow rows; moments have the zone UTC.

        Raises
        ------
        DataError
            If a segment is missing or damaged.
        """
        segments = self.manifest().segments(query.table.name)
        schema = _schema(query.table, columns)
        if not segments:
            return schema.empty_table()
        take = query.versions if all_versions else query.newest
        try:
            rows = take(columns, self.root, segments)
        except (OSError, pa.ArrowException) as error:
            raise DataError(
                f"a file of the market store in {self.root} is missing or damaged: {error}. "
                "Expected the files of its manifest; import the data into a new home, or restore "
                "a backup."
            ) from error
        return rows.cast(schema)

    def _frame(
        self, query: Query, columns: Sequence[str], *, all_versions: bool = False
    ) -> pd.DataFrame:
        return self.fetch(query, columns, all_versions=all_versions).to_pandas(use_threads=False)


def _wanted(one: Table, columns: Sequence[str] | None) -> list[str]:
    chosen = list(one.values) if columns is None else list(columns)
    kinds = one.kinds()
    unknown = [name for name in chosen if name not in kinds]
    if unknown:
        raise UsageError(
            f"table `{one.name}` has no column {', '.join(unknown)}. Expected any of "
            f"{', '.join(kinds)}."
        )
    fixed = (*one.key, "available_at")
    return [*one.key, *(name for name in chosen if name not in fixed), "available_at"]


_READ: dict[Kind, pa.DataType] = {"text": pa.string(), "moment": pa.timestamp("us", tz="UTC")}


def _schema(one: Table, columns: Sequence[str]) -> pa.Schema:
    kinds: dict[str, Kind] = {**one.kinds(), VERSION: "number"}
    return pa.schema([(name, _READ.get(kinds[name], arrow_type(kinds[name]))) for name in columns])


def _update(digest: Any, column: pa.ChunkedArray) -> None:
    """Feed a column to the digest: null masks and values, in a form that is the same everywhere."""
    if pa.types.is_string(column.type):
        # Strings are hashed through their sorted dictionary, so equal columns feed equal bytes.
        coded = column.combine_chunks().dictionary_encode()
        texts = coded.dictionary.to_pylist()
        order = sorted(range(len(texts)), key=texts.__getitem__)
        digest.update("\0".join(texts[place] for place in order).encode())
        ranks = np.empty(len(texts) + 1, dtype="<i8")
        ranks[order] = np.arange(len(texts))
        ranks[-1] = -1
        codes = coded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)
        digest.update(ranks[codes].tobytes())
        return
    digest.update(np.packbits(column.is_null().to_numpy()).tobytes())
    if pa.types.is_boolean(column.type):
        digest.update(np.packbits(column.fill_null(False).to_numpy()).tobytes())
    elif pa.types.is_timestamp(column.type):
        digest.update(column.cast(pa.int64()).fill_null(0).to_numpy().astype("<i8").tobytes())
    else:
        # Adding zero turns -0.0 into 0.0.
        digest.update((column.fill_null(0.0).to_numpy() + 0.0).astype("<f8").tobytes())
