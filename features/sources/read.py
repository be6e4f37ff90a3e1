"""Read one tidy file into typed columns, and say which lines cannot be read."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from features.errors import DataError
from features.schema import Kind
from features.sources.layout import Layout

__all__ = ["RawFile", "read_file"]

NULLS = ["", "NA", "N/A", "NaN", "nan", "null", "None", ".", "NaT", "<NA>"]
_PARSED: dict[Kind, pa.DataType] = {
    "date": pa.date32(),
    "moment": pa.timestamp("us", tz="UTC"),
    "text": pa.dictionary(pa.int32(), pa.string()),
    "number": pa.float64(),
    "flag": pa.bool_(),
}
#: First line of data: below the header in a CSV, row 1 of a Parquet file.
FIRST_LINE = {".csv": 2, ".parquet": 1}


@dataclass(frozen=True)
class RawFile:
    """A file after reading.

    Parameters
    ----------
    path : Path
        The file.
    rows : DataFrame
        Its known columns, typed; the index is the line. Lines with an unreadable cell are absent.
    faults : dict
        Line to what is wrong with it.
    records : dict
        Line to its cells, for the lines of `faults`.
    lines : int
        Lines of data in the file.
    """

    path: Path
    rows: pd.DataFrame
    faults: dict[int, str]
    records: dict[int, dict[str, Any]]
    lines: int


def read_file(path: Path, layout: Layout) -> RawFile:
    """Read the columns that the layout knows.

    Raises
    ------
    DataError
        If the file cannot be read at all, or lacks a column.
    """
    try:
        table = _parquet(path, layout) if path.suffix == ".parquet" else _csv(path, layout)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read: {error}") from error
    except pa.ArrowException:
        return _line_by_line(path, layout)
    rows = _frame(table)
    first = FIRST_LINE[path.suffix]
    rows.index = pd.RangeIndex(first, first + len(rows))
    return RawFile(path, rows, {}, {}, len(rows))


def _require(columns: list[str], layout: Layout) -> list[str]:
    missing = [name for name in layout.required if name not in columns]
    if missing:
        raise DataError(
            f"lacks the column {', '.join(missing)}; expected {', '.join(layout.required)}"
        )
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise DataError(f"has the column {', '.join(twice)} more than once")
    return [name for name in columns if name in layout.kinds]


def _csv(path: Path, layout: Layout) -> pa.Table:
    with path.open(encoding="utf-8-sig", newline="") as handle:
        header = next(csv.reader(handle), [])
    known = _require(header, layout)
    return pacsv.read_csv(
        path,
        parse_options=pacsv.ParseOptions(ignore_empty_lines=False),
        convert_options=pacsv.ConvertOptions(
            column_types={name: _PARSED[layout.kinds[name]] for name in known},
            include_columns=known,
            null_values=NULLS,
            strings_can_be_null=True,
        ),
    )


def _parquet(path: Path, layout: Layout) -> pa.Table:
    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise DataError(f"is no Parquet file: {error}") from error
    known = _require(file.schema_arrow.names, layout)
    types = {name: _PARSED[layout.kinds[name]] for name in known}
    texts = [name for name, kind in types.items() if pa.types.is_dictionary(kind)]
    table = pq.ParquetFile(path, read_dictionary=texts).read(columns=known)
    for place, name in enumerate(known):
        column = table.column(name)
        if not pa.types.is_dictionary(column.type):
            table = table.set_column(place, name, column.cast(types[name]))
    return table


def _frame(table: pa.Table) -> pd.DataFrame:
    dates = [place for place, item in enumerate(table.schema) if item.type == pa.date32()]
    for place in dates:
        name = table.schema.field(place).name
        table = table.set_column(place, name, table.column(place).cast(pa.timestamp("us")))
    return table.to_pandas(split_blocks=True)


def _line_by_line(path: Path, layout: Layout) -> RawFile:
    """Read a file with damaged cells: keep the good lines, say what is wrong with the others."""
    faults: dict[int, str] = {}
    records: dict[int, dict[str, Any]] = {}
    first = FIRST_LINE[path.suffix]
    if path.suffix == ".parquet":
        try:
            texts = pq.read_table(path).to_pandas().astype("str")
        except pa.ArrowException as error:
            raise DataError(f"cannot be read: {error}") from error
        texts.index = pd.RangeIndex(first, first + len(texts))
    else:
        texts = _csv_lines(path, faults, records)
    lines = len(texts) + len(faults)
    typed: dict[str, pd.Series] = {}
    for name in _require(list(texts.columns), layout):
        cells = texts[name].str.strip()
        cells = cells.mask(cells.isin(NULLS))
        values = _converted(cells, layout.kinds[name])
        for line in texts.index[(values.isna() & cells.notna()).to_numpy()]:
            faults.setdefault(int(line), f"`{name}` is no {layout.kinds[name]}: {cells[line]!r}")
            records[int(line)] = texts.loc[line].to_dict()
        typed[name] = values
    rows = pd.DataFrame(typed)
    good = rows[~rows.index.isin(list(faults))]
    flags = [
        name for name in good if layout.kinds[str(name)] == "flag" and good[name].notna().all()
    ]
    return RawFile(path, good.astype(dict.fromkeys(flags, "bool")), faults, records, lines)


def _csv_lines(
    path: Path, faults: dict[int, str], records: dict[int, dict[str, Any]]
) -> pd.DataFrame:
    lines: list[int] = []
    cells: list[list[str]] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.reader(handle)
            header = next(reader, [])
            for row in reader:
                if len(row) == len(header):
                    lines.append(reader.line_num)
                    cells.append(row)
                elif row:
                    faults[reader.line_num] = (
                        f"has {len(row)} cells where the header has {len(header)}"
                    )
                    records[reader.line_num] = {"cells": row}
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"is no CSV in UTF-8: {error}") from error
    return pd.DataFrame(cells, columns=header, index=lines, dtype="str")


def _converted(cells: pd.Series, kind: Kind) -> pd.Series:
    if kind == "text":
        return cells
    if kind == "number":
        return pd.to_numeric(cells, errors="coerce").astype(np.float64)
    if kind == "flag":
        return cells.str.lower().map({"true": True, "false": False, "1": True, "0": False})
    moments = pd.to_datetime(cells, errors="coerce", utc=True, format="ISO8601")
    if kind == "moment":
        return moments.astype("datetime64[us, UTC]")
    days = moments.dt.tz_localize(None).astype("datetime64[us]")
    return days.where(days == days.dt.normalize())
