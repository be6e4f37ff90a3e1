"""Where the money came from: years, VIX bands, event sessions, deciding rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from features.bands import BAND_NAMES, band_index
from training.backtest.accounts import BOOKS
from training.backtest.engine import Replay
from training.backtest.measures import book_returns
from training.backtest.states import Tape

__all__ = ["by_rule", "shifted", "strata"]

_EVENTS = ("FOMC", "CPI", "PPI", "NFP")


def strata(result: Replay, tape: Tape, events: pd.DataFrame) -> dict[str, Any]:
    """Split a replay's profit by book.

    Parameters
    ----------
    result : Replay
        One replay.
    tape : Tape
        Its market.
    events : pd.DataFrame
        Columns `date`, `event`: sessions with a release.

    Returns
    -------
    dict
        `year`, `vix_band` (of the evening before), `event` (sessions with such a release, and
        those with none), `event_window` (one session before to one after); each label to number
        of `sessions`, cents by book, and `pct`: by book the sum of daily profits, each in percent
        of the equity before it.
    """
    daily = result.daily
    sessions = pd.DatetimeIndex(daily.index)
    vix = tape.market.frame["vix"].shift().reindex(sessions).to_numpy(dtype=float)
    band = band_index(vix)
    names = [BAND_NAMES[i] if i >= 0 else "unknown" for i in band]
    out: dict[str, Any] = {
        "year": _sums(daily, np.asarray(sessions.year.astype(str))),
        "vix_band": _sums(daily, np.asarray(names)),
        "event": {},
        "event_window": {},
    }
    any_event = np.zeros(len(daily), dtype=bool)
    for name in _EVENTS:
        inside = sessions.isin(pd.DatetimeIndex(events.loc[events["event"] == name, "date"]))
        any_event |= inside
        out["event"][name] = _row(daily[inside])
        near = np.convolve(inside, [1, 1, 1], mode="same") > 0
        out["event_window"][name] = _row(daily[near])
    out["event"]["none"] = _row(daily[~any_event])
    return out


def by_rule(result: Replay) -> dict[str, dict[str, int]]:
    """Sum cash by the policy row that opened the position or sent the order.

    Returns
    -------
    dict
        Rule id to `trades` and `cents`: exact for condors that were opened and closed in the span.
    """
    trades = result.trades[result.trades["what"] != "interest"]
    rule = trades["rule"].str.split(":").str[0]
    grouped = trades.groupby(rule)["cents"].agg(["size", "sum"]).sort_index()
    return {
        str(name): {"trades": int(row["size"]), "cents": int(row["sum"])}
        for name, row in grouped.iterrows()
    }


def shifted(result: Replay) -> dict[str, int]:
    """Count the rolls of a replay, and sum what the chains of rolled condors came to.

    Returns
    -------
    dict
        `rolls`, `chains`, `chains_cents` (all trades of the rolled condors, the last one
        included), `first_loss_cents` (what closing the first package of each chain lost).
    """
    own = result.trades[result.trades["book"] == "condor_1dte"]
    chain = own["position"].str.rstrip("+")
    closed = own["rule"].str.endswith(":TIME_SHIFT")
    inside = chain.isin(chain[closed])
    first = inside & ~own["position"].str.endswith("+")
    return {
        "rolls": int(closed.sum()),
        "chains": int(chain[closed].nunique()),
        "chains_cents": int(own.loc[inside, "cents"].sum()),
        "first_loss_cents": int(own.loc[first, "cents"].sum()),
    }


def _sums(daily: pd.DataFrame, labels: np.ndarray) -> dict[str, Any]:
    return {str(label): _row(daily[labels == label]) for label in sorted(set(labels))}


def _row(daily: pd.DataFrame) -> dict[str, Any]:
    pct = {book: round(float(book_returns(daily, [book]).sum()) * 100, 3) for book in BOOKS}
    return {"sessions": len(daily), **{book: int(daily[book].sum()) for book in BOOKS}, "pct": pct}
