"""The expected daily range in its variants, each with its trailing coverage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from serving.settings import EdrSettings

__all__ = ["EDR_NAMES", "Edr", "edr_table", "expected_ranges"]

Array = NDArray[np.float64]

EDR_NAMES = ("edr_vix", "edr_1d", "edr_blend", "edr_cal")
_ROOT = float(np.sqrt(252.0))
_HV_SESSIONS = 20
_BANDS = (15.0, 20.0, 30.0)


@dataclass(frozen=True)
class Edr:
    """One variant on one evening.

    Attributes
    ----------
    name : str
    pct : float or None
        Percent of the index; null when an input is unknown.
    coverage : float or None
        Share of the trailing sessions whose close-to-close move stayed inside; null before
        there are enough of them.
    """

    name: str
    pct: float | None
    coverage: float | None

    def points(self, spot: float) -> float | None:
        """Index points at a spot."""
        return None if self.pct is None else self.pct * spot / 100.0


def expected_ranges(
    close: Array, vix: Array, vix9d: Array, vix1d: Array, *, settings: EdrSettings
) -> dict[str, Array]:
    """Give every variant for every session.

    Parameters
    ----------
    close, vix, vix9d, vix1d : Array
        Closes by session, index points, NaN where unknown.
    settings : EdrSettings

    Returns
    -------
    dict of str to Array
        Percent of the index, by `EDR_NAMES`.

    Notes
    -----
    Timing: the value at t uses closes up to t. ``edr_vix = VIX / sqrt(252)``; ``edr_1d`` the same
    of VIX1D; ``edr_blend`` weighs VIX9D with the 20-session historical volatility, weights
    normalised; ``edr_cal`` is the quantile of |r| over VIX / sqrt(252) among the last sessions of
    the same VIX band, times today's (a conformal quantile, with its ``(n + 1)`` correction).
    """
    move = np.full(close.shape, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        move[1:] = 100.0 * np.abs(np.log(close[1:] / close[:-1]))
    squared = pd.Series(move * move)
    hv20 = np.sqrt(252.0 * squared.rolling(_HV_SESSIONS).mean().to_numpy())
    share = settings.blend_vix9d + settings.blend_hv20
    blend = settings.blend_m * (settings.blend_vix9d * vix9d + settings.blend_hv20 * hv20) / share
    return {
        "edr_vix": vix / _ROOT,
        "edr_1d": vix1d / _ROOT,
        "edr_blend": blend / _ROOT,
        "edr_cal": _calibrated(move, vix, settings) * vix / _ROOT,
    }


def edr_table(
    frame: pd.DataFrame, sessions: Sequence[pd.Timestamp], *, settings: EdrSettings
) -> dict[pd.Timestamp, tuple[Edr, ...]]:
    """Give all variants with coverage, by session.

    Parameters
    ----------
    frame : pd.DataFrame
        Index session; columns ``spx``, ``vix``, ``vix9d``, ``vix1d``: closes as known.
    sessions : sequence of pd.Timestamp
        Sessions wanted.
    settings : EdrSettings

    Returns
    -------
    dict
        Session to the four variants in the order of `EDR_NAMES`.
    """
    close, vix, vix9d, vix1d = (
        frame[name].to_numpy(dtype=float) for name in ("spx", "vix", "vix9d", "vix1d")
    )
    ranges = expected_ranges(close, vix, vix9d, vix1d, settings=settings)
    coverage = {name: _coverage(close, values, settings) for name, values in ranges.items()}
    places = frame.index.get_indexer(pd.DatetimeIndex(list(sessions)))
    return {
        session: tuple(
            Edr(name, _or_none(ranges[name][place]), _or_none(coverage[name][place]))
            for name in EDR_NAMES
        )
        for session, place in zip(sessions, places, strict=True)
    }


def _calibrated(move: Array, vix: Array, settings: EdrSettings) -> Array:
    """Quantile of move over expected move, by the band of the session before the move."""
    known = np.isfinite(vix)
    band = np.where(known, np.searchsorted(_BANDS, np.nan_to_num(vix), side="right"), -1)
    ratio = np.full(move.shape, np.nan)
    ratio[1:] = move[1:] / (vix[:-1] / _ROOT)
    before = np.concatenate(([-1], band[:-1]))
    out = np.full(move.shape, np.nan)
    for code in range(len(_BANDS) + 1):
        places = np.flatnonzero((before == code) & np.isfinite(ratio))
        if len(places) < settings.min_sessions:
            continue
        sample = pd.Series(ratio[places])
        count = sample.rolling(settings.window, min_periods=1).count().to_numpy()
        # conformal: the ceil((n + 1) q)-th smallest of n, so a new move stays inside with
        # probability at least q when moves are exchangeable
        level = np.minimum(np.ceil((count + 1) * settings.quantile), count)
        quantiles = sample.rolling(settings.window, min_periods=settings.min_sessions)
        values = _rolling_order(sample.to_numpy(), quantiles.count().to_numpy(), level, settings)
        at = np.searchsorted(places, np.arange(len(move)), side="right") - 1
        use = (band == code) & (at >= 0)
        out[use] = values[at[use]]
    return out


def _rolling_order(sample: Array, count: Array, level: Array, settings: EdrSettings) -> Array:
    """Give the `level`-th smallest of the trailing window at each place."""
    from bisect import bisect_left, insort

    out = np.full(sample.shape, np.nan)
    ordered: list[float] = []
    for place, value in enumerate(sample):
        insort(ordered, float(value))
        if len(ordered) > settings.window:
            ordered.pop(bisect_left(ordered, float(sample[place - settings.window])))
        if np.isfinite(count[place]) and len(ordered) >= settings.min_sessions:
            out[place] = ordered[int(level[place]) - 1]
    return out


def _coverage(close: Array, edr: Array, settings: EdrSettings) -> Array:
    inside = np.full(close.shape, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        move = 100.0 * np.abs(np.log(close[1:] / close[:-1]))
        judged = np.isfinite(move) & np.isfinite(edr[:-1])
        inside[1:] = np.where(judged, (move <= edr[:-1]).astype(float), np.nan)
    series = pd.Series(inside)
    minimum = max(settings.coverage_sessions // 2, 1)
    return series.rolling(settings.coverage_sessions, min_periods=minimum).mean().to_numpy()


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
