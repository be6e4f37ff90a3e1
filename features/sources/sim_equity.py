"""The simulated stock market: a hidden volatility regime, and the S&P 500 and VIX that follow it.

Log VIX is a slow part that drifts to the level of the hidden regime plus a fast part that falls
back within days. A session's return has the volatility that the evening before implies; its
surprise moves the fast part (leverage), an up shift of the regime hits both at once. Nothing here
knows of crypto but `load`, the excess hazard of an up shift, and `push`, a shift of the opening
gap: where both are zero the stock market is a world of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["LONG_RUN", "REGIMES", "EquityPath", "bridge_extremes", "equity_path"]

Floats = npt.NDArray[np.float64]

REGIMES = ("calm", "normal", "elevated", "crisis")

_LEVEL = np.log([12.4, 16.0, 22.0, 37.0])  # where log VIX drifts to in each regime
LONG_RUN = float(np.log(17.6))
# chance a session of leaving the regime upward and downward
_UP = (1 / 85, 1 / 50, 1 / 85, 0.0)
_DOWN = (0.0, 1 / 62, 1 / 40, 1 / 20)
_SKIP = 0.15  # share of up shifts that jump over a regime
_BURN_IN = 300  # sessions before the first kept one, so that averages of a year are warm
_PREMIUM = 1.26  # implied over realised volatility


@dataclass(frozen=True)
class EquityPath:
    """One simulated path, one element a kept session, with the warm-up of the index before it.

    Parameters
    ----------
    regime : int array
        Hidden regime 0 to 3 that ruled the session.
    sigma : float array
        True volatility of the session's log return (fraction a session).
    slow, fast : float array
        The two parts of log VIX at the session's close.
    open_, high, low, close : float array
        The index (points).
    vix_open, vix_high, vix_low, vix : float array
        VIX (points).
    returns : float array
        Log return, close to close.
    shocks : float array
        The return over `sigma`.
    warm_close : float array
        Closes of the warm-up sessions that lie before the first kept one.
    """

    regime: npt.NDArray[np.int64]
    sigma: Floats
    slow: Floats
    fast: Floats
    open_: Floats
    high: Floats
    low: Floats
    close: Floats
    vix_open: Floats
    vix_high: Floats
    vix_low: Floats
    vix: Floats
    returns: Floats
    shocks: Floats
    warm_close: Floats


def bridge_extremes(
    rng: np.random.Generator, start: Floats, end: Floats, sigma: Floats
) -> tuple[Floats, Floats]:
    """Draw the highest and lowest log price between a known start and end.

    The exact marginal law of the extremes of a Brownian bridge of volatility `sigma` over the
    whole bar; the two are drawn independently.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the two uniforms an element.
    start, end : float array
        Log price at both ends.
    sigma : float array
        Volatility over the bar (log).

    Returns
    -------
    tuple of float array
        Highest and lowest log price, never inside the two ends.
    """
    move = end - start
    uniform = 1.0 - rng.random((2, len(start)))
    root = np.sqrt(move**2 - 2.0 * sigma**2 * np.log(uniform))
    return start + (move + root[0]) / 2.0, start + (move - root[1]) / 2.0


def equity_path(
    seed: np.random.SeedSequence,
    sessions: int,
    *,
    load: Floats,
    damping: Floats,
    push: Floats,
    first_close: float = 2240.0,
) -> EquityPath:
    """Simulate `sessions` sessions.

    Parameters
    ----------
    seed : numpy.random.SeedSequence
        Same seed, same path; every draw is made whatever `load` and `push` say.
    sessions : int
        How many sessions to keep.
    load : float array, shape (sessions,)
        The hazard of an up shift on a session is multiplied by ``exp(load)``.
    damping : float array, shape (sessions,)
        Factor on the hazard that keeps the number of shifts near that of a world without load.
    push : float array, shape (sessions,)
        Added to the overnight shock, in daily standard deviations.
    first_close : float, default 2240
        Index at the start of the warm-up.

    Notes
    -----
    *Timing:* session i of every output depends on `load`, `damping` and `push` up to i alone.
    """
    total = sessions + _BURN_IN
    cold = np.zeros(_BURN_IN)
    streams = [np.random.default_rng(child) for child in seed.spawn(4)]
    regime, sigma, slow, fast, overnight, day = _walk(
        streams[0],
        np.concatenate([cold, load]),
        np.concatenate([cold + 1.0, damping]),
        np.concatenate([cold, push]),
    )
    returns = overnight + day
    close = np.log(first_close) + np.cumsum(returns)
    opened = close - day
    within = 0.74 * sigma * np.exp(streams[1].normal(-0.03, 0.25, total))
    high, low = bridge_extremes(streams[1], opened, close, within)
    vix = slow + fast
    before = np.concatenate([vix[:1], vix[:-1]])
    # the morning shows part of the day's move: about a third of its variance
    vix_open = before + 0.30 * (vix - before) + 0.028 * streams[2].standard_normal(total)
    vix_high, vix_low = bridge_extremes(
        streams[2], vix_open, vix, 0.030 + 0.45 * np.abs(vix - before)
    )
    keep = slice(_BURN_IN, None)
    points = {
        "open_": opened, "high": high, "low": low, "close": close,
        "vix_open": vix_open, "vix_high": vix_high, "vix_low": vix_low, "vix": vix,
    }  # fmt: skip
    return EquityPath(
        regime=regime[keep],
        sigma=sigma[keep],
        slow=slow[keep],
        fast=fast[keep],
        returns=returns[keep],
        shocks=(returns / sigma)[keep],
        warm_close=np.exp(close[:_BURN_IN]),
        **{name: np.exp(value[keep]) for name, value in points.items()},
    )


def _walk(
    rng: np.random.Generator, load: Floats, damping: Floats, push: Floats
) -> tuple[npt.NDArray[np.int64], Floats, Floats, Floats, Floats, Floats]:
    """Walk the regime, both parts of log VIX and both parts of the return, session by session."""
    total = len(load)
    chance, leap, jump, size = rng.random((4, total))
    tail = rng.standard_t(6.0, total) / np.sqrt(6.0 / 4.0)
    night = rng.standard_normal(total)
    own = (rng.gamma(4.0, 1.0, total) - 4.0) / 2.0  # skewed: volatility jumps up, not down
    wobble, drift = rng.standard_normal((2, total))
    hit = rng.gamma(4.0, 0.30, total)

    regime = np.empty(total, dtype=np.int64)
    sigma, slow, fast, overnight, day = np.empty((5, total))
    state, level, quick = 1, LONG_RUN, 0.0
    for i in range(total):
        up = min(_UP[state] * damping[i] * np.exp(load[i]), 0.6)
        extra = 0.0
        if chance[i] < up:
            state = min(state + (2 if leap[i] < _SKIP else 1), 3)
            extra = hit[i]
        elif chance[i] < up + _DOWN[state]:
            state -= 1
        # what the evening before implied is what the day brings, give or take
        tension = 1.18 * (level - LONG_RUN) + 1.9 * quick + 0.16 * wobble[i]
        scale = np.exp(LONG_RUN + tension) / (100.0 * 252.0**0.5 * _PREMIUM)
        crash = (1.5 + 3.0 * size[i]) if jump[i] < 1 / 130 else 0.0
        gap = 0.33 * night[i] + push[i] - 0.30 * extra - 0.35 * crash
        move = 0.90 * tail[i] - 0.75 * extra - 0.65 * crash + 0.085
        shock = gap + move
        regime[i], sigma[i] = state, scale
        overnight[i], day[i] = scale * gap, scale * move

        pull = _LEVEL[state] - level
        step = (0.13 if pull > 0 else 0.035) * pull + 0.014 * drift[i]
        fright = 0.016 * (min(-shock, 6.0) - 1.0) ** 1.5 if shock < -1.0 else 0.0
        surprise = -0.045 * shock + 0.031 * own[i] + fright
        level += step + 0.10 * extra
        quick = 0.885 * quick + surprise + 0.04 * extra - 0.004
        slow[i], fast[i] = level, quick
    return regime, sigma, slow, fast, overnight, day
