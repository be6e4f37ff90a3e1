"""What must be beaten: simple forecasts with one interface, fitted as carefully as the model.

Each baseline reads the structural inputs and the prior of the same rows as the model, is fitted on
the same training rows, and exports to JSON. Those that filter a latent state (`LATENT`) read the
columns of `models.latent` and exist where a dataset has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from features.bands import BAND_EDGES
from features.errors import DataError
from models.heads import HeadKey
from models.latent import GJR_VOL, TURBULENT, exceedance_column
from models.logit import RidgeLogit, logit, sigmoid
from models.structural import HAR, IVTS, SEVEN, SPLINE

__all__ = ["BASELINES", "LATENT", "Baseline", "baseline_from_json", "fit_baselines"]

LATENT = ("gjr_garch", "gjr_recalibrated", "markov_switching")

BAND_SHRINK = 25.0
RIDGE = 1.0
MIN_ROWS = 250
MIN_OF_EACH = 5


class Baseline(Protocol):
    """A fitted baseline of one head."""

    def predict(self, inputs: pd.DataFrame, prior: np.ndarray) -> np.ndarray:
        """Probability of each row of the structural inputs; `prior` is the path prior."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        ...


@dataclass(frozen=True)
class Climatology:
    """Share of ones in the training rows."""

    rate: float

    @classmethod
    def fit(cls, inputs: pd.DataFrame, prior: np.ndarray, y: np.ndarray) -> Climatology:
        """Count, with half a count of each outcome added so that it is never 0 or 1."""
        return cls(float((y.sum() + 0.5) / (y.size + 1.0)))

    def predict(self, inputs: pd.DataFrame, prior: np.ndarray) -> np.ndarray:
        """Give the same number everywhere."""
        return np.full(len(inputs), self.rate)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {"kind": "climatology", "rate": self.rate}


@dataclass(frozen=True)
class Persistence:
    """Share of ones in each VIX band: the row of the band's transition matrix."""

    rates: tuple[float, ...]

    @classmethod
    def fit(cls, inputs: pd.DataFrame, prior: np.ndarray, y: np.ndarray) -> Persistence:
        """Count by band, shrunk to climatology by 25 rows."""
        band, overall = _band(inputs), Climatology.fit(inputs, prior, y).rate
        rates = []
        for b in range(len(BAND_EDGES) + 1):
            own = y[band == b]
            rates.append(float((own.sum() + BAND_SHRINK * overall) / (own.size + BAND_SHRINK)))
        return cls(tuple(rates))

    def predict(self, inputs: pd.DataFrame, prior: np.ndarray) -> np.ndarray:
        """Look up the band of the row."""
        return np.asarray(np.array(self.rates)[_band(inputs)])

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {"kind": "persistence", "rates": list(self.rates)}


@dataclass(frozen=True)
class Logistic:
    """Ridge logistic on some structural inputs; `prior` in the columns is the prior's log odds."""

    model: RidgeLogit

    @classmethod
    def fit(
        cls,
        columns: tuple[str, ...],
        inputs: pd.DataFrame,
        prior: np.ndarray,
        y: np.ndarray,
        *,
        l2: float = RIDGE,
    ) -> Logistic:
        """Fit on the rows where every column is known; a null later counts as the centre."""
        x = _columns(columns, inputs, prior)
        known = ~np.isnan(x).any(axis=1)
        if known.sum() < MIN_ROWS or min(y[known].sum(), (1 - y[known]).sum()) < MIN_OF_EACH:
            # Too little to fit: a constant, as climatology.
            rate = float(logit(Climatology.fit(inputs, prior, y).rate))
            k = len(columns)
            zero, one = np.zeros(k), np.ones(k)
            return cls(RidgeLogit(columns, zero, one, -one * np.inf, one * np.inf, rate, zero))
        return cls(RidgeLogit.fit(x[known], y[known], names=columns, l2=l2, winsor=0.001))

    def predict(self, inputs: pd.DataFrame, prior: np.ndarray) -> np.ndarray:
        """Sigmoid of the log odds."""
        return sigmoid(self.model.log_odds(_columns(self.model.names, inputs, prior)))

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {"kind": "logistic", "model": self.model.to_json()}


@dataclass(frozen=True)
class Prior:
    """The path prior as it is."""

    @classmethod
    def fit(cls, inputs: pd.DataFrame, prior: np.ndarray, y: np.ndarray) -> Prior:
        """Nothing to fit."""
        return cls()

    def predict(self, inputs: pd.DataFrame, prior: np.ndarray) -> np.ndarray:
        """Give the prior."""
        return np.asarray(prior, float)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {"kind": "prior"}


