"""VXTH: the S&P 500 with dividends and a small, ruled budget of one-month VIX calls."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import DataError
from serving.vix_smile import VIX_DEFAULT, VixParameters, mark_vix, vix_strike_for_delta
from training.backtest.expiries import month_ends, vix_expiries
from training.backtest.market import Market

__all__ = ["FIRST_SESSION", "call_weight", "vxth_returns"]

Array = NDArray[np.float64]

FIRST_SESSION = pd.Timestamp("2007-01-01")  # VVIX is implausible on days of 2006
DELTA = 0.30


def call_weight(forward_vix: Array) -> Array:
    """Give the share of the index put into calls: 0, 1, 0.5 or 0 % by one-month forward VIX.

    Notes
    -----
    Cboe's bands: up to 15, up to 30, up to 50, above. They were set in 2011, with hindsight.
    """
    x = np.asarray(forward_vix, dtype=float)
    return np.select([x <= 15, x <= 30, x <= 50], [0.0, 0.01, 0.005], 0.0)


def vxth_returns(
    market: Market, *, band: float = 0.0, parameters: VixParameters = VIX_DEFAULT
) -> pd.Series:
    """Run VXTH's rule and give its monthly returns.

    Parameters
    ----------
    market : Market
        Daily history with VIX futures and VVIX.
    band : float
        -1, 0 or +1: end of the VIX option surface's uncertainty for every mark.
    parameters : VixParameters
        The surface.

    Returns
    -------
    pd.Series
        Fraction per month, index month (Period).

    Raises
    ------
    DataError
        If a roll lacks the next contract's settlement, or VVIX.

    Notes
    -----
    At each VIX expiry the old calls settle at the final settlement; new ones are bought at that
    day's settlement marks, 30-delta on the future that expires with them, and held. A contract
    whose final settlement is not stored settles at that session's VIX opening.
    """
    sessions = market.sessions
    first = max(sessions[0], FIRST_SESSION)
    rolls = vix_expiries(first, sessions[-1])
    at = sessions.get_indexer(rolls)
    if len(at) < 3:
        raise DataError(
            f"only {len(at)} VIX expiries from {first.date()} to {sessions[-1].date()}; VXTH needs "
            "at least 3. Choose a longer span after 2006."
        )
    now, following = at[:-1], at[1:]
    market.require(at, ("close", "vvix", "rate", "dividend"), "at a VIX expiry")
    future = _settles(market, rolls[:-1], rolls[1:])
    final = _final(market, rolls[1:])
    days = (rolls[1:] - rolls[:-1]).days.to_numpy().astype(float)
    vvix, rate = market.column("vvix")[now], market.column("rate")[now]
    strike = vix_strike_for_delta(DELTA, future, days, vvix, band=band, parameters=parameters)
    price = _price(strike, future, days, vvix, rate, band, parameters)
    weight = call_weight(future)
    ends = month_ends(sessions)
    mark = ends[np.searchsorted(ends, now)]
    left = (rolls[1:] - sessions[mark]).days.to_numpy().astype(float)
    at_mark = _settles(market, sessions[mark], rolls[1:])
    market.require(mark, ("close", "vvix"), "at a month end")
    marked = _price(strike, at_mark, left, market.column("vvix")[mark], rate, band, parameters)
    stock_mark = _stock(market, now, mark)
    stock_next = _stock(market, now, following)
    to_mark = (1 - weight) * stock_mark + weight * marked / price
    to_next = (1 - weight) * stock_next + weight * np.maximum(final - strike, 0.0) / price
    gross = to_mark[1:] * to_next[:-1] / to_mark[:-1]
    return pd.Series(gross - 1, index=sessions[mark[1:]].to_period("M"), name="vxth")


def _price(
    strike: Array,
    future: Array,
    days: Array,
    vvix: Array,
    rate: Array,
    band: float,
    parameters: VixParameters,
) -> Array:
    marks = mark_vix(
        strike, future, days, vvix, discount=np.exp(-rate * days / 365), parameters=parameters
    )
    return {-1.0: marks.low, 0.0: marks.mid, 1.0: marks.high}[float(band)]


def _stock(market: Market, start: NDArray[np.intp], end: NDArray[np.intp]) -> Array:
    close, dividend = market.column("close"), market.column("dividend")
    day = market.sessions.to_numpy().astype("datetime64[D]").astype(np.int64)
    held = (day[end] - day[start]) / 365
    return np.asarray(close[end] / close[start] + np.expm1(dividend[start] * held))


def _final(market: Market, expiries: pd.DatetimeIndex) -> Array:
    """Give final settlements; a contract without one settles at that session's VIX opening."""
    rows = market.futures[market.futures["is_final_settlement"] == 1]
    book = rows.set_index("expiry")["settle"]
    at = market.sessions.get_indexer(expiries)
    found = book.reindex(expiries).to_numpy(dtype=float)
    opening = market.column("vix_open")[at]
    settled = np.where(np.isnan(found), opening, found)
    if np.isnan(settled).any():
        which = expiries[int(np.flatnonzero(np.isnan(settled))[0])].date()
        raise DataError(
            f"neither a final settlement nor a VIX opening on {which}. The replication stops at a "
            "gap: import one, or choose a span that ends before it."
        )
    return settled


def _settles(market: Market, dates: pd.DatetimeIndex, expiries: pd.DatetimeIndex) -> Array:
    rows = market.futures[market.futures["is_final_settlement"] == 0]
    book = rows.set_index(["date", "expiry"])["settle"]
    found = book.reindex(pd.MultiIndex.from_arrays([dates, expiries])).to_numpy(dtype=float)
    if np.isnan(found).any():
        which = int(np.flatnonzero(np.isnan(found))[0])
        raise DataError(
            f"no settlement of the VIX future of {expiries[which].date()} on "
            f"{dates[which].date()}. The replication stops at a gap: import it, or choose a span "
            "that ends before it."
        )
    return found
