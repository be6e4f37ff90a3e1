"""Where the index and the VIX stood at the special opening and at the roll, from daily bars."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.backtest.market import Market

__all__ = ["ROLL_DEFAULT", "RollParameters", "RollPoints", "roll_points"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RollParameters:
    """Numbers of the opening's and the roll's estimate; fixed on data to 2007 and held afterwards.

    The opening is SPY's where it is known, since that is a price. Elsewhere: published SPX opens
    before 2007 repeat the previous close and until about 2017 show a fifth of the gap (most stocks
    have not opened at the first print), but the VIX opens on the new news. So the gap is read from
    the VIX's own gap, helped by the published one scaled up to it once they move together, until
    published opens carry a real one.
    """

    beta: float = 0.10  # log move of SPX per log move of the VIX, at VIX 20; grows with the VIX
    close_weight: float = 0.20  # of what the VIX gap does not say, taken towards the close
    roll_weight: float = 0.30  # of the way from opening to close, about 11:00 New York
    range_weight: float = 0.4  # of the middle of the day's range in the level at the roll
    vix_weight: float = 0.35  # of the VIX's way from opening to close
    print_weight: float = 0.30  # of a published gap that is attenuated but not empty
    print_correlation: float = 0.40  # with the VIX gap over the window, to count as not empty
    real_open_ratio: float = (
        0.30  # published gaps are real once sd(gap) / sd(close-to-close) is above
    )
    real_open_window: int = 252
    # standard errors in daily implied moves, measured on SPY's openings and not on index levels
    opening_error: float = 0.28  # of an inferred opening
    roll_error: float = 0.30  # of the way from the opening to the roll, the close being known


ROLL_DEFAULT = RollParameters()


@dataclass(frozen=True)
class RollPoints:
    """Levels on chosen sessions, and how well they are known.

    Attributes
    ----------
    soq, spot : Array
        Index level at the special opening and at the roll, index points.
    vix : Array
        VIX at the roll.
    opening_error, roll_error : Array
        Standard errors (log) of the opening and of the way from it to the roll.
    """

    soq: Array
    spot: Array
    vix: Array
    opening_error: Array
    roll_error: Array

    def moved(self, opening: float, roll: float) -> RollPoints:
        """Shift the levels by so many standard errors."""
        gap = np.exp(opening * self.opening_error)
        return replace(
            self,
            soq=self.soq * gap,
            spot=self.spot * gap * np.exp(roll * self.roll_error),
        )


def roll_points(
    market: Market, at: NDArray[np.intp], *, parameters: RollParameters = ROLL_DEFAULT
) -> RollPoints:
    """Estimate the special opening quotation and the levels at the roll.

    Parameters
    ----------
    market : Market
        Daily history; the session before each position must be in it.
    at : array of int
        Positions of the roll sessions, positive.
    parameters : RollParameters
        The estimate's numbers.

    Returns
    -------
    RollPoints

    Notes
    -----
    Timing: uses that session's bars of SPX, SPY and VIX, all known by its evening, as a published
    index level is; no later session is read.
    """
    p = parameters
    close, vix = market.column("close"), market.column("vix")
    before, vix_before = close[at - 1], vix[at - 1]
    whole = np.log(close[at] / before)
    vix_gap, vix_open = _vix_gap(market, p)
    vix_open = np.where(np.isfinite(vix_open[at]), vix_open[at], vix_before)
    news = _news_gap(market, vix_gap, p)[at]
    inferred = news + p.close_weight * (whole - news)
    real, published = _published_gap(market, at, p)
    traded = market.column("spy_gap")[at]
    priced = np.isfinite(traded)
    gap = np.where(priced, traded, np.where(real, published, inferred))
    opening = before * np.exp(gap)
    middle = np.log((market.column("high")[at] + market.column("low")[at]) / 2 / opening)
    way = (1 - p.range_weight) * p.roll_weight * (whole - gap) + p.range_weight * middle
    move = vix_before / 100 / np.sqrt(252)
    return RollPoints(
        soq=opening,
        spot=opening * np.exp(way),
        vix=vix_open * np.exp(p.vix_weight * np.log(vix[at] / vix_open)),
        opening_error=np.where(priced, 0.0, p.opening_error) * move,
        roll_error=p.roll_error * move,
    )


def _vix_gap(market: Market, p: RollParameters) -> tuple[Array, Array]:
    """Give the SPX gap that the VIX's gap speaks of (0 where unknown), and the VIX's open."""
    vix, vix_open = market.column("vix"), market.column("vix_open")
    before = np.append(np.nan, vix[:-1])
    # the earliest bars repeat the close as the open
    usable = (vix_open > 0) & np.isfinite(before) & (vix_open != vix)
    gap = np.zeros(vix.shape)
    gap[usable] = -p.beta * before[usable] / 20 * np.log(vix_open[usable] / before[usable])
    return gap, np.where(usable, vix_open, np.nan)


def _log(ratio: pd.Series) -> pd.Series:
    return pd.Series(np.log(ratio.to_numpy()), index=ratio.index)


def _news_gap(market: Market, vix_gap: Array, p: RollParameters) -> Array:
    frame = market.frame
    printed = _log(frame["open"] / frame["close"].shift()).fillna(0.0)
    news = pd.Series(vix_gap, index=frame.index)

    def trailing(product: pd.Series) -> pd.Series:
        window = product.rolling(p.real_open_window, min_periods=p.real_open_window // 2)
        return window.mean().shift()

    together, size = trailing(printed * news), trailing(news * news)
    printed_size = trailing(printed * printed)
    correlation: pd.Series = together / np.sqrt(size * printed_size)
    attenuation = together / size
    scaled = printed / attenuation.clip(lower=0.05)
    # a scaled print may not exceed 3 daily moves
    limit = 3 * frame["vix"].shift() / np.sqrt(252) / 100
    scaled = np.sign(scaled) * np.minimum(scaled.abs(), limit)
    weight = np.where(correlation >= p.print_correlation, p.print_weight, 0.0)
    return np.asarray(news + weight * (scaled.fillna(0.0) - news), dtype=float)


def _published_gap(
    market: Market, at: NDArray[np.intp], p: RollParameters
) -> tuple[NDArray[np.bool_], Array]:
    frame = market.frame
    before = frame["close"].shift()
    gap = _log(frame["open"] / before)
    whole = _log(frame["close"] / before)
    window, least = p.real_open_window, p.real_open_window // 2
    ratio = (
        gap.rolling(window, min_periods=least).std()
        / whole.rolling(window, min_periods=least).std()
    )
    real = (ratio.to_numpy() >= p.real_open_ratio) & np.isfinite(gap.to_numpy())
    return real[at], np.nan_to_num(gap.to_numpy())[at]
