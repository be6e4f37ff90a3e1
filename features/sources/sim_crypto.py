"""The simulated crypto market: hourly perps, spot, funding and open interest of BTC and ETH.

It trades through every hour. It feels stocks inside their sessions and the VIX of sessions that
have closed, and never anything later; cascades move price and open interest of their hour on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.sources.sim_curve import autoregressive
from features.sources.sim_equity import LONG_RUN, bridge_extremes

__all__ = ["BASES", "EquityView", "Market", "crypto_markets", "equity_view"]

Floats = npt.NDArray[np.float64]

BASES = ("BTC", "ETH")
_START = {"BTC": 29_000.0, "ETH": 740.0}
_SCALE = {"BTC": 0.0055, "ETH": 0.0069}  # typical hourly volatility
_BETA = {"BTC": 1.3, "ETH": 1.6}
_INTEREST = {"BTC": 38_000.0, "ETH": 330_000.0}
_DIURNAL = np.array(
    [1.07, 1.0, 0.9, 0.84, 0.74, 0.77, 0.81, 0.86, 0.93, 0.86, 0.82, 0.86,
     1.0, 1.12, 1.3, 1.2, 1.07, 1.03, 1.02, 1.03, 1.05, 0.98, 0.94, 0.92]
)  # fmt: skip


@dataclass(frozen=True)
class EquityView:
    """What an hour of crypto sees of stocks: the session's return it shares, and past stress."""

    returns: Floats
    stress: Floats


@dataclass(frozen=True)
class Market:
    """One coin, one element an hour.

    Parameters
    ----------
    open_, high, low, close : float array
        Common price across venues (USD).
    returns, sigma : float array
        Log return of the hour and its volatility.
    wicks : dict of str to float array
        Extra log range of one venue, negative below the low, positive above the high.
    open_interest : float array
        In coin, at the START of the hour.
    premium : float array
        Funding premium a settlement (fraction).
    activity : float array
        Trading activity, 1 is typical.
    """

    open_: Floats
    high: Floats
    low: Floats
    close: Floats
    returns: Floats
    sigma: Floats
    wicks: dict[str, Floats]
    open_interest: Floats
    premium: Floats
    activity: Floats


def equity_view(
    hours: pd.DatetimeIndex,
    opens: pd.DatetimeIndex,
    closes: pd.DatetimeIndex,
    returns: Floats,
    vix: Floats,
) -> EquityView:
    """Spread each session's return over the full hours inside it; carry VIX on from each close.

    Notes
    -----
    *Timing:* an hour sees the return of the session it lies in, which is known by that session's
    close, and VIX of sessions that closed before the hour began.
    """
    start = opens.searchsorted(hours, side="right") - 1
    inside = (start >= 0) & (hours + pd.Timedelta(hours=1) <= closes[np.maximum(start, 0)])
    share = np.bincount(start[inside], minlength=len(opens)).astype(float)
    spread = np.zeros(len(hours))
    spread[inside] = returns[start[inside]] / share[start[inside]]
    last = closes.searchsorted(hours, side="right") - 1
    stress = np.where(last >= 0, np.log(vix[np.maximum(last, 0)]) - LONG_RUN, 0.0)
    return EquityView(returns=spread, stress=stress)


def crypto_markets(
    seed: np.random.SeedSequence,
    hours: pd.DatetimeIndex,
    view: EquityView,
    cascades: pd.DataFrame,
) -> dict[str, Market]:
    """Simulate both coins over `hours`.

    Parameters
    ----------
    seed : numpy.random.SeedSequence
        Same seed, same market.
    hours : DatetimeIndex
        Bar opens, UTC, hourly without a gap, from a midnight to a 23:00.
    view : EquityView
        What stocks show to each hour.
    cascades : DataFrame
        Spontaneous and reactive cascades.
    """
    size = len(hours)
    common_seed, *own_seeds = seed.spawn(1 + len(BASES))
    rng = np.random.default_rng(common_seed)
    log_sigma = (
        autoregressive(rng, size, memory=0.5 ** (1 / 10), deviation=0.30)
        + autoregressive(rng, size, memory=0.5 ** (1 / 480), deviation=0.28)
        + 0.45 * view.stress
        + np.log(_DIURNAL[hours.hour])
        - 0.38 * (hours.day_of_week >= 5)
    )
    common = rng.standard_t(4.0, size) / np.sqrt(2.0)
    markets = {}
    for base, own_seed in zip(BASES, own_seeds, strict=True):
        own = np.random.default_rng(own_seed)
        ours = cascades[cascades["base"] == base]
        markets[base] = _market(base, own, hours, view, log_sigma, common, ours)
    return markets


