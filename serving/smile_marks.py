"""What the SPX smile is asked for: prices with a band, a market's spread, the strike of a delta."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from serving.pricing import black76
from serving.smile import spx_vol
from serving.smile_inputs import DEFAULT, SESSIONS_PER_YEAR, Marks, SmileParameters, VolInputs
from serving.smile_level import atm_source, atm_vol

__all__ = ["half_spread", "mark_spx", "strike_for_delta"]

Array = NDArray[np.float64]


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
    years = days / SESSIONS_PER_YEAR
    return Marks.at_ends(
        lambda ends: spx_vol(strike, forward, days, inputs, band=ends, parameters=parameters),
        lambda vols: black76(forward, strike, years, vols, call=call, discount=discount),
        source=atm_source(inputs, days),
        dimensions=max(inputs.ndim, *map(np.ndim, (strike, forward, days, call, discount))),
    )


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
