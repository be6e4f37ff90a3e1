"""Every listed strike of one expiry, marked at once; what the strike searches read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from features.errors import DataError
from features.sessions import calendar
from serving.pricing import black76
from serving.smile import SESSIONS_PER_YEAR, Marks, VolInputs, spx_vol
from serving.smile_level import atm_source, atm_vol
from serving.smile_marks import mark_spx

__all__ = ["Chain", "QuoteBand", "mark_chain", "weekly_expiry"]

Array = NDArray[np.float64]

_REACH_DEVIATIONS = 12.0  # strikes beyond twelve deviations are worth nothing


@dataclass(frozen=True)
class QuoteBand:
    """Bids and asks of a quoted chain, by strike, index points."""

    put_bid: Array
    put_ask: Array
    call_bid: Array
    call_ask: Array


@dataclass(frozen=True)
class Chain:
    """Marks of one expiry on the strike grid.

    Attributes
    ----------
    expiry : date
    spot, forward : float
        Index points.
    sessions : float
        Exchange sessions from the fill to the expiry.
    discount : float
    inputs : VolInputs
        What the smile read.
    strikes : NDArray[np.int64]
        Rising, `step` apart.
    vol, put, call : Array
        Implied volatility and prices in index points.
    source : str
        What the marks rest on: ``smile: <indices>`` or ``quotes``.
    band : QuoteBand or None
        Bids and asks where the marks are quotes.
    """

    expiry: date
    spot: float
    forward: float
    sessions: float
    discount: float
    inputs: VolInputs
    strikes: NDArray[np.int64]
    vol: Array
    put: Array
    call: Array
    source: str
    band: QuoteBand | None = None

    @property
    def step(self) -> int:
        """Points between listed strikes."""
        return int(self.strikes[1] - self.strikes[0])

    @cached_property
    def put_delta(self) -> Array:
        """Absolute undiscounted Black-76 delta of the puts."""
        return np.asarray(1.0 - self.call_delta)

    @cached_property
    def call_delta(self) -> Array:
        """Undiscounted Black-76 delta of the calls."""
        deviation = self.vol * np.sqrt(self.sessions / SESSIONS_PER_YEAR)
        return np.asarray(ndtr(np.log(self.forward / self.strikes) / deviation + deviation / 2))

    @cached_property
    def cdf(self) -> Array:
        """Market probability of a settlement at or below each strike.

        Notes
        -----
        Breeden and Litzenberger (1978): the slope of the put price in the strike, over the
        discount; clipped and made monotone, for a quadratic smile is not free of arbitrage far
        in its wings.
        """
        slope = np.gradient(self.put, float(self.step)) / self.discount
        return np.maximum.accumulate(np.clip(slope, 0.0, 1.0))

    def position(self, strike: int) -> int:
        """Index of a listed strike.

        Raises
        ------
        DataError
            If the strike is not listed.
        """
        place = (strike - int(self.strikes[0])) // self.step
        if not 0 <= place < len(self.strikes) or int(self.strikes[place]) != strike:
            raise DataError(
                f"strike {strike} is not among the marked strikes {self.strikes[0]} to "
                f"{self.strikes[-1]}. Check spot and strike of the position."
            )
        return int(place)

    def probability_below(self, level: float) -> float:
        """Market probability of a settlement at or below any level."""
        return float(np.interp(level, self.strikes, self.cdf, left=0.0, right=1.0))

    def credit(self, put_short: int, call_short: int, width_put: int, width_call: int) -> float:
        """Mid credit of a condor, index points."""
        p, c = self.position(put_short), self.position(call_short)
        pl, cl = self.position(put_short - width_put), self.position(call_short + width_call)
        return float(self.put[p] - self.put[pl] + self.call[c] - self.call[cl])

    def credit_band(
        self, put_short: int, call_short: int, width_put: int, width_call: int
    ) -> tuple[float, float]:
        """Credit of the same condor at the low and the high end of the marks' band."""
        strikes = np.array([put_short - width_put, put_short, call_short, call_short + width_call])
        return self.package_band(self.marks(strikes, call=np.array([False, False, True, True])))

    def package_band(self, marks: Marks) -> tuple[float, float]:
        """Credit of a condor at the ends of its legs' band, the legs from the lowest strike."""
        sign = np.array([-1.0, 1.0, 1.0, -1.0])
        if self.band is not None:
            # what selling at the bids and buying at the asks brings, and the reverse
            low = np.where(sign > 0, marks.low, marks.high)
            high = np.where(sign > 0, marks.high, marks.low)
            return float(sign @ low), float(sign @ high)
        ends = sorted((float(sign @ marks.low), float(sign @ marks.high)))
        return ends[0], ends[1]

    def marks(self, strikes: NDArray[np.int64], *, call: NDArray[np.bool_]) -> Marks:
        """Mark single options: mid, the ends of the band, volatility and source.

        Raises
        ------
        DataError
            If a strike is not listed.
        """
        places = [self.position(int(strike)) for strike in strikes]
        if self.band is None:
            found = mark_spx(
                strikes, self.forward, self.sessions, self.inputs, call=call, discount=self.discount
            )
            low, high = found.low, found.high
        else:
            own = self.band
            low = np.where(call, own.call_bid[places], own.put_bid[places])
            high = np.where(call, own.call_ask[places], own.put_ask[places])
        return Marks(
            mid=np.where(call, self.call[places], self.put[places]),
            low=low,
            high=high,
            vol=self.vol[places],
            source=np.full(len(places), "smile" if self.band is None else "quotes"),
        )


