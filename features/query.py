"""Rows of a table's segments: the newest version of each key that was available at a moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.errors import UsageError
from features.schema import Table, arrow_type
from features.segments import Segment, read_segment

__all__ = ["VERSION", "Query", "utc"]

#: Number of the append that wrote a row: the newest version of a key has the highest.
VERSION = "version"


def utc(moment: pd.Timestamp, name: str) -> pd.Timestamp:
    """Return a timezone-aware moment as naive UTC of unit "us", as it is stored.

    Raises
    ------
    UsageError
        If it has no timezone.
    """
    stamp = pd.Timestamp(moment)
    if stamp.tzinfo is None:
        raise UsageError(f"`{name}` must have a timezone, got {moment}. Pass a UTC Timestamp.")
    return stamp.tz_convert("UTC").tz_localize(None).as_unit("us")


@dataclass(frozen=True)
class Query:
    """Which rows of a table are wanted.

    Parameters
    ----------
    table : Table
        The table.
    as_of : Timestamp or None
        Availability limit.
    start, end : date, Timestamp or None
        Span of the table's time column, both ends included.
    where : mapping or None
        Columns to a value or a list of values.
    """

    table: Table
    as_of: pd.Timestamp | None = None
    start: Any = None
    end: Any = None
    where: Mapping[str, Any] | None = None

    def newest(self, columns: Sequence[str], root: Path, segments: Sequence[Segment]) -> pa.Table:
        """Take the newest available version of each key, sorted by key."""
        key = self.table.key
        if any(segment.revises for segment in segments):
            rows = self._rows((*key, VERSION, *columns), root, segments)
            rows = _sorted(rows, [*((name, "ascending") for name in key), (VERSION, "descending")])
            rows = rows.filter(_first_of_each(rows, key))
        else:
            rows = self._rows((*key, *columns), root, segments)
            if len(segments) > 1:  # a segment alone is sorted by key
                rows = _sorted(rows, [(name, "ascending") for name in key])
        return rows.select(list(columns))

    def versions(self, columns: Sequence[str], root: Path, segments: Sequence[Segment]) -> pa.Table:
        """Take every version, sorted by key and then age."""
        order = (*self.table.key, VERSION)
        rows = self._rows((*order, *columns), root, segments)
        return _sorted(rows, [(name, "ascending") for name in order]).select(list(columns))

    def _rows(self, columns: Sequence[str], root: Path, segments: Sequence[Segment]) -> pa.Table:
        """Read the rows of each segment that meet the conditions, one segment after the other."""
        limit = None if self.as_of is None else utc(self.as_of, "as_of")
        chosen = {name: self._values(name, value) for name, value in (self.where or {}).items()}
        tested = [] if limit is None else ["available_at"]
        names = list(dict.fromkeys((*columns, self.table.time, *tested, *chosen)))
        start, end = self._limit(self.start), self._limit(self.end)
        kinds = self.table.kinds()
        texts = [name for name in names if kinds.get(name) == "text"]
        parts = []
        for segment in segments:
            rows = read_segment(root / segment.file, names, texts, self.table.time, start, end)
            if limit is not None:
                rows = rows.filter(pc.less_equal(rows.column("available_at"), pa.scalar(limit)))
            for name, values in chosen.items():
                column = rows.column(name)
                rows = rows.filter(pc.is_in(column.cast(values.type), value_set=values))
            parts.append(_plain_texts(rows, texts))
        return pa.concat_tables(parts) if len(parts) > 1 else parts[0]

    def _values(self, name: str, wanted: Any) -> pa.Array:
        if name not in self.table.kinds():
            raise UsageError(
                f"table `{self.table.name}` has no column {name!r} to select by. Expected one "
                f"of {', '.join(self.table.kinds())}."
            )
        values = [wanted] if pd.api.types.is_scalar(wanted) else list(wanted)
        kind = self.table.kinds()[name]
        plain = [self._plain(name, value) for value in values]
        return pa.array(plain, pa.string() if kind == "text" else arrow_type(kind))

    def _limit(self, moment: Any) -> np.datetime64 | None:
        return None if moment is None else self._plain(self.table.time, moment).to_datetime64()

    def _plain(self, name: str, value: Any) -> Any:
        kind = self.table.kinds()[name]
        if kind == "moment":
            stamp = pd.Timestamp(value)
            return utc(stamp if stamp.tzinfo else stamp.tz_localize("UTC"), name)
        return pd.Timestamp(value).tz_localize(None) if kind == "date" else value


def _plain_texts(rows: pa.Table, names: Sequence[str]) -> pa.Table:
    """Write names out, once the rows that nobody wants are gone."""
    for name in names:
        place = rows.schema.get_field_index(name)
        rows = rows.set_column(place, name, rows.column(name).cast(pa.string()))
    return rows


def _sorted(rows: pa.Table, keys: Sequence[tuple[str, str]]) -> pa.Table:
    return rows.take(pc.sort_indices(rows, sort_keys=list(keys)))


def _first_of_each(rows: pa.Table, key: Sequence[str]) -> pa.Array:
    """Mark the first row of each run of equal keys."""
    new = np.zeros(max(rows.num_rows - 1, 0), dtype=bool)
    for name in key:
        column = rows.column(name)
        new |= pc.not_equal(column.slice(1), column.slice(0, len(new))).to_numpy()
    return pa.array(np.append(np.ones(min(rows.num_rows, 1), dtype=bool), new))
