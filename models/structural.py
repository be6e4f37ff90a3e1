"""Inputs that need nothing but SPX and VIX prices: HAR terms, VIX spline, log-variance margin.

The baselines and the structural offset are written in these columns. They reach back to 1990, so
no column is empty for an era.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from models.heads import TRADING_DAYS
from models.state import HISTORY, State, lagged, state, window_mean

__all__ = ["HAR", "IVTS", "SEVEN", "SPLINE", "VARIANCE", "structural_inputs"]

# Feature of VIX / VIX3M; its log joins the inputs under this name, the one that prices do not give.
IVTS = "vix_vix3m"
SPLINE_KNOTS_VIX = (11.0, 14.0, 17.0, 21.0, 28.0, 45.0)
SPLINE = tuple(f"vix_spline_{i}" for i in range(1, len(SPLINE_KNOTS_VIX)))
HAR = ("log_rv1", "log_rv5", "log_rv21")
SEVEN = ("log_vix", "log_rv5", "log_rv21", "ret1", "ret5", "dvix5", "drawdown63")
VARIANCE = (
    "log_vix",
    "log_rv1",
    "log_range1",
    "log_rv5",
    "log_rv21",
    "log_rv63",
    "log_range5",
    "log_range21",
    "down_share5",
    "down_share21",
    "ret1",
    "ret5",
    "ret21",
    "dvix1",
    "dvix5",
    "vix_gap63",
    "drawdown63",
)
_FLOOR = 1e-6


def structural_inputs(spine: pd.DataFrame) -> pd.DataFrame:
    """Compute the structural columns of every session of a spine.

    Returns
    -------
    DataFrame
        Index of the spine, float64. `log_rv1`, `log_rv5`, `log_rv21`, `log_rv63`: log of realised
        volatility in annual points over so many sessions; `log_range1`, `log_range5`,
        `log_range21`: the same from the true range (Parkinson); `down_share5`, `down_share21`:
        share of the squared returns that fell; `ret1`, `ret5`, `ret21`: log returns over the
        expected move of their span; `dvix1`, `dvix5`: changes of log VIX; `vix_gap63`: log VIX
        less its mean of 63 sessions; `drawdown63`: log of close over its highest of 63 sessions;
        `vix_spline_*`: natural cubic spline of log VIX.

    Notes
    -----
    Timing: known at the close of the row's session.
    """
    s = state(spine)
    out = {"log_vix": s.log_vix}
    squares = s.ret**2
    for width in (1, 5, 21, HISTORY):
        out[f"log_rv{width}"] = _log_vol(window_mean(squares, width))
    parkinson = s.true_range**2 / (4.0 * np.log(2.0))
    down = np.where(s.ret < 0, squares, 0.0)
    for width in (1, 5, 21):
        out[f"log_range{width}"] = _log_vol(window_mean(parkinson, width))
    for width in (5, 21):
        out[f"down_share{width}"] = window_mean(down, width) / (
            window_mean(squares, width) + _FLOOR**2
        )
    daily = np.exp(s.log_vix) / 100.0 / np.sqrt(TRADING_DAYS)
    for width in (1, 5, 21):
        out[f"ret{width}"] = window_mean(s.ret, width) * np.sqrt(width) / lagged(daily, width)
    out["dvix1"] = s.d_log_vix
    out["dvix5"] = s.log_vix - lagged(s.log_vix, 5)
    out["vix_gap63"] = s.log_vix - window_mean(s.log_vix, HISTORY)
    out["drawdown63"] = _drawdown(s)
    out |= dict(zip(SPLINE, _spline(s.log_vix).T, strict=True))
    return pd.DataFrame(out, index=spine.index)


def _log_vol(variance: np.ndarray) -> np.ndarray:
    # A session without any move has no log; one basis point stands for it.
    return np.asarray(np.log(100.0 * np.sqrt(TRADING_DAYS * np.maximum(variance, 1e-8))))


def _drawdown(s: State) -> np.ndarray:
    # Sum of the returns since the high, found backwards: the window alone matters.
    fall = np.zeros(len(s))
    worst = np.zeros(len(s))
    for k in range(HISTORY - 1):
        fall = fall + lagged(s.ret, k)
        worst = np.minimum(worst, fall)
    worst[np.isnan(fall)] = np.nan
    return worst


def _spline(x: np.ndarray) -> np.ndarray:
    """Natural cubic spline basis (Hastie, Tibshirani and Friedman, section 5.2.1)."""
    knots = np.log(np.array(SPLINE_KNOTS_VIX))
    last, before = knots[-1], knots[-2]

    def d(k: float) -> np.ndarray:
        cube = np.maximum(x - k, 0.0) ** 3 - np.maximum(x - last, 0.0) ** 3
        return np.asarray(cube / (last - k))

    columns = [x] + [d(k) - d(before) for k in knots[:-2]]
    return np.column_stack(columns)
