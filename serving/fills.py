"""Actual fills, given back by the user: realised against modelled credit."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.errors import DataError, UsageError
from features.home import Home
from serving.ledger import Fill, Ledger

__all__ = ["FILL_COLUMNS", "give_fill", "give_fills", "slippage_report"]

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
    stamp = _moment(filled_at)
    hundredths = round(credit * 100)
    if (
        quantity < 1
        or hundredths <= 0
        or abs(credit * 100 - hundredths) > 1e-6
        or hundredths % _TICK
    ):
        raise UsageError(
            f"a fill needs a positive quantity and a credit in steps of 0.05, got {quantity} at "
            f"{credit}. Give the net credit of one condor."
        )
    with Ledger.of(home) as ledger:
        modelled = _modelled(ledger, signal_id, book)
        text = f"{signal_id};{book};{stamp.isoformat()};{quantity};{hundredths}"
        fill = Fill(
            fill_id=hashlib.sha256(text.encode()).hexdigest()[:16],
            signal_id=signal_id,
            book=book,
            filled_at=stamp.isoformat(),
            quantity=quantity,
            credit=hundredths,
            modelled=modelled,
        )
        new = ledger.record_fill(fill, now=(now or pd.Timestamp.now(tz="UTC")).isoformat())
    return fill, new


def give_fills(home: Home, path: Path, *, now: pd.Timestamp | None = None) -> tuple[int, int]:
    """Record fills from a CSV with the columns of `FILL_COLUMNS`.

    Returns
    -------
    tuple of int
        New fills, and fills known before.

    Raises
    ------
    DataError
        If the file cannot be read or a line makes no sense; the lines before it stay recorded.
    """
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read fills from {path}: {error}. Expected a CSV file.") from error
    counts = [0, 0]
    for line, row in enumerate(rows, start=2):
        try:
            _, new = give_fill(
                home,
                signal_id=row["signal_id"],
                book=row["book"],
                filled_at=row["filled_at"],
                quantity=int(row["quantity"]),
                credit=float(row["credit"]),
                now=now,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{path} line {line}: {error}. Expected the columns {', '.join(FILL_COLUMNS)}."
            ) from error
        counts[0 if new else 1] += 1
    return counts[0], counts[1]


def slippage_report(fills: Sequence[Fill]) -> list[dict[str, Any]]:
    """Compare realised with modelled credit, by book.

    Parameters
    ----------
    fills : sequence of Fill

    Returns
    -------
    list of dict
        Contracts, mean credits in index points, and the share of the modelled mid credit that
        was given up: the number to put into ``serving.costs.slippage_share``.
    """
    table = []
    for book in sorted({fill.book for fill in fills}):
        own = [fill for fill in fills if fill.book == book and fill.modelled]
        if not own:
            continue
        weight = np.array([fill.quantity for fill in own], dtype=float)
        got = np.array([fill.credit for fill in own], dtype=float) / 100
        mid = np.array([fill.modelled or 0 for fill in own], dtype=float) / 100
        table.append(
            {
                "book": book,
                "fills": len(own),
                "contracts": int(weight.sum()),
                "modelled_mid": round(float(np.average(mid, weights=weight)), 4),
                "realised": round(float(np.average(got, weights=weight)), 4),
                "slippage_points": round(float(np.average(mid - got, weights=weight)), 4),
                "slippage_share": round(
                    float(np.average(mid - got, weights=weight) / np.average(mid, weights=weight)),
                    4,
                ),
            }
        )
    return table


def _modelled(ledger: Ledger, signal_id: str, book: str) -> int:
    for entry in ledger.entries("ticket"):
        body = entry.body
        if body["signal_id"] != signal_id:
            continue
        for condor in body["condors"]:
            if condor["book"] == book and condor["net_credit_mid"] is not None:
                return round(condor["net_credit_mid"] * 100)
        raise UsageError(
            f"ticket {signal_id} proposed no condor in {book}. Check the book of the fill."
        )
    raise UsageError(
        f"no recorded ticket has the id {signal_id}. Expected the `signal_id` of a ticket of this "
        "home."
    )


def _moment(text: str) -> pd.Timestamp:
    try:
        stamp = pd.Timestamp(text)
    except ValueError as error:
        raise UsageError(f"`filled_at` must be ISO 8601 with a zone, got {text!r}.") from error
    if pd.isna(stamp) or stamp.tzinfo is None:
        raise UsageError(f"`filled_at` must be ISO 8601 with a zone, got {text!r}.")
    return stamp.tz_convert("UTC")
