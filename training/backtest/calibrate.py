"""Fit the smile's few free numbers to published index levels of 1996-2007, and nothing later."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import DataError
from features.store import MarketStore
from serving.smile import DEFAULT, SmileParameters
from training.backtest.levels import published_returns
from training.backtest.market import Market, load_market
from training.backtest.programs import monthly_returns, schedule
from training.backtest.rolls import roll_points

__all__ = ["ERAS", "FREE", "Calibration", "calibrate"]

Vector = NDArray[np.float64]

# what is fitted, and the first step of the search in each
FREE = {
    "ratio_30d": 0.02,
    "ratio_per_skew": 0.015,
    "slope_30d": 0.02,
    "slope_per_skew": 0.03,
    "curvature_30d": 0.004,
    "half_spread": 0.008,
    "half_spread_early": 0.010,
}
ERAS = (("1996-01", "2001-12"), ("2002-01", "2007-12"))
_LAST = pd.Timestamp("2008-01-31")  # the December 2007 mark needs the roll of January 2008
WEIGHTS = {"cndr": 1.0, "bfly": 1.0, "put": 1.0, "bxm": 0.3}
_TRACKING, _DRIFT = 10.0, 6.0  # a squared drift counts 0.6 of a squared tracking error
_EVALUATIONS = 400


@dataclass(frozen=True)
class Calibration:
    """What `calibrate` found.

    Attributes
    ----------
    parameters : SmileParameters
        The fitted numbers in place of the free ones.
    loss : float
        The criterion at the optimum; `start_loss` before.
    profile : dict of str to float
        Relative change of the at-the-money ratio that raises the criterion by one tenth:
        the half-width of the level band.
    """

    parameters: SmileParameters
    loss: float
    start_loss: float
    profile: dict[str, float]


def calibrate(
    store: MarketStore,
    *,
    start: SmileParameters = DEFAULT,
    evaluations: int = _EVALUATIONS,
) -> Calibration:
    """Fit `FREE` by Nelder-Mead to CNDR, BFLY, PUT and BXM over `ERAS`.

    Parameters
    ----------
    store : MarketStore
        Market store with `strategy_indices`.
    start : SmileParameters
        Where the search begins.
    evaluations : int
        Its length.

    Returns
    -------
    Calibration

    Raises
    ------
    DataError
        If an index has no levels in the eras.

    Notes
    -----
    The criterion adds, over indices and eras, the squared tracking error and the squared drift,
    both in units of the index's own volatility. Market data after January 2008 is not read.
    """
    from scipy.optimize import minimize

    market = load_market(store, end=_LAST)
    published = {name: published_returns(store, name, end=_LAST) for name in WEIGHTS}
    for name, series in published.items():
        if series.empty:
            raise DataError(f"no levels of {name} before 2008; the calibration needs them.")
    criterion = _Criterion(market, published)
    steps = np.array(list(FREE.values()))
    origin = np.array([getattr(start, name) for name in FREE]) / steps

    def loss(x: Vector) -> float:
        return criterion(_with(start, x * steps))

    simplex = np.vstack([origin, origin + np.eye(len(origin))])
    options = {"maxfev": evaluations, "adaptive": True, "initial_simplex": simplex}
    found = minimize(loss, origin, method="Nelder-Mead", options=options)
    best = _with(start, found.x * steps)
    return Calibration(
        best, float(found.fun), loss(origin), _profile(criterion, best, float(found.fun))
    )


class _Criterion:
    def __init__(self, market: Market, published: dict[str, pd.Series]) -> None:
        self.market, self.published = market, published
        self.plan = schedule(market)
        at = np.append(self.plan.roll, self.plan.following[-1])
        self.points = roll_points(market, at)

    def __call__(self, parameters: SmileParameters) -> float:
        if min(parameters.half_spread, parameters.half_spread_early) < 0:
            return np.inf
        try:
            return sum(weight * self._one(name, parameters) for name, weight in WEIGHTS.items())
        except DataError:  # a smile that allows arbitrage is no candidate
            return np.inf

    def _one(self, name: str, parameters: SmileParameters) -> float:
        model = monthly_returns(
            self.market, name, plan=self.plan, points=self.points, parameters=parameters
        ).returns
        both = (
            pd.concat([model, self.published[name]], axis=1, keys=["x", "y"]).dropna().sort_index()
        )
        total = 0.0
        for first, last in ERAS:
            era = both.loc[first:last]
            gap, size = era["x"] - era["y"], float(era["y"].std()) * np.sqrt(12)
            tracking, drift = float(gap.std()) * np.sqrt(12) / size, float(gap.mean()) * 12 / size
            total += _TRACKING * tracking**2 + _DRIFT * drift**2
        return total


def _with(start: SmileParameters, values: Vector) -> SmileParameters:
    changes = {name: float(value) for name, value in zip(FREE, values, strict=True)}
    return replace(start, **changes)  # type: ignore[arg-type]


def _profile(criterion: _Criterion, best: SmileParameters, loss: float) -> dict[str, float]:
    out = {}
    for sign, label in ((-1, "down"), (1, "up")):
        width = next(
            (
                step
                for step in np.arange(0.005, 0.155, 0.005)
                if criterion(replace(best, ratio_30d=best.ratio_30d * (1 + sign * step)))
                > 1.1 * loss
            ),
            np.nan,
        )
        out[label] = float(width)
    return out
