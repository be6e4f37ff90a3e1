"""The SPX smile without a chain: level from the VIX family, shape from SKEW, one band."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from features.errors import DataError, UsageError
from serving.pricing import black76
from serving.smile_inputs import DEFAULT, SESSIONS_PER_YEAR, Marks, SmileParameters, VolInputs

__all__ = [
    "DEFAULT",
    "SESSIONS_PER_YEAR",
    "Marks",
    "SmileParameters",
    "VolInputs",
    "atm_source",
    "atm_vol",
    "half_spread",
    "mark_spx",
    "spx_cdf",
    "spx_shape",
    "spx_vol",
    "strike_for_delta",
]

Array = NDArray[np.float64]


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
    one_day = np.where(np.isfinite(inputs.vix1d), "vix1d", "vix as one day")
    nine = np.isfinite(inputs.vix9d)
    middle = np.where(
        nine & (days <= _D9), np.where(days <= 1, one_day, _join(one_day, "vix9d")), ""
    )
    short = np.where(days <= 1, one_day, np.where(nine, "vix9d+vix", _join(one_day, "vix")))
    beyond = np.where(np.isfinite(inputs.vix3m) | np.isfinite(inputs.vix6m), "vix+longer", "vix")
    return np.asarray(np.where(days > _D30, beyond, np.where(middle != "", middle, short)))


def spx_shape(
    inputs: VolInputs, sessions: ArrayLike, *, parameters: SmileParameters = DEFAULT
) -> tuple[Array, Array]:
    """Give slope and curvature in standardised moneyness, moving from one day to thirty."""
    days = np.asarray(sessions, dtype=float)
    weight = np.clip((np.sqrt(days) - 1) / (np.sqrt(_D30) - 1), 0.0, 1.0)
    steps = _skew_steps(inputs, parameters)
    slope_30d = parameters.slope_30d + parameters.slope_per_skew * steps
    slope = parameters.slope_1d + weight * (slope_30d - parameters.slope_1d)
    curvature = parameters.curvature_1d + weight * (
        parameters.curvature_30d - parameters.curvature_1d
    )
    return np.asarray(slope), np.asarray(curvature)


def spx_vol(
    strike: ArrayLike,
    forward: ArrayLike,
    sessions: ArrayLike,
    inputs: VolInputs,
    *,
    band: ArrayLike = 0.0,
    parameters: SmileParameters = DEFAULT,
) -> Array:
    """Give the implied volatility of SPX options at their strikes.

    Parameters
    ----------
    strike, forward : ArrayLike
        Index points.
    sessions, inputs, band, parameters
        As in `atm_vol`; everything broadcasts.

    Returns
    -------
    Array
        Fraction per square root of a year of 252 sessions.

    Notes
    -----
    With ``z = ln(K/F) / (atm sqrt(T))`` the quadratic shape is ``atm (1 + s z + c z^2)`` with z
    saturating at `z_limit`; the SSVI shape (Gatheral and Jacquier 2014) has the same level, slope
    and curvature at the money: ``eta^2 = 8 (c + s^2)``, ``rho = 2 s / eta``, free of butterfly
    arbitrage while ``eta + 2 |s| <= 2``.
    """
    days = np.asarray(sessions, dtype=float)
    level = atm_vol(inputs, days, band=band, parameters=parameters)
    slope, curvature = spx_shape(inputs, days, parameters=parameters)
    log_moneyness = np.log(np.asarray(strike, dtype=float) / np.asarray(forward, dtype=float))
    deviation = level * np.sqrt(days / SESSIONS_PER_YEAR)
    z = log_moneyness / deviation
    if parameters.shape == "ssvi":
        return np.asarray(level * _ssvi_ratio(z, deviation, slope, curvature))
    z = parameters.z_limit * np.tanh(z / parameters.z_limit)
    return np.asarray(level * (1 + slope * z + curvature * z * z))


def mark_spx(
    strike: ArrayLike,
    forward: ArrayLike,
    sessions: ArrayLike,
    inputs: VolInputs,
    *,
    call: ArrayLike,
    discount: ArrayLike = 1.0,
    parameters: SmileParameters = DEFAULT,
) -> Marks:
    """Price SPX options from the smile at the centre and both ends of its band.

    Parameters
    ----------
    strike, forward, sessions, inputs, parameters
        As in `spx_vol`.
    call, discount
        As in `serving.pricing.black76`.

    Returns
    -------
    Marks
        Mid, low and high prices in index points, the central volatility, and the source.
        A spread's band is the difference of its legs at the same end, not of opposite ends.
    """
    days = np.asarray(sessions, dtype=float)
    vols = [
        spx_vol(strike, forward, days, inputs, band=end, parameters=parameters)
        for end in (-1.0, 0.0, 1.0)
    ]
    low, mid, high = (
        black76(forward, strike, days / SESSIONS_PER_YEAR, vol, call=call, discount=discount)
        for vol in vols
    )
    source = np.broadcast_to(atm_source(inputs, days), mid.shape)
    return Marks(mid=mid, low=low, high=high, vol=vols[1], source=source)


def spx_cdf(
    strike: ArrayLike,
    forward: ArrayLike,
    sessions: ArrayLike,
    inputs: VolInputs,
    *,
    band: ArrayLike = 0.0,
    parameters: SmileParameters = DEFAULT,
) -> Array:
    """Give the smile's own probability that SPX settles below a strike.

    Parameters
    ----------
    strike, forward, sessions, inputs, band, parameters
        As in `spx_vol`.

    Returns
    -------
    Array
        In [0, 1]: the slope of the undiscounted put price in strike (Breeden and Litzenberger).
    """
    strike_ = np.asarray(strike, dtype=float)
    years = np.asarray(sessions, dtype=float) / SESSIONS_PER_YEAR
    step = 1e-4 * strike_
    below, above = (
        black76(
            forward,
            strike_ + side * step,
            years,
            spx_vol(
                strike_ + side * step, forward, sessions, inputs, band=band, parameters=parameters
            ),
            call=False,
        )
        for side in (-1, 1)
    )
    return np.asarray(np.clip((above - below) / (2 * step), 0.0, 1.0))


def half_spread(
    premium: ArrayLike,
    forward: ArrayLike,
    sessions: ArrayLike,
    inputs: VolInputs,
    *,
    early: ArrayLike = False,
    parameters: SmileParameters = DEFAULT,
) -> Array:
    """Give half the bid-ask spread of SPX options, index points.

    Parameters
    ----------
    premium : ArrayLike
        Mid prices, index points.
    forward, sessions, inputs, parameters
        As in `spx_vol`.
    early : ArrayLike
        True for markets before `spread_change`.

    Returns
    -------
    Array
        ``h p (p / p_atm) ** -spread_exponent``, never more than the premium. The exponent is the
        dossier's: quoted spreads of 3.6, 3.2 and 2.6 % of price at 15, 20 and 30 delta.
    """
    paid = np.asarray(premium, dtype=float)
    deviation = atm_vol(inputs, sessions, parameters=parameters) * np.sqrt(
        np.asarray(sessions, dtype=float) / SESSIONS_PER_YEAR
    )
    at_money = 0.4 * np.asarray(forward, dtype=float) * deviation
    share = np.where(early, parameters.half_spread_early, parameters.half_spread)
    ratio = np.clip(paid / at_money, 1e-6, 1.0)
    return np.asarray(np.minimum(share * ratio**-parameters.spread_exponent, 1.0) * paid)


def strike_for_delta(
    delta: ArrayLike,
    forward: ArrayLike,
    sessions: ArrayLike,
    inputs: VolInputs,
    *,
    call: ArrayLike,
    step: float = 5.0,
    band: ArrayLike = 0.0,
    parameters: SmileParameters = DEFAULT,
) -> Array:
    """Find the listed strike whose undiscounted Black-76 delta is nearest to a target.

    Parameters
    ----------
    delta : ArrayLike
        Absolute delta in (0, 1), for instance 0.20.
    forward, sessions, inputs, call, band, parameters
        As in `mark_spx`.
    step : float
        Distance between listed strikes, index points; 0 gives the exact strike, unrounded.

    Returns
    -------
    Array
        Strikes, of the broadcast shape.
    """
    target = np.asarray(delta, dtype=float)
    sign = np.where(np.asarray(call, dtype=bool), 1.0, -1.0)
    forward_ = np.asarray(forward, dtype=float)
    root = np.sqrt(np.asarray(sessions, dtype=float) / SESSIONS_PER_YEAR)
    d1 = sign * ndtri(target)  # the delta is N(sign d1), so every iterate solves it at its vol
    vol = atm_vol(inputs, sessions, band=band, parameters=parameters)
    strike = forward_ * np.exp(-d1 * vol * root + 0.5 * vol * vol * root * root)
    for _ in range(30):
        vol = spx_vol(strike, forward_, sessions, inputs, band=band, parameters=parameters)
        solved = forward_ * np.exp(-d1 * vol * root + 0.5 * vol * vol * root * root)
        settled = np.abs(solved / strike - 1).max() < 1e-9
        strike = np.sqrt(strike * solved)  # damped: the wing's slope would make it swing
        if settled:
            break
    if step <= 0:
        return np.asarray(strike)
    below, above = np.floor(strike / step) * step, np.ceil(strike / step) * step
    misses = []
    for listed in (below, above):
        vol = spx_vol(listed, forward_, sessions, inputs, band=band, parameters=parameters)
        at = (np.log(forward_ / listed) / (vol * root)) + 0.5 * vol * root
        misses.append(np.abs(ndtr(sign * at) - target))
    return np.asarray(np.where(misses[0] <= misses[1], below, above))


_D9 = 9 * SESSIONS_PER_YEAR / 365
_D30 = 30 * SESSIONS_PER_YEAR / 365
_D93 = 93 * SESSIONS_PER_YEAR / 365
_D184 = 184 * SESSIONS_PER_YEAR / 365


def _pillars(inputs: VolInputs, band: Array, p: SmileParameters) -> list[tuple[float, Array]]:
    ratio_30d = p.ratio_30d + p.ratio_per_skew * _skew_steps(inputs, p)
    ratio_30d = ratio_30d * (1 + band * p.band_30d)
    known_1d = np.isfinite(inputs.vix1d)
    reach = np.where(band > 0, p.ratio_1d_high - p.ratio_1d, p.ratio_1d - p.ratio_1d_low)
    substitute = (p.ratio_1d + band * reach) * inputs.vix
    quoted = p.ratio_vix1d * (1 + band * p.band_vix1d) * inputs.vix1d
    return [
        (1.0, np.where(known_1d, quoted, substitute) / 100),
        (_D9, p.ratio_vix9d * (1 + band * p.band_vix9d) * inputs.vix9d / 100),
        (_D30, ratio_30d * inputs.vix / 100),
        (_D93, ratio_30d * inputs.vix3m / 100),
        (_D184, ratio_30d * inputs.vix6m / 100),
    ]


def _skew_steps(inputs: VolInputs, p: SmileParameters) -> Array:
    return np.asarray((np.clip(inputs.skew, p.skew_low, p.skew_high) - p.skew_reference) / 30)


def _ssvi_ratio(z: Array, deviation: Array, slope: Array, curvature: Array) -> Array:
    eta = np.sqrt(8 * (curvature + slope * slope))
    if (eta + 2 * np.abs(slope) > 2).any():
        raise DataError(
            "the SSVI smile would allow butterfly arbitrage: eta (1 + |rho|) must not exceed 2, "
            f"got {float(np.max(eta + 2 * np.abs(slope))):.3f}. The SKEW value or the calibrated "
            "slope is implausible."
        )
    rho = 2 * slope / eta
    # phi k with phi = eta / sqrt(theta (1 + theta)) and k = z sqrt(theta)
    x = eta * z / np.sqrt(1 + deviation * deviation)
    return np.asarray(np.sqrt(0.5 * (1 + rho * x + np.sqrt((x + rho) ** 2 + 1 - rho * rho))))


def _join(first: NDArray[np.str_], second: str) -> NDArray[np.str_]:
    return np.char.add(np.char.add(first, "+"), second)
