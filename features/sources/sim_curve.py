"""The simulated volatility surface: the other volatility indices and the VIX futures curve.

Both read the two parts of log VIX that `sim_equity` walked: the slow part carries to every
tenor, the fast part only to the near ones, so the curve stands in contango on most days and
inverts when the fast part jumps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.sources.sim_equity import LONG_RUN, EquityPath

__all__ = ["autoregressive", "contract_rows", "volatility_indices"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Tenor:
    """How one index hangs on VIX: loads on both parts, premium (log), own noise."""

    slow: float
    fast: float
    premium: float
    noise: float
    memory: float


_TENORS = {
    "vix9d": _Tenor(slow=1.03, fast=1.45, premium=-0.045, noise=0.050, memory=0.55),
    "vix3m": _Tenor(slow=0.93, fast=0.50, premium=0.080, noise=0.018, memory=0.80),
    "vix6m": _Tenor(slow=0.85, fast=0.30, premium=0.125, noise=0.030, memory=0.92),
}
_TERM_YEARS = 0.95  # decay of the slow part along the futures curve
_TERM_FAST_YEARS = 0.11  # decay of the fast part
_TERM_PREMIUM = 0.155  # log premium of a far contract over the expected VIX
_LISTED = 9  # monthly expiries that trade at one time


def autoregressive(
    rng: np.random.Generator, size: int, *, memory: float, deviation: float
) -> Floats:
    """Draw a first-order autoregression of stationary standard deviation `deviation`."""
    from scipy.signal import lfilter

    steps = rng.standard_normal(size)
    steps[1:] *= (1.0 - memory**2) ** 0.5
    return deviation * np.asarray(lfilter([1.0], [1.0, -memory], steps), dtype=np.float64)


def volatility_indices(seed: np.random.SeedSequence, path: EquityPath) -> dict[str, pd.DataFrame]:
    """Open, high, low and close of every volatility index, points, two decimals.

    Returns
    -------
    dict of str to DataFrame
        By symbol; VVIX and SKEW have closes alone, as in Cboe's files.
    """
    rng = np.random.default_rng(seed)
    size = len(path.vix)
    bars = {"vix": _frame(path.vix_open, path.vix_high, path.vix_low, path.vix)}
    for symbol, tenor in _TENORS.items():
        own = autoregressive(rng, size, memory=tenor.memory, deviation=tenor.noise)
        anchor = LONG_RUN + tenor.slow * (path.slow - LONG_RUN) + tenor.premium
        close = anchor + tenor.fast * path.fast + own
        # the day's open, high and low stand to the close as those of VIX do, scaled by the load
        scale = 0.5 + 0.5 * tenor.fast
        opened, high, low = (
            np.exp(close + scale * np.log(values / path.vix))
            for values in (path.vix_open, path.vix_high, path.vix_low)
        )
        bars[symbol] = _frame(opened, high, low, np.exp(close))
    own = autoregressive(rng, size, memory=0.965, deviation=0.11)
    vvix = np.exp(4.52 + 0.12 * (path.slow - LONG_RUN) + 0.62 * path.fast + own)
    own = autoregressive(rng, size, memory=0.95, deviation=9.5)
    skew = 129.0 - 7.0 * (np.log(path.vix) - LONG_RUN) + own
    bars["vvix"] = _frame(vvix)
    bars["skew"] = _frame(np.maximum(skew, 101.0))
    return bars


def _frame(*columns: Floats) -> pd.DataFrame:
    names = ("open", "high", "low", "close") if len(columns) == 4 else ("close",)
    rounded = np.round(np.column_stack(columns), 2)
    if len(columns) == 4:
        rounded[:, 1] = rounded.max(axis=1)
        rounded[:, 2] = rounded.min(axis=1)
    return pd.DataFrame(rounded, columns=list(names))


def contract_rows(
    seed: np.random.SeedSequence,
    path: EquityPath,
    sessions: pd.DatetimeIndex,
    expiries: pd.DatetimeIndex,
) -> pd.DataFrame:
    """Daily rows of every monthly VIX futures contract, nine listed at a time.

    Parameters
    ----------
    seed : numpy.random.SeedSequence
        Source of curve noise, volumes and open interest.
    path : EquityPath
        The simulated VIX.
    sessions : DatetimeIndex
        Session of every element of `path`.
    expiries : DatetimeIndex
        Settlement days, ascending, reaching nine months past the last session.

    Returns
    -------
    DataFrame
        The columns of ``vix_futures_contracts.parquet``. On the expiry day settle is the final
        settlement: the opening VIX, near enough.
    """
    rng = np.random.default_rng(seed)
    size = len(sessions)
    front = np.searchsorted(expiries.asi8, sessions.as_unit("us").asi8)
    rank = np.arange(_LISTED)[None, :]
    which = front[:, None] + rank
    if int(which.max()) >= len(expiries):
        raise ValueError("`expiries` must reach nine contracts past the last session.")
    expiry = expiries.to_numpy()[which]
    days = (expiry - sessions.to_numpy()[:, None]) / np.timedelta64(1, "D")
    years = days / 365.0
    tilt = autoregressive(rng, size, memory=0.97, deviation=0.05)
    near = np.exp(-years / _TERM_YEARS)
    own = 0.006 * rng.standard_normal((size, _LISTED))
    level = (
        LONG_RUN
        + near * (path.slow - LONG_RUN)[:, None]
        + np.exp(-years / _TERM_FAST_YEARS) * path.fast[:, None]
        + (1.0 - np.exp(-years / 0.16)) * (_TERM_PREMIUM + tilt[:, None])
        + own
    )
    settle = np.exp(level)
    final = days == 0.0
    settle = np.where(final, path.vix_open[:, None], settle)
    pass_on = near * (0.25 + 0.75 * np.exp(-years / _TERM_FAST_YEARS))
    ratios = [
        np.exp(pass_on * np.log(values / path.vix)[:, None])
        for values in (path.vix_open, path.vix_high, path.vix_low)
    ]
    traded = np.where(final, path.vix_open[:, None] * np.exp(own), settle * np.exp(own / 2.0))
    opened, high, low = (traded * ratio for ratio in ratios)
    bars = np.round(np.stack([opened, high, low, traded]) / 0.05) * 0.05
    bars[1], bars[2] = bars.max(axis=0), bars.min(axis=0)
    typical = np.array([90e3, 72e3, 21e3, 9.8e3, 5.6e3, 3.3e3, 1.6e3, 340.0, 30.0])
    volume = typical * np.exp(0.35 * rng.standard_normal((size, _LISTED)))
    volume *= np.exp(1.2 * np.maximum(path.fast, -0.2))[:, None] * np.where(final, 0.02, 1.0)
    held = np.array([127e3, 122e3, 44e3, 28e3, 20e3, 13.7e3, 7.3e3, 2.1e3, 150.0])
    interest = held * np.exp(0.12 * rng.standard_normal((size, _LISTED)))
    flat = {
        "date": np.repeat(sessions.to_numpy(), _LISTED),
        "expiry": expiry.ravel(),
        "is_monthly": True,
        **{
            name: np.round(bars[i].ravel(), 2)
            for i, name in enumerate(("open", "high", "low", "close"))
        },
        "settle": np.round(settle.ravel(), 4),
        "volume": volume.ravel().astype(np.int64),
        "efp": (volume * 0.002).ravel().astype(np.int64),
        "open_interest": interest.ravel().astype(np.int64),
        "source": "simulated",
    }
    frame = pd.DataFrame(flat)
    frame["date"] = frame["date"].astype("datetime64[us]")
    frame["expiry"] = frame["expiry"].astype("datetime64[us]")
    return frame
