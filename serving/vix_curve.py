"""VIX option expiries and the future that each is priced on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from features.sessions import calendar
from features.sources.expiries import monthly_expiries
from serving.state import MarketState

__all__ = ["VixCurve", "curve_of", "listed_expiries", "nearest_expiry"]


@dataclass(frozen=True)
class VixCurve:
    """VIX futures by calendar days from the fill, with the index at day zero.

    Attributes
    ----------
    today : pd.Timestamp
        Session of the fill.
    days, level : tuple of float
        Rising days, and the price there.
    expiries : tuple of pd.Timestamp
        Expiries that are settled futures; others are interpolated.
    source : str
    """

    today: pd.Timestamp
    days: tuple[float, ...]
    level: tuple[float, ...]
    expiries: tuple[pd.Timestamp, ...]
    source: str

    def at(self, days: float) -> float:
        """Price at any day count: linear between points, flat beyond the last."""
        return float(np.interp(days, self.days, self.level))

    def forward(self, expiry: pd.Timestamp) -> tuple[float, str]:
        """Price of the future that expires with an option, and where it comes from."""
        price = self.at((expiry - self.today).days)
        if expiry in self.expiries:
            return price, self.source
        beyond = (expiry - self.today).days > self.days[-1]
        return price, f"{self.source}, {'flat beyond the last' if beyond else 'interpolated'}"


def curve_of(state: MarketState) -> VixCurve:
    """Build the curve from settled futures, else from the VIX family.

    Parameters
    ----------
    state : MarketState

    Returns
    -------
    VixCurve
        Without futures the points are forward-start 30-day volatilities out of VIX, VIX3M and
        VIX6M (variances are additive); an upper bound, for convexity is left out, and flagged.
    """
    today = state.ticket_session
    if state.futures:
        ahead = [f for f in state.futures if f.expiry > today]
        days = [0.0, *(float((f.expiry - today).days) for f in ahead)]
        level = [state.vix, *(f.settle for f in ahead)]
        expiries = tuple(f.expiry for f in ahead)
        if ahead:
            return VixCurve(today, tuple(days), tuple(level), expiries, "VX settlement")
    days, level = [0.0], [state.vix]
    before_days, before = 30.0, state.vix**2 * 30
    for tenor, quote in ((93.0, state.vix3m), (184.0, state.vix6m)):
        if quote is None:
            continue
        total = quote**2 * tenor
        forward = max(total - before, 0.0) / (tenor - before_days)
        days.append((before_days + tenor) / 2 - 15.0)
        level.append(float(np.sqrt(forward)))
        before_days, before = tenor, total
    return VixCurve(today, tuple(days), tuple(level), (), "VIX family, upper bound")


@lru_cache(maxsize=8192)
def listed_expiries(today: pd.Timestamp, *, months: int = 10) -> tuple[pd.Timestamp, ...]:
    """List the next monthly VIX expiries after `today`."""
    expiries = _all_expiries()
    first = int(expiries.searchsorted(today, side="right"))
    return tuple(expiries[first : first + months])


@lru_cache(maxsize=8192)
def nearest_expiry(today: pd.Timestamp, days: int) -> pd.Timestamp:
    """Give the listed expiry nearest to so many calendar days, the earlier one in a tie."""
    listed = listed_expiries(today)
    off = [abs(ahead - days) for ahead in _days_ahead(today)]
    return listed[off.index(min(off))]


@lru_cache(maxsize=8192)
def _days_ahead(today: pd.Timestamp) -> tuple[int, ...]:
    return tuple((expiry - today).days for expiry in listed_expiries(today))


@lru_cache(maxsize=1)
def _all_expiries() -> pd.DatetimeIndex:
    return monthly_expiries(calendar().sessions())
