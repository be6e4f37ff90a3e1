"""VIX options on the future of the same expiry: level from VVIX, skew positive in strike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from features.errors import DataError, UsageError
from serving.pricing import black76
from serving.smile import Marks

__all__ = [
    "VIX_DEFAULT",
    "VixParameters",
    "mark_vix",
    "vix_strike_for_delta",
    "vix_strikes",
    "vix_vol",
]

Array = NDArray[np.float64]

CALENDAR_DAYS = 365.0


@dataclass(frozen=True)
class VixParameters:
    """Numbers of the VIX option surface; times are calendar days, as its indices count them."""

    ratio_vvix: float = 1.00  # at-the-money over VVIX at thirty days
    decay: float = 0.28  # sigma(T) = VVIX (30 / days) ** decay
    days_floor: float = 20.0  # the decay is not extrapolated below this tenor
    skew: float = 0.075  # relative rise of volatility per unit of standardised moneyness
    factor_low: float = 0.8
    factor_high: float = 1.6
    band: float = 0.10  # relative half-width of the level band
    provenance: str = (
        "the method's dossier: fit to typical marks of 95, 66 and 55 % at 30, 110 and 220 days; "
        "never calibrated to quotes"
    )


VIX_DEFAULT = VixParameters()


def vix_vol(
    strike: ArrayLike,
    future: ArrayLike,
    days: ArrayLike,
    vvix: ArrayLike,
    *,
    band: ArrayLike = 0.0,
    parameters: VixParameters = VIX_DEFAULT,
) -> Array:
    """Give the implied volatility of VIX options.

    Parameters
    ----------
    strike, future : ArrayLike
        Index points; the future is the one that expires with the option.
    days : ArrayLike
        Calendar days to expiry, positive.
    vvix : ArrayLike
        Cboe VVIX, index points.
    band : ArrayLike
        -1 low end, 0 centre, +1 high end of the level's uncertainty.
    parameters : VixParameters
        The surface's numbers.

    Returns
    -------
    Array
        Fraction per square root of a year of 365 days.

    Raises
    ------
    DataError
        If VVIX or the future is missing or not positive.
    UsageError
        If an expiry is not in the future.
    """
    days_ = np.asarray(days, dtype=float)
    vvix_, future_ = np.asarray(vvix, dtype=float), np.asarray(future, dtype=float)
    for name, values in (("vvix", vvix_), ("future", future_)):
        if not (values > 0).all():
            raise DataError(
                f"a VIX option has no mark without `{name}`: got {values[~(values > 0)].flat[0]}, "
                "expected a positive level. Import the missing settlements."
            )
    if not (days_ > 0).all():
        raise UsageError(f"`days` must be positive, got {days_.min()}. Settle what has expired.")
    p = parameters
    level = p.ratio_vvix * vvix_ / 100 * (30 / np.maximum(days_, p.days_floor)) ** p.decay
    level = level * (1 + np.asarray(band, dtype=float) * p.band)
    z = np.log(np.asarray(strike, dtype=float) / future_) / (level * np.sqrt(days_ / CALENDAR_DAYS))
    # saturated smoothly: a hard cap would leave a concave kink, which is a free butterfly
    room = np.where(z > 0, p.factor_high - 1, 1 - p.factor_low)
    return np.asarray(level * (1 + room * np.tanh(p.skew * z / room)))


def mark_vix(
    strike: ArrayLike,
    future: ArrayLike,
    days: ArrayLike,
    vvix: ArrayLike,
    *,
    call: ArrayLike = True,
    discount: ArrayLike = 1.0,
    parameters: VixParameters = VIX_DEFAULT,
) -> Marks:
    """Price VIX options at the centre and both ends of the band.

    Parameters
    ----------
    strike, future, days, vvix, parameters
        As in `vix_vol`.
    call, discount
        As in `serving.pricing.black76`.

    Returns
    -------
    Marks
        Mid, low and high prices in index points, the central volatility, and the source.
    """
    tau = np.asarray(days, dtype=float) / CALENDAR_DAYS
    return Marks.at_ends(
        lambda ends: vix_vol(strike, future, days, vvix, band=ends, parameters=parameters),
        lambda vols: black76(future, strike, tau, vols, call=call, discount=discount),
        source="vvix+vix future",
        dimensions=max(map(np.ndim, (strike, future, days, vvix, call, discount))),
    )


def vix_strikes(future: float, *, widest: float = 4.0) -> Array:
    """List strikes around a future: every 0.5 below 15, every 1 below 200 (exchange rule).

    Parameters
    ----------
    future : float
        Index points.
    widest : float
        The ladder ends at this multiple of the future.
    """
    low = np.arange(10.0, 15.0, 0.5)
    high = np.arange(15.0, min(max(widest * future, 30.0), 199.0) + 1, 1.0)
    return np.concatenate([low, high])


def vix_strike_for_delta(
    delta: float,
    future: ArrayLike,
    days: ArrayLike,
    vvix: ArrayLike,
    *,
    band: ArrayLike = 0.0,
    parameters: VixParameters = VIX_DEFAULT,
) -> Array:
    """Find the listed call strike whose undiscounted Black-76 delta is nearest to `delta`.

    Parameters
    ----------
    delta : float
        In (0, 1); 0.50 is near the future.
    future, days, vvix, band, parameters
        As in `vix_vol`; everything broadcasts.

    Returns
    -------
    Array
        Strikes on the exchange's ladder.
    """
    future_ = np.asarray(future, dtype=float)
    root = np.sqrt(np.asarray(days, dtype=float) / CALENDAR_DAYS)
    d1 = float(ndtri(delta))
    strike = future_ * np.ones_like(root * np.asarray(vvix, dtype=float))
    for _ in range(30):
        vol = vix_vol(strike, future_, days, vvix, band=band, parameters=parameters)
        solved = future_ * np.exp(-d1 * vol * root + 0.5 * vol * vol * root * root)
        settled = np.abs(solved / strike - 1).max() < 1e-6
        strike = np.sqrt(strike * solved)
        if settled:
            break
    step = np.where(strike < 15, 0.5, 1.0)
    candidates = (np.floor(strike / step) * step, np.ceil(strike / step) * step)
    misses = []
    for listed in candidates:
        vol = vix_vol(listed, future_, days, vvix, band=band, parameters=parameters)
        misses.append(
            np.abs(ndtr(np.log(future_ / listed) / (vol * root) + vol * root / 2) - delta)
        )
    return np.asarray(np.where(misses[0] <= misses[1], candidates[0], candidates[1]))