@dataclass(frozen=True)
class Simulated:
    """Log odds that a filter's simulation gave, as they are."""

    column: str

    def predict(self, inputs: pd.DataFrame, prior: np.ndarray) -> np.ndarray:
        """Sigmoid of the column."""
        return sigmoid(_columns((self.column,), inputs, prior)[:, 0])

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {"kind": "simulated", "column": self.column}


class _Fit(Protocol):
    def __call__(self, inputs: pd.DataFrame, prior: np.ndarray, y: np.ndarray) -> Baseline: ...


def _logistic(*columns: str) -> _Fit:
    def fit(inputs: pd.DataFrame, prior: np.ndarray, y: np.ndarray) -> Baseline:
        return Logistic.fit(columns, inputs, prior, y)

    return fit


BASELINES: dict[str, _Fit] = {
    "climatology": Climatology.fit,
    "persistence": Persistence.fit,
    "vix_spline": _logistic(*SPLINE),
    "ivts_logistic": _logistic(IVTS),
    "logistic7": _logistic(*SEVEN),
    "har_logistic": _logistic(*HAR),
    "prior": Prior.fit,
    "prior_recalibrated": _logistic("prior"),
}


def fit_baselines(
    key: HeadKey, inputs: pd.DataFrame, prior: np.ndarray, y: np.ndarray, *, light: bool = False
) -> dict[str, Baseline]:
    """Fit every baseline of one head on its training rows.

    Parameters
    ----------
    key : HeadKey
        The head.
    inputs : DataFrame
        Structural inputs of the rows, with the columns of `models.latent` or without.
    prior : ndarray
        Path prior of the rows.
    y : ndarray
        Labels of the rows.
    light : bool
        Fit climatology and the prior alone.
    """
    if light:
        return {n: BASELINES[n](inputs, prior, y) for n in ("climatology", "prior")}
    out = {n: fit(inputs, prior, y) for n, fit in BASELINES.items()}
    if TURBULENT in inputs.columns:
        out |= _latent(key, inputs, prior, y)
    return out


def _latent(
    key: HeadKey, inputs: pd.DataFrame, prior: np.ndarray, y: np.ndarray
) -> dict[str, Baseline]:
    exceeds = exceedance_column(key.id)
    out: dict[str, Baseline] = {}
    if exceeds in inputs.columns:
        out["gjr_garch"] = Simulated(exceeds)
        out["gjr_recalibrated"] = Logistic.fit((exceeds,), inputs, prior, y)
    else:
        # A model of SPX closes has no odds of VIX levels or of opens; its forecast has some.
        forecast = (f"{GJR_VOL}{key.horizon}", "log_vix")
        out["gjr_garch"] = Logistic.fit(forecast, inputs, prior, y)
    # The state says turbulent or not; how far that is above today's levels decides the label.
    regime = (TURBULENT, "log_vix", "log_rv21")
    out["markov_switching"] = Logistic.fit(regime, inputs, prior, y)
    return out


def baseline_from_json(document: Mapping[str, Any]) -> Baseline:
    """Read what a baseline's `to_json` wrote."""
    kind = document["kind"]
    if kind == "climatology":
        return Climatology(float(document["rate"]))
    if kind == "persistence":
        return Persistence(tuple(float(v) for v in document["rates"]))
    if kind == "prior":
        return Prior()
    if kind == "simulated":
        return Simulated(str(document["column"]))
    return Logistic(RidgeLogit.from_json(document["model"]))


def _band(inputs: pd.DataFrame) -> np.ndarray:
    vix = np.exp(inputs["log_vix"].to_numpy(float))
    # The log and back may miss an edge by a rounding; bands are of the published close.
    return np.searchsorted(np.array(BAND_EDGES), np.round(vix, 6), side="right")


def _columns(names: tuple[str, ...], inputs: pd.DataFrame, prior: np.ndarray) -> np.ndarray:
    if lost := [n for n in names if n != "prior" and n not in inputs.columns]:
        raise DataError(
            f"a baseline needs the columns {lost}, which the inputs lack. Give make_dataset the "
            "`latent` of models.latent.walk_forward_latent, as at the fit."
        )
    columns = [logit(prior) if n == "prior" else inputs[n].to_numpy(float) for n in names]
    return np.column_stack(columns)
