"""The smile's level for one evening and one expiry, in plain floats.

A ticket asks a dozen times for one number, and arrays of one cost a hundred times the arithmetic.
Sums, products, quotients and roots are the same bits in floats and in arrays; a test holds the two
to each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite, sqrt

from serving.smile_inputs import SESSIONS_PER_YEAR, SmileParameters

__all__ = ["atm_of_one"]

_D9, _D30, _D93, _D184 = (days * SESSIONS_PER_YEAR / 365 for days in (9, 30, 93, 184))


def atm_of_one(levels: Mapping[str, float], days: float, band: float, p: SmileParameters) -> float:
    """Give the at-the-money volatility, as `serving.smile_level.atm_vol` does for arrays.

    Parameters
    ----------
    levels : mapping of str to float
        Fields of `VolInputs`, NaN where unknown.
    days : float
        Exchange sessions to expiry, positive.
    band : float
        End of the band, -1 to +1.
    p : SmileParameters
    """
    last_days, last_variance, found = 0.0, 0.0, None
    for tenor, vol in _pillars_of_one(levels, band, p):
        if not isfinite(vol):
            continue
        variance = max(vol * vol * tenor, last_variance)
        if days <= tenor:
            share = (days - last_days) / max(tenor - last_days, 1e-12)
            found = last_variance + share * (variance - last_variance)
            break
        last_days, last_variance = tenor, variance
    if found is None:
        found = last_variance * days / max(last_days, 1e-12)
    return sqrt(found / days)


def _pillars_of_one(
    levels: Mapping[str, float], band: float, p: SmileParameters
) -> list[tuple[float, float]]:
    steps = (min(max(levels["skew"], p.skew_low), p.skew_high) - p.skew_reference) / 30
    ratio_30d = (p.ratio_30d + p.ratio_per_skew * steps) * (1 + band * p.band_30d)
    if isfinite(levels["vix1d"]):
        one_day = p.ratio_vix1d * (1 + band * p.band_vix1d) * levels["vix1d"]
    else:
        reach = p.ratio_1d_high - p.ratio_1d if band > 0 else p.ratio_1d - p.ratio_1d_low
        one_day = (p.ratio_1d + band * reach) * levels["vix"]
    return [
        (1.0, one_day / 100),
        (_D9, p.ratio_vix9d * (1 + band * p.band_vix9d) * levels["vix9d"] / 100),
        (_D30, ratio_30d * levels["vix"] / 100),
        (_D93, ratio_30d * levels["vix3m"] / 100),
        (_D184, ratio_30d * levels["vix6m"] / 100),
    ]
