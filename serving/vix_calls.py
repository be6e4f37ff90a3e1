"""One VIX call at a time, in plain floats: `serving.vix_smile` and Black-76 without arrays.

A ticket asks for dozens of single calls; arrays of one cost fifty times the arithmetic. The
numbers are those of the array functions, which the tests hold to a part in a billion.
"""

from __future__ import annotations

import math

from scipy.special import ndtri

from serving.vix_smile import CALENDAR_DAYS, VIX_DEFAULT, VixParameters, vix_vol

__all__ = ["call_delta", "call_price", "call_vol", "strike_for_delta"]


def call_vol(
    strike: float,
    future: float,
    days: float,
    vvix: float,
    *,
    band: float = 0.0,
    parameters: VixParameters = VIX_DEFAULT,
) -> float:
    """Give the implied volatility of one call; parameters as `serving.vix_smile.vix_vol`."""
    if not (vvix > 0 and future > 0 and days > 0):
        vix_vol(strike, future, days, vvix)  # which says what is missing
    p = parameters
    level = p.ratio_vvix * vvix / 100 * (30 / max(days, p.days_floor)) ** p.decay
    level *= 1 + band * p.band
    z = math.log(strike / future) / (level * math.sqrt(days / CALENDAR_DAYS))
    room = p.factor_high - 1 if z > 0 else 1 - p.factor_low
    return level * (1 + room * math.tanh(p.skew * z / room))


def call_price(strike: float, future: float, days: float, vol: float) -> float:
    """Give the undiscounted Black-76 price of one call, index points; intrinsic without time."""
    deviation = vol * math.sqrt(max(days, 0.0) / CALENDAR_DAYS)
    if deviation <= 0:
        return max(future - strike, 0.0)
    d1 = math.log(future / strike) / deviation + 0.5 * deviation
    return future * _normal(d1) - strike * _normal(d1 - deviation)


def call_delta(strike: float, future: float, days: float, vol: float) -> float:
    """Give the undiscounted Black-76 delta of one call."""
    deviation = vol * math.sqrt(days / CALENDAR_DAYS)
    return _normal(math.log(future / strike) / deviation + 0.5 * deviation)


def strike_for_delta(delta: float, future: float, days: float, vvix: float) -> float:
    """Find the listed strike nearest to a delta, as `serving.vix_smile.vix_strike_for_delta`."""
    root = math.sqrt(days / CALENDAR_DAYS)
    d1 = float(ndtri(delta))
    strike = future
    for _ in range(30):
        deviation = call_vol(strike, future, days, vvix) * root
        solved = future * math.exp(-d1 * deviation + 0.5 * deviation * deviation)
        settled = abs(solved / strike - 1) < 1e-6
        strike = math.sqrt(strike * solved)
        if settled:
            break
    step = 0.5 if strike < 15 else 1.0
    below, above = math.floor(strike / step) * step, math.ceil(strike / step) * step
    miss = [
        abs(call_delta(k, future, days, call_vol(k, future, days, vvix)) - delta)
        for k in (below, above)
    ]
    return below if miss[0] <= miss[1] else above


def _normal(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))
