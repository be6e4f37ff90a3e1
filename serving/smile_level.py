"""At-the-money volatility of SPX options without a chain: the VIX family over time to expiry."""

from __future__ import annotations

from dataclasses import fields
from math import isfinite

import numpy as np
from numpy.typing import ArrayLike, NDArray

from features.errors import UsageError
from serving.smile_inputs import DEFAULT, SESSIONS_PER_YEAR, SmileParameters, VolInputs
from serving.smile_one import atm_of_one

__all__ = ["DAYS_30", "atm_source", "atm_vol", "skew_steps"]

Array = NDArray[np.float64]

DAYS_30 = 30 * SESSIONS_PER_YEAR / 365  # sessions in thirty calendar days
_D9 = 9 * SESSIONS_PER_YEAR / 365
_D93 = 93 * SESSIONS_PER_YEAR / 365
_D184 = 184 * SESSIONS_PER_YEAR / 365


def atm_vol(
    inputs: VolInputs,
    sessions: ArrayLike,
    *,
    band: ArrayLike = 0.0,
    parameters: SmileParameters = DEFAULT,
) -> Array:
    """Give the at-the-money volatility for a time to expiry.

    Parameters
    ----------
    inputs : VolInputs
        Index levels known at the moment of the mark.
    sessions : ArrayLike
        Exchange sessions to expiry, positive; 1.0 is close to next close, fractions are allowed.
    band : ArrayLike
        -1 is the low end of the calibrated uncertainty, 0 the centre, +1 the high end.
    parameters : SmileParameters
        The calibrated numbers.

    Returns
    -------
    Array
        Fraction per square root of a year of 252 sessions.

    Notes
    -----
    Total variance is linear in sessions between the tenors that are known (VIX1D or its
    substitute at 1, VIX9D, VIX, VIX3M, VIX6M), flat in volatility outside them, and never
    falls with time, so no calendar spread is free.
    """
    days = np.asarray(sessions, dtype=float)
    if not (days > 0).all():
        raise UsageError(
            f"`sessions` must be positive, got {days.min()}. An expired option has no "
            "volatility; settle it."
        )
    if inputs.ndim == 0 and days.ndim == 0:
        ends = np.asarray(band, dtype=float)
        levels = {f.name: float(getattr(inputs, f.name)) for f in fields(inputs)}
        found = [atm_of_one(levels, float(days), end, parameters) for end in ends.ravel().tolist()]
        return np.array(found).reshape(ends.shape)
    pillars = _pillars(inputs, np.asarray(band, dtype=float), parameters)
    below_d, below_w = np.zeros(()), np.zeros(())
    last_d, last_w = np.zeros(()), np.zeros(())
    total: Array = np.full(np.broadcast_shapes(days.shape, pillars[0][1].shape), np.nan)
    for pillar_d, vol in pillars:
        known = np.isfinite(vol)
        variance = np.maximum(np.where(known, vol * vol * pillar_d, 0.0), last_w)
        here = known & np.isnan(total) & (days <= pillar_d)
        share = (days - below_d) / np.maximum(pillar_d - below_d, 1e-12)
        total = np.where(here, below_w + share * (variance - below_w), total)
        last_d, last_w = np.where(known, pillar_d, last_d), np.where(known, variance, last_w)
        below_d, below_w = last_d, last_w
    total = np.where(np.isnan(total), last_w * days / np.maximum(last_d, 1e-12), total)
    return np.asarray(np.sqrt(total / days))


def atm_source(inputs: VolInputs, sessions: ArrayLike) -> NDArray[np.str_]:
    """Name the index levels that `atm_vol` rests on at that time to expiry."""
    days = np.asarray(sessions, dtype=float)
    if inputs.ndim == 0 and days.ndim == 0:
        return np.asarray(_source_of_one(inputs, float(days)))
    one_day = np.where(np.isfinite(inputs.vix1d), "vix1d", "vix as one day")
    nine = np.isfinite(inputs.vix9d)
    middle = np.where(
        nine & (days <= _D9), np.where(days <= 1, one_day, _join(one_day, "vix9d")), ""
    )
    short = np.where(days <= 1, one_day, np.where(nine, "vix9d+vix", _join(one_day, "vix")))
    beyond = np.where(np.isfinite(inputs.vix3m) | np.isfinite(inputs.vix6m), "vix+longer", "vix")
    return np.asarray(np.where(days > DAYS_30, beyond, np.where(middle != "", middle, short)))


def _source_of_one(inputs: VolInputs, days: float) -> str:
    if days > DAYS_30:
        return "vix+longer" if isfinite(inputs.vix3m) or isfinite(inputs.vix6m) else "vix"
    one_day = "vix1d" if isfinite(inputs.vix1d) else "vix as one day"
    if days <= 1:
        return one_day
    if not isfinite(inputs.vix9d):
        return f"{one_day}+vix"
    return f"{one_day}+vix9d" if days <= _D9 else "vix9d+vix"


def skew_steps(inputs: VolInputs, p: SmileParameters) -> Array:
    """SKEW from its reference in steps of thirty points, held inside the calibrated range."""
    return np.asarray((np.clip(inputs.skew, p.skew_low, p.skew_high) - p.skew_reference) / 30)


def _pillars(inputs: VolInputs, band: Array, p: SmileParameters) -> list[tuple[float, Array]]:
    ratio_30d = p.ratio_30d + p.ratio_per_skew * skew_steps(inputs, p)
    ratio_30d = ratio_30d * (1 + band * p.band_30d)
    known_1d = np.isfinite(inputs.vix1d)
    reach = np.where(band > 0, p.ratio_1d_high - p.ratio_1d, p.ratio_1d - p.ratio_1d_low)
    substitute = (p.ratio_1d + band * reach) * inputs.vix
    quoted = p.ratio_vix1d * (1 + band * p.band_vix1d) * inputs.vix1d
    return [
        (1.0, np.where(known_1d, quoted, substitute) / 100),
        (_D9, p.ratio_vix9d * (1 + band * p.band_vix9d) * inputs.vix9d / 100),
        (DAYS_30, ratio_30d * inputs.vix / 100),
        (_D93, ratio_30d * inputs.vix3m / 100),
        (_D184, ratio_30d * inputs.vix6m / 100),
    ]


def _join(first: NDArray[np.str_], second: str) -> NDArray[np.str_]:
    return np.char.add(np.char.add(first, "+"), second)
