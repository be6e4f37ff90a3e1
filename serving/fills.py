"""Actual fills, given back by the user: realised against modelled credit calibrates slippage."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.errors import DataError, UsageError
from features.home import Home
from serving.ledger import Fill, Ledger
from serving.settings import CostSettings

__all__ = ["FILL_COLUMNS", "calibrated_costs", "give_fill", "give_fills", "slippage_report"]

FILL_COLUMNS = ("signal_id", "book", "filled_at", "quantity", "credit")
_TICK = 5


def give_fill(
    home: Home,
    *,
    signal_id: str,
    credit: float,
    quantity: int,
    filled_at: str,
    book: str = "condor_1dte",
    now: pd.Timestamp | None = None,
) -> tuple[Fill, bool]:
    """Record one fill of a ticket's condor.

    Parameters
    ----------
    home : Home
    signal_id : str
        Of the ticket.
    credit : float
        Net credit of one condor, index points, a multiple of 0.05.
    quantity : int
    filled_at : str
        ISO 8601 with a zone.
    book : str
        Book of the ticket whose condor was filled.
    now : pd.Timestamp, optional

    Returns
    -------
    tuple of Fill and bool
        The fill, and whether it is new: the same fill given twice is kept once.

    Raises
    ------
    UsageError
        If no ticket has that id, its book proposed no condor, or a value makes no sense.
    """
    stamp = now or pd.Timestamp.now(tz="UTC")
    told = {
        "signal_id": signal_id,
        "book": book,
        "filled_at": filled_at,
        "quantity": str(quantity),
        "credit": str(credit),
    }
    with Ledger.of(home) as ledger:
        fill = _checked(ledger, told, stamp)
        (new,) = ledger.record_fills([fill], now=stamp.isoformat())
    return fill, new


def give_fills(home: Home, path: Path, *, now: pd.Timestamp | None = None) -> tuple[int, int]:
    """Record fills from a CSV with the columns of `FILL_COLUMNS`: the whole file, or nothing.

    Returns
    -------
    tuple of int
        New fills, and fills known before.

    Raises
    ------
    DataError
        If the file cannot be read, lacks a column, or a line makes no sense.
    """
    stamp = now or pd.Timestamp.now(tz="UTC")
    try:
        reader = csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())
        rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read fills from {path}: {error}. Expected a CSV file.") from error
    missing = [name for name in FILL_COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise DataError(
            f"{path} lacks the columns {', '.join(missing)}. Expected {', '.join(FILL_COLUMNS)}."
        )
    fills = []
    with Ledger.of(home) as ledger:
        for line, row in enumerate(rows, start=2):
            try:
                fills.append(_checked(ledger, row, stamp))
            except UsageError as error:
                raise DataError(f"{path} line {line}: {error} Nothing was recorded.") from error
        new = ledger.record_fills(fills, now=stamp.isoformat()) if fills else []
    return sum(new), len(new) - sum(new)


def calibrated_costs(costs: CostSettings, fills: Sequence[Fill], book: str) -> CostSettings:
    """Move the slippage share of a book towards what its fills gave up.

    Parameters
    ----------
    costs : CostSettings
    fills : sequence of Fill
        Those known at the cut-off.
    book : str

    Returns
    -------
    CostSettings
        The share is the mean of the configured one, weighed as `slippage_prior` contracts, and
        of what each contract gave up of its modelled mid credit; never below zero.
    """
    own = [fill for fill in fills if fill.book == book and fill.modelled]
    if not own:
        return costs
    weight, mid, got = _columns(own)
    total = costs.slippage_prior * costs.slippage_share + float(weight @ ((mid - got) / mid))
    share = max(total / (costs.slippage_prior + float(weight.sum())), 0.0)
    return costs.model_copy(update={"slippage_share": share})


def slippage_report(fills: Sequence[Fill], costs: CostSettings) -> list[dict[str, Any]]:
    """Compare realised with modelled credit, by book.

    Parameters
    ----------
    fills : sequence of Fill
    costs : CostSettings
        The configured slippage.

    Returns
    -------
    list of dict
        Contracts, mean credits in index points, the share of the modelled mid credit that was
        given up, and the share that tickets use from here on.
    """
    table = []
    for book in sorted({fill.book for fill in fills}):
        own = [fill for fill in fills if fill.book == book and fill.modelled]
        if not own:
            continue
        weight, mid, got = _columns(own)
        table.append(
            {
                "book": book,
                "fills": len(own),
                "contracts": int(weight.sum()),
                "modelled_mid": round(float(np.average(mid, weights=weight)), 4),
                "realised": round(float(np.average(got, weights=weight)), 4),
                "slippage_points": round(float(np.average(mid - got, weights=weight)), 4),
                "slippage_share": round(float(np.average((mid - got) / mid, weights=weight)), 4),
                "configured_share": costs.slippage_share,
                "calibrated_share": round(calibrated_costs(costs, own, book).slippage_share, 4),
            }
        )
    return table


def _columns(fills: Sequence[Fill]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    weight = np.array([fill.quantity for fill in fills], dtype=float)
    mid = np.array([fill.modelled or 0 for fill in fills], dtype=float) / 100
    got = np.array([fill.credit for fill in fills], dtype=float) / 100
    return weight, mid, got


def _checked(ledger: Ledger, row: Mapping[str, Any], now: pd.Timestamp) -> Fill:
    """Turn one told fill into a fill of a recorded ticket, or refuse it."""
    quantity, credit = _number(row, "quantity"), _number(row, "credit")
    hundredths = round(credit * 100)
    if quantity < 1 or quantity != int(quantity):
        raise UsageError(f"`quantity` must be a whole number from 1, got {row['quantity']!r}.")
    if hundredths <= 0 or abs(credit * 100 - hundredths) > 1e-6 or hundredths % _TICK:
        raise UsageError(
            f"`credit` must be a positive multiple in steps of 0.05, got {row['credit']!r}. Give "
            "the net credit of one condor in index points."
        )
    filled = _moment(str(row["filled_at"]))
    signal, book = str(row["signal_id"]), str(row["book"])
    modelled, width, told = _proposed(ledger, signal, book)
    if not told <= filled <= now:
        raise UsageError(
            f"`filled_at` {filled.isoformat()} must lie between the ticket's cut-off "
            f"{told.isoformat()} and now. Check date and zone."
        )
    if hundredths >= 100 * width:
        raise UsageError(
            f"`credit` {credit:g} is not below the width of {width} points. Give the net credit of "
            "one condor in index points, not in dollars."
        )
    text = f"{signal};{book};{filled.isoformat()};{int(quantity)};{hundredths}"
    return Fill(
        fill_id=hashlib.sha256(text.encode()).hexdigest()[:16],
        signal_id=signal,
        book=book,
        filled_at=filled.isoformat(),
        quantity=int(quantity),
        credit=hundredths,
        modelled=modelled,
    )


def _proposed(ledger: Ledger, signal_id: str, book: str) -> tuple[int, int, pd.Timestamp]:
    """Modelled mid credit in hundredths, width in points, and cut-off of a ticket's condor."""
    entry = ledger.ticket(signal_id)
    if entry is None:
        raise UsageError(
            f"no recorded ticket has the id {signal_id}. Expected the `signal_id` of a ticket of "
            "this home."
        )
    body = entry.body
    for condor in body["condors"]:
        if condor["book"] == book and condor["net_credit_mid"] is not None:
            width = max(condor["W_put"], condor["W_call"])
            told = pd.Timestamp(body["asof"]["utc"])
            return round(condor["net_credit_mid"] * 100), width, told
    raise UsageError(
        f"ticket {signal_id} proposed no condor in {book}. Check the book of the fill."
    )


def _number(row: Mapping[str, Any], name: str) -> float:
    try:
        value = float(row[name])
    except (TypeError, ValueError) as error:
        raise UsageError(f"`{name}` must be a number, got {row[name]!r}.") from error
    if not np.isfinite(value):
        raise UsageError(f"`{name}` must be a number, got {row[name]!r}.")
    return value


def _moment(text: str) -> pd.Timestamp:
    try:
        stamp = pd.Timestamp(text)
    except ValueError as error:
        raise UsageError(f"`filled_at` must be ISO 8601 with a zone, got {text!r}.") from error
    if pd.isna(stamp) or stamp.tzinfo is None:
        raise UsageError(f"`filled_at` must be ISO 8601 with a zone, got {text!r}.")
    return stamp.tz_convert("UTC")
