"""The SPX smile without a chain: level from the VIX family, shape from SKEW, one band."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from features.errors import DataError
from serving.pricing import black76
from serving.smile_inputs import DEFAULT, SESSIONS_PER_YEAR, Marks, SmileParameters, VolInputs
from serving.smile_level import DAYS_30, atm_vol, skew_steps

__all__ = [
    "DEFAULT",
    "SESSIONS_PER_YEAR",
    "Marks",
    "SmileParameters",
    "VolInputs",
    "spx_cdf",
    "spx_shape",
    "spx_vol",
]

Array = NDArray[np.float64]


def spx_shape(
    inputs: VolInputs, sessions: ArrayLike, *, parameters: SmileParameters = DEFAULT
) -> tuple[Array, Array]:
    """Give slope and curvature in standardised moneyness, moving from one day to thirty."""
    days = np.asarray(sessions, dtype=float)
    weight = np.clip((np.sqrt(days) - 1) / (np.sqrt(DAYS_30) - 1), 0.0, 1.0)
    steps = skew_steps(inputs, parameters)
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
    level: Array | None = None,
    band: ArrayLike = 0.0,
    parameters: SmileParameters = DEFAULT,
) -> Array:
    """Give the implied volatility of SPX options at their strikes.

    Parameters
    ----------
    strike, forward : ArrayLike
        Index points.
    level : Array, optional
        What `atm_vol` says, where it was asked already.
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
    if level is None:
        level = atm_vol(inputs, days, band=band, parameters=parameters)
    slope, curvature = spx_shape(inputs, days, parameters=parameters)
    log_moneyness = np.log(np.asarray(strike, dtype=float) / np.asarray(forward, dtype=float))
    deviation = level * np.sqrt(days / SESSIONS_PER_YEAR)
    z = log_moneyness / deviation
    if parameters.shape == "ssvi":
        return np.asarray(level * _ssvi_ratio(z, deviation, slope, curvature))
    z = parameters.z_limit * np.tanh(z / parameters.z_limit)
    return np.asarray(level * (1 + slope * z + curvature * z * z))


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