def _market(
    base: str,
    rng: np.random.Generator,
    hours: pd.DatetimeIndex,
    view: EquityView,
    log_sigma: Floats,
    common: Floats,
    cascades: pd.DataFrame,
) -> Market:
    from scipy.signal import lfilter

    size = len(hours)
    blow, jolt, wicks, interest, premium_hit = _impacts(hours, cascades)
    after = np.asarray(lfilter([0.0, 1.0], [1.0, -0.85], jolt))
    sigma = _SCALE[base] * np.exp(log_sigma + after)
    own = rng.standard_t(4.0, size) / np.sqrt(2.0)
    noise = common if base == "BTC" else 0.87 * common + 0.49 * own
    returns = sigma * np.clip(noise, -12.0, 12.0) + _BETA[base] * view.returns + blow + 4e-6
    close = np.log(_START[base]) + np.cumsum(returns)
    opened = np.concatenate([[np.log(_START[base])], close[:-1]])
    high, low = bridge_extremes(rng, opened, close, 0.85 * sigma)

    drift = np.cumsum(np.full(size, 0.15 / 8766.0))
    interest_log = (
        drift
        + autoregressive(rng, size, memory=0.5 ** (1 / 900), deviation=0.12)
        + autoregressive(rng, size, memory=0.80, deviation=0.006)
        + interest
    )
    day_return = np.asarray(lfilter(np.ones(24), [1.0], returns))
    premium = (
        1.2e-4
        + autoregressive(rng, size, memory=0.5 ** (1 / 60), deviation=1.6e-4)
        + 2.5e-3 * np.clip(day_return, -0.15, 0.15)
        + premium_hit
    )
    activity = np.exp(
        0.8 * np.log(sigma / _SCALE[base])
        + 0.35 * np.minimum(np.abs(returns) / sigma, 5.0)
        + 0.2 * rng.standard_normal(size)
    )
    return Market(
        open_=np.exp(opened),
        high=np.exp(high),
        low=np.exp(low),
        close=np.exp(close),
        returns=returns,
        sigma=sigma,
        wicks=wicks,
        open_interest=_INTEREST[base] * np.exp(interest_log),
        premium=premium,
        activity=activity,
    )


def _impacts(
    hours: pd.DatetimeIndex, cascades: pd.DataFrame
) -> tuple[Floats, Floats, dict[str, Floats], Floats, Floats]:
    """Lay every cascade on the hours: price, volatility, wicks, open interest, funding."""
    size = len(hours)
    blow, jolt, interest, premium = np.zeros((4, size))
    wicks = {venue: np.zeros(size) for venue in ("binance", "bybit", "okx", "deribit")}
    place = hours.searchsorted(pd.DatetimeIndex(cascades["onset"]), side="right") - 1
    for hour, row in zip(place.tolist(), cascades.itertuples(index=False), strict=True):
        scale = float(row.size)  # type: ignore[arg-type]
        sign = -1.0 if row.side == "long" else 1.0
        depth = min(0.028 * scale**0.8, 0.18)
        later = np.arange(size - hour, dtype=np.float64)
        if row.engineered:
            for venue, values in wicks.items():
                values[hour] = sign * depth * (1.4 if venue == row.venue else 0.15)
            blow[hour] += 0.05 * sign * depth
            # the open interest that goes is back within hours
            interest[hour + 1 :] -= 0.010 * scale * 0.5 ** (later[:-1] / 5.0)
            continue
        for step, part in enumerate((0.80, 0.20, *([-0.05] * 7))):
            if hour + step < size:
                blow[hour + step] += sign * depth * part
        for values in wicks.values():
            values[hour] += 0.25 * sign * depth
        jolt[hour] += 0.20 * min(scale, 2.5)
        lost = min(0.055 * scale, 0.35)
        interest[hour + 1 :] -= lost * 0.5 ** (later[:-1] / 190.0)
        premium[hour:] += sign * 4e-4 * scale * 0.5 ** (later / 16.0)
        if row.origin == "spontaneous" and hour >= 48:
            # leverage builds up before; never before a reactive one, which nobody could foresee
            interest[hour - 48 : hour + 1] += 0.02 * np.linspace(0.0, 1.0, 49)
    return blow, jolt, wicks, interest, premium
