"""Strict readers of what providers send, and the windows of paged requests."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from features.sources.fetchers.http import AnswerError

__all__ = ["csv_rows", "dates", "numbers", "records", "settled_once", "stamps", "windows"]

HOUR = pd.Timedelta(hours=1)


def csv_rows(
    text: str, columns: Sequence[str], *, what: str, begins: str | None = None
) -> pd.DataFrame:
    """Read a CSV document that must have `columns`.

    Parameters
    ----------
    text : str
        The document.
    columns : sequence of str
        Columns that must be there; further ones are dropped.
    what : str
        Name for messages.
    begins : str, optional
        Start of the header line, where a disclaimer may stand above it.

    Returns
    -------
    DataFrame
        Texts, NaN where a cell is empty.

    Raises
    ------
    AnswerError
        If the header is another, there is no row, or the last line is cut.
    """
    lines = text.splitlines()
    if begins is not None:
        top = next((i for i, line in enumerate(lines) if line.startswith(begins)), None)
        lines = lines[top:] if top is not None else lines
    header = [name.strip() for name in lines[0].split(",")] if lines else []
    missing = [name for name in columns if name not in header]
    if missing:
        raise AnswerError(
            f"{what} has no column {', '.join(missing)}. Expected {', '.join(columns)}, got "
            f"{', '.join(header[:12]) or 'nothing'}; the provider may have renamed it."
        )
    filled = [line for line in lines[1:] if line.strip()]
    if not filled:
        raise AnswerError(f"{what} has no rows. Expected its history; try again later.")
    short = filled[-1].count(",") < lines[0].rstrip(",").count(",")
    if short:
        raise AnswerError(
            f"the last line of {what} is cut: {filled[-1]!r}. Expected {len(header)} cells; the "
            "answer is not whole, try again."
        )
    try:
        frame = pd.read_csv(
            io.StringIO("\n".join([lines[0].rstrip(","), *(line.rstrip(",") for line in filled)])),
            dtype=str,
            keep_default_na=False,
            na_values=[""],
            skipinitialspace=True,
            index_col=False,
        )
    except pd.errors.ParserError as error:
        raise AnswerError(f"{what} is no regular CSV: {error}. Try again later.") from error
    frame.columns = [str(name).strip() for name in frame.columns]
    return frame[list(columns)]


def dates(values: pd.Series[Any], form: str, *, what: str) -> pd.Series[Any]:
    """Read dates of one form.

    Raises
    ------
    AnswerError
        If one of them is of another form.
    """
    read = pd.to_datetime(values, format=form, errors="coerce").astype("datetime64[us]")
    bad = values[read.isna()]
    if len(bad):
        raise AnswerError(
            f"{what} has {str(bad.iloc[0])!r} for a date. Expected the form {form}; the provider "
            "may have changed it."
        )
    return read


def numbers(
    values: pd.Series[Any], *, what: str, empty: Sequence[str] = ("", ".")
) -> pd.Series[float]:
    """Read numbers; texts in `empty` and missing cells are NaN.

    Raises
    ------
    AnswerError
        If a cell is neither.
    """
    read = pd.to_numeric(values, errors="coerce").astype(np.float64)
    said = values.notna() & ~values.astype("str").str.strip().isin(empty)
    bad = values[(read.isna() | np.isinf(read)) & said]
    if len(bad):
        raise AnswerError(
            f"{what} has {str(bad.iloc[0])!r} where a number was expected. Nothing is guessed; "
            "look at the answer."
        )
    return read


def records(rows: Any, names: Sequence[str], *, what: str) -> pd.DataFrame:
    """Turn a list of objects or of arrays into a frame with `names`.

    Raises
    ------
    AnswerError
        If `rows` is no list, or a row lacks one of the names.
    """
    if not isinstance(rows, list):
        raise AnswerError(f"{what} must be a list, got {type(rows).__name__}.")
    taken = []
    for row in rows:
        if isinstance(row, Mapping):
            missing = [name for name in names if name not in row]
            if missing:
                raise AnswerError(
                    f"a row of {what} has no {', '.join(missing)}. Expected {', '.join(names)}, "
                    f"got {', '.join(map(str, row))}; the provider may have renamed it."
                )
            taken.append([row[name] for name in names])
        elif isinstance(row, list) and len(row) >= len(names):
            taken.append(row[: len(names)])
        else:
            raise AnswerError(f"a row of {what} must have {len(names)} fields, got {row!r:.120}.")
    return pd.DataFrame(taken, columns=list(names), dtype=object)


def stamps(values: pd.Series[Any], unit: str, *, what: str) -> pd.Series[Any]:
    """Read epoch times of a stated unit as UTC moments of unit "us".

    Raises
    ------
    AnswerError
        If a value is no whole number or lies outside 2010 to 2100.
    """
    read = numbers(values, what=what, empty=())
    scale = {"s": 1e6, "ms": 1e3}[unit]
    micros = read * scale
    if micros.isna().any() or ((micros < 1.262e15) | (micros > 4.102e15)).any():
        raise AnswerError(f"{what} has a time outside 2010 to 2100. Expected epoch {unit}.")
    moments = pd.to_datetime(micros.astype(np.int64), unit="us", utc=True)
    return moments.astype("datetime64[us, UTC]")


def settled_once(frame: pd.DataFrame, key: Sequence[str], *, what: str) -> pd.DataFrame:
    """Sort by key and drop rows that came twice with the same values.

    Raises
    ------
    AnswerError
        If a key came with two different values: one of the pages is wrong.
    """
    whole = frame.drop_duplicates().sort_values(list(key), ignore_index=True)
    twice = whole.duplicated(list(key), keep=False)
    if twice.any():
        row = whole.loc[twice, list(key)].iloc[0]
        said = ", ".join(f"{name} {value}" for name, value in row.items())
        raise AnswerError(
            f"{what} came twice with different values ({said}). Expected one; try again later."
        )
    return whole


def windows(
    start: pd.Timestamp, end: pd.Timestamp, hours: int
) -> Iterator[tuple[pd.Timestamp, pd.Timestamp]]:
    """Cut ``[start, end)`` into windows of `hours`, the last one shorter."""
    step = hours * HOUR
    while start < end:
        yield start, min(start + step, end)
        start += step
