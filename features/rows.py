"""Rows on their way into the store: stamped, sorted by key, in Arrow columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features.errors import DataError
from features.names import constant, filled, ranked
from features.schema import Table, arrow_type
from features.sessions import calendar

__all__ = ["prepared", "stored_schema"]


def prepared(one: Table, frame: pd.DataFrame, *, source: str, now: pd.Timestamp) -> pa.Table:
    """Check rows, stamp them and sort them by key.

    Parameters
    ----------
    one : Table
        Their table.
    frame : DataFrame
        See `Transaction.append`.
    source : str
        Where rows come from that do not say it themselves.
    now : Timestamp
        Moment of the import, timezone-aware.

    Returns
    -------
    pyarrow.Table
        Columns of `stored_schema`.

    Raises
    ------
    DataError
        If a row is bad or a key stands twice.
    """
    rows = one.complete(frame.reset_index(drop=True))
    faults = one.faults(rows)
    if len(faults):
        raise DataError(
            f"{len(faults)} rows for table `{one.name}` are bad; row {faults.index[0]}: "
            f"{faults.iloc[0]}. Expected rows that pass the table's checks; mend or leave out the "
            "bad ones."
        )
    given = rows.get("available_at")
    known_at = pd.Series(one.availability.known_at(rows, calendar()), index=rows.index)
    rows = rows.assign(
        event_time=one.availability.event_time(rows, calendar()),
        available_at=(known_at if given is None else given.fillna(known_at)).fillna(now),
        ingested_at=now,
        source=filled(rows["source"], source) if "source" in rows else constant(source, rows.index),
    )
    order, repeated = _sorted_by_key(one, rows)
    if repeated:
        raise DataError(
            f"{repeated} keys of table `{one.name}` stand more than once in one append. Expected "
            f"one row per ({', '.join(one.key)}); drop the duplicates."
        )
    return _arrow(one, rows.take(order))


def stored_schema(one: Table) -> pa.Schema:
    """Return the columns in which rows of a table are stored, but for the version."""
    return pa.schema([(name, arrow_type(kind)) for name, kind in one.kinds().items()])


def _sorted_by_key(one: Table, rows: pd.DataFrame) -> tuple[npt.NDArray[np.intp], int]:
    """Return the order by key, and how many neighbours in it are equal."""
    keys: list[npt.NDArray[Any]] = []
    for name in one.key:
        kind = one.column(name).kind
        if kind == "text":
            keys.append(ranked(rows[name])[0])
        else:
            plain = rows[name].astype("float64" if kind == "number" else "int64")
            keys.append(plain.to_numpy())
    order = np.lexsort(keys[::-1])
    same = np.ones(max(len(rows) - 1, 0), dtype=bool)
    for values in keys:
        ordered = values[order]
        same &= ordered[1:] == ordered[:-1]
    return order, int(same.sum())


def _arrow(one: Table, rows: pd.DataFrame) -> pa.Table:
    arrays = []
    for name, kind in one.kinds().items():
        kept = arrow_type(kind)
        if name not in rows:
            arrays.append(pa.nulls(len(rows), kept))
        elif kind == "text":
            arrays.append(_dictionary(rows[name]))
        elif kind == "moment":
            arrays.append(_moments(rows[name]).view(kept))
        else:
            arrays.append(pa.array(rows[name], type=kept, from_pandas=True))
    return pa.Table.from_arrays(arrays, schema=stored_schema(one))


def _moments(moments: pd.Series) -> pa.Array:
    stamps = pd.DatetimeIndex(moments).as_unit("us").asi8
    absent = stamps == pd.NaT.value
    return pa.array(stamps, mask=absent if absent.any() else None)


def _dictionary(texts: pd.Series) -> pa.DictionaryArray:
    codes, names = ranked(texts)
    indices = pa.array(codes, mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(names, pa.string()))
