"""What two classical filters know at the close of t: GJR-GARCH variance, and a turbulent regime.

Inputs of the baselines `gjr_garch`, `gjr_recalibrated` and `markov_switching` alone; the model
never reads them. Both are fitted on the years before and filter with fixed parameters after that.
They need the packages `arch` and `statsmodels` (extra ``baselines``).
"""

from __future__ import annotations

import warnings
from functools import partial
from importlib.util import find_spec

import numpy as np
import pandas as pd

from features.errors import DataError
from models.garch import GjrGarch
from models.heads import (
    EVENING_HORIZONS,
    EXPANSION_RATIO,
    REALISED_WINDOW,
    TRADING_DAYS,
    expected_move,
)
from models.logit import logit
from models.state import State, state, window_mean
from models.yearly import MIN_HISTORY, Each, Year, year_by_year

__all__ = ["GJR_VOL", "TURBULENT", "exceedance_column", "lacking", "walk_forward_latent"]

PACKAGES = ("arch", "statsmodels")
TURBULENT = "turbulent_log_odds"
GJR_VOL = "gjr_log_vol_"


def exceedance_column(head_id: str) -> str:
    """Column of a head's log odds under GJR-GARCH; only heads about SPX moves have one."""
    return f"gjr_log_odds_{head_id}"


def lacking() -> str | None:
    """Say what is missing for these baselines and what to do; None where nothing is."""
    absent = [name for name in PACKAGES if find_spec(name) is None]
    if not absent:
        return None
    return f"{' and '.join(absent)} not installed; pip install 'stormpetrel[baselines]' adds them"


def walk_forward_latent(
    spine: pd.DataFrame, *, min_sessions: int = MIN_HISTORY, each: Each = map
) -> pd.DataFrame:
    """Filter every session with parameters that were fitted on earlier years only.

    Parameters
    ----------
    spine : DataFrame
        From `features.pipeline.spine(store)`.
    min_sessions : int
        Sessions of history before the first fit. Years before it are NaN.
    each : callable
        Maps over the years, which do not depend on each other.

    Returns
    -------
    DataFrame
        Index of the spine. ``gjr_log_vol_<h>``: log of the volatility that GJR-GARCH expects over
        h sessions, annual points. ``gjr_log_odds_<head id>``: its log odds of `expansion`,
        `premium_failure`, `breach` and `breach_down`. ``turbulent_log_odds``: filtered log odds
        of the more volatile of two Markov-switching regimes of SPX returns (Hamilton 1989).

    Raises
    ------
    DataError
        If `arch` or `statsmodels` is not installed.

    Notes
    -----
    *Timing:* sessions of year Y use fits on the sessions up to the end of Y - 1, and returns up
    to their own close.
    """
    if (absent := lacking()) is not None:
        raise DataError(f"GJR-GARCH and Markov-switching baselines: {absent}.")
    told = partial(_latent_of_year, spine)
    return year_by_year(spine, _columns(), told, min_sessions=min_sessions, each=each)


def _latent_of_year(spine: pd.DataFrame, year: Year) -> pd.DataFrame:
    last, now = year
    s = state(spine.loc[: now[-1]])
    returns = 100.0 * s.ret
    past = s.sessions <= last
    rows = s.sessions.get_indexer(now)
    values = _gjr(GjrGarch.fit(returns[past]), s, returns, rows)
    values[TURBULENT] = _turbulent(returns, past)[rows]
    return pd.DataFrame(values, index=now)


def _columns() -> list[str]:
    heads = [f"{n}_{h}" for n in ("expansion", "premium_failure") for h in EVENING_HORIZONS]
    heads += ["breach_1", "breach_down_1"]
    return [
        *(f"{GJR_VOL}{h}" for h in (1, *EVENING_HORIZONS)),
        *(exceedance_column(head) for head in heads),
        TURBULENT,
    ]


def _gjr(model: GjrGarch, s: State, returns: np.ndarray, rows: np.ndarray) -> dict[str, np.ndarray]:
    variance = model.next_variance(returns)[rows]
    out = {}
    for h in (1, *EVENING_HORIZONS):
        out[f"{GJR_VOL}{h}"] = np.log(TRADING_DAYS * model.mean_variance(variance, h)) / 2.0
    past, vix = window_mean(returns**2, REALISED_WINDOW)[rows], s.vix[rows]
    squares = {}
    for h in EVENING_HORIZONS:
        squares[f"expansion_{h}"] = (h, h * EXPANSION_RATIO**2 * past)
        squares[f"premium_failure_{h}"] = (h, h * vix**2 / TRADING_DAYS)
    odds = model.exceedance(variance, squares)
    move = 100.0 * expected_move(vix)
    down = model.below(variance, -move)
    odds["breach_down_1"] = down
    odds["breach_1"] = down + (1.0 - model.below(variance, move))
    for name, p in odds.items():
        out[exceedance_column(name)] = logit(p)
    return out


def _turbulent(returns: np.ndarray, past: np.ndarray) -> np.ndarray:
    """Filter the log odds of the regime with the larger variance; a null return keeps them."""
    from statsmodels.tsa.regime_switching.markov_regression import MarkovRegression

    known = ~np.isnan(returns)

    def model(rows: np.ndarray) -> MarkovRegression:
        return MarkovRegression(returns[rows], k_regimes=2, trend="c", switching_trend=False,
                                switching_variance=True)  # fmt: skip

    with warnings.catch_warnings():
        # One regime may be enough for a calm span; its likelihood is then flat, not wrong.
        warnings.simplefilter("ignore")
        fitted = model(known & past).fit(disp=False, return_params=True)
        filtered = model(known).filter(fitted, return_raw=True)
    first, second = fitted[-2:]
    turbulent = filtered.filtered_marginal_probabilities[1 if second > first else 0]
    return np.append(np.nan, logit(turbulent))[np.cumsum(known)]
