"""What a replay reads from the store: one row a session, nothing filled but what says its age."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import DataError
from features.sessions import calendar
from features.store import MarketStore
from serving.smile import VolInputs

__all__ = ["Market", "load_market", "spy_gap"]

Array = NDArray[np.float64]

SKEW_MAX_AGE = 21  # sessions: a thirty-day skewness may be this old; no price ever is
RATE_MAX_AGE = 10
BILL_UNDER_FUNDS_PCT = 0.35  # bills before 2000: the funds rate less its usual gap in the 1990s
_VOL_SYMBOLS = ("vix", "vix1d", "vix9d", "vix3m", "vix6m", "vvix", "skew")


@dataclass(frozen=True)
class Market:
    """Market history over exchange sessions.

    Attributes
    ----------
    frame : pd.DataFrame
        Index `session` (tz-naive). SPX `open high low close`, volatility index closes and
        `vix_open` in index points, NaN where unknown; `spy_gap`, the log gap of SPY's opening;
        `skew` at most `SKEW_MAX_AGE` sessions old; `rate` (bills) and `dividend` (yield),
        fractions a year, as known that evening.
    futures : pd.DataFrame
        VIX futures: date, expiry, settle, is_final_settlement.
    """

    frame: pd.DataFrame
    futures: pd.DataFrame

    @cached_property
    def sessions(self) -> pd.DatetimeIndex:
        """The sessions of the frame."""
        return pd.DatetimeIndex(self.frame.index)

    def column(self, name: str) -> Array:
        """Give one column as floats."""
        return self.frame[name].to_numpy(dtype=float)

    def inputs(self, at: NDArray[np.intp], *, vix: Array | None = None) -> VolInputs:
        """Give the smile's inputs at the closes of the sessions at these positions."""
        taken = {name: self.column(name)[at] for name in ("vix1d", "vix9d", "vix3m", "vix6m")}
        return VolInputs.of(
            vix=self.column("vix")[at] if vix is None else vix,
            skew=self.column("skew")[at],
            **taken,
        )

    def require(self, at: NDArray[np.intp], names: tuple[str, ...], purpose: str) -> None:
        """Refuse when a value is missing, naming session and column."""
        for name in names:
            gaps = at[np.isnan(self.column(name)[at])]
            if gaps.size:
                day = self.sessions[gaps[0]].date()
                raise DataError(
                    f"no `{name}` on {day}, needed {purpose} ({gaps.size} such sessions). "
                    "A replay never trades on carried-forward marks: import the value, or choose "
                    "a span that ends before it."
                )


def load_market(
    store: MarketStore, *, start: Any = None, end: Any = None, as_of: pd.Timestamp | None = None
) -> Market:
    """Read the market history of a span.

    Parameters
    ----------
    store : MarketStore
        The market store.
    start, end : date-like, optional
        First and last session; default all sessions with an SPX close.
    as_of : pd.Timestamp, optional
        Read the store as it was known then.

    Returns
    -------
    Market

    Raises
    ------
    DataError
        If the store has no SPX bars or no VIX in the span.

    Notes
    -----
    Timing: prices stand on the session they speak about; `rate` and `dividend` at a session are
    the newest with ``available_at`` up to that session's close.
    """
    snapshot = store.snapshot()
    bars = snapshot.read("spx_bars", as_of=as_of, start=start, end=end).set_index("date")
    if bars.empty:
        raise DataError(
            "the store has no SPX bars in the span. Import a folder with spx_ohlcv.csv."
        )
    sessions = calendar().sessions(bars.index[0], bars.index[-1])
    frame = bars[["open", "high", "low", "close"]].reindex(sessions)
    vols = snapshot.read("vol_indices", as_of=as_of, start=start, end=end)
    closes = vols.pivot_table(index="date", columns="symbol", values="close")
    for name in _VOL_SYMBOLS:
        frame[name] = closes[name].reindex(sessions) if name in closes else np.nan
    if frame["vix"].isna().all():
        raise DataError("the store has no VIX in the span. Import the Cboe closes.")
    opens = vols[vols["symbol"] == "vix"].set_index("date")["open"]
    frame["vix_open"] = opens.reindex(sessions)
    frame["spy_gap"] = spy_gap(
        snapshot.read("spy_bars", as_of=as_of, start=start, end=end), sessions
    )
    frame["skew"] = frame["skew"].ffill(limit=SKEW_MAX_AGE)
    close_utc = calendar().close_utc(sessions)
    frame["rate"] = _bill_rate(snapshot, close_utc, as_of)
    frame["dividend"] = _dividend_rate(snapshot, close_utc, as_of) / frame["close"]
    frame.index.name = "session"
    futures = snapshot.read("vix_futures", as_of=as_of, start=start, end=end)
    keep = ["date", "expiry", "is_monthly", "is_final_settlement", "open", "settle"]
    return Market(frame=frame.astype(float), futures=futures[keep])


def spy_gap(bars: pd.DataFrame, sessions: pd.DatetimeIndex) -> pd.Series:
    """Give SPY's log opening over its close of the session before, the dividend added back.

    Parameters
    ----------
    bars : pd.DataFrame
        Columns `date`, `open`, `close`, `adjusted_close`, dollars.
    sessions : pd.DatetimeIndex
        Sessions asked for; NaN where SPY is unknown there or on the session before.

    Notes
    -----
    SPY's ex-days fall on the sessions of quarterly expiries, and the index has none.
    """
    known = bars.set_index("date").reindex(sessions)
    paid = known["adjusted_close"] / known["close"]
    ratio = known["open"] / known["close"].shift() * (paid / paid.shift())
    return pd.Series(np.log(ratio.to_numpy(dtype=float)), index=sessions)


def _bill_rate(store: MarketStore, cutoffs: pd.DatetimeIndex, as_of: pd.Timestamp | None) -> Array:
    rates = store.read("rates", as_of=as_of, where={"series": ["irx", "dff"]})
    bills = _latest(rates[rates["series"] == "irx"], "value_pct", cutoffs)
    funds = _latest(rates[rates["series"] == "dff"], "value_pct", cutoffs) - BILL_UNDER_FUNDS_PCT
    return np.where(np.isnan(bills), np.maximum(funds, 0.0), bills) / 100


def _dividend_rate(
    store: MarketStore, cutoffs: pd.DatetimeIndex, as_of: pd.Timestamp | None
) -> Array:
    rows = store.read("valuation", as_of=as_of, where={"series": "dividend"})
    paid = _latest(rows, "value", cutoffs, max_age_days=None)
    if np.isnan(paid).all():
        raise DataError(
            "no S&P 500 dividend rate is known (valuation series `dividend`), and the forward "
            "needs it. Import shiller_sp500_monthly.csv."
        )
    return paid


def _latest(
    rows: pd.DataFrame,
    value: str,
    cutoffs: pd.DatetimeIndex,
    *,
    max_age_days: int | None = RATE_MAX_AGE * 7 // 5,
) -> Array:
    known = rows[["available_at", value]].dropna().sort_values("available_at")
    wanted = pd.DataFrame({"cutoff": cutoffs})
    tolerance = None if max_age_days is None else pd.Timedelta(days=max_age_days)
    joined = pd.merge_asof(
        wanted, known, left_on="cutoff", right_on="available_at", tolerance=tolerance
    )
    return joined[value].to_numpy(dtype=float)