def mark_chain(
    *,
    expiry: date,
    spot: float,
    sessions: float,
    inputs: VolInputs,
    rate: float,
    step: int,
    reach: float,
    margin: int = 0,
) -> Chain:
    """Mark every strike around the forward from the smile.

    Parameters
    ----------
    expiry : date
    spot : float
        Index points. The forward is the spot carried at `rate` (dividends ignored: half a
        point at one session, below the strike step at 45 days).
    sessions : float
        Exchange sessions from the fill to the expiry, positive.
    inputs : VolInputs
        Index levels known at the moment of the mark.
    rate : float
        Continuously compounded, a year of 252 sessions.
    step : int
        Points between listed strikes.
    reach : float
        Strikes end at this share of the spot on either side, or earlier where they are
        worthless.
    margin : int
        Points kept beyond that on either side, for wings.

    Returns
    -------
    Chain
    """
    years = sessions / SESSIONS_PER_YEAR
    forward = spot * float(np.exp(rate * years))
    level = atm_vol(inputs, sessions)
    share = min(reach, _REACH_DEVIATIONS * float(level) * float(np.sqrt(years)))
    low = int(np.floor((spot * (1 - share) - margin) / step)) * step
    high = int(np.ceil((spot * (1 + share) + margin) / step)) * step
    strikes = np.arange(max(low, step), high + step, step, dtype=np.int64)
    vol = spx_vol(strikes, forward, sessions, inputs, level=level)
    discount = float(np.exp(-rate * years))
    put = black76(forward, strikes, years, vol, call=False, discount=discount)
    call = put + discount * (forward - strikes)
    return Chain(
        expiry=expiry,
        spot=spot,
        forward=forward,
        sessions=sessions,
        discount=discount,
        inputs=inputs,
        strikes=strikes,
        vol=vol,
        put=put,
        call=np.maximum(call, 0.0),
        source=f"smile: {atm_source(inputs, sessions)}",
    )


@lru_cache(maxsize=4096)
def weekly_expiry(day: pd.Timestamp, target: int, limits: tuple[int, int]) -> pd.Timestamp:
    """Give the weekly expiry nearest to a target: Friday, or the session before when closed.

    Parameters
    ----------
    day : pd.Timestamp
        Session of the fill.
    target : int
        Calendar days aimed at.
    limits : tuple of int
        Calendar days allowed.
    """
    days = calendar()
    best: pd.Timestamp | None = None
    first = limits[0] + (4 - day.weekday() - limits[0]) % 7
    for dte in range(first, limits[1] + 1, 7):
        expiry = days.previous(day + pd.Timedelta(days=dte + 1))
        if best is None or abs((expiry - day).days - target) < abs((best - day).days - target):
            best = expiry
    if best is None:
        return days.previous(day + pd.Timedelta(days=target + 1))
    return best.as_unit("us")
