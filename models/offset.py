"""The structural offset: the log odds from which a head is boosted.

It is a regularised stack, in log odds, of experts that are named here in advance: climatology, the
structural baselines, two ridge logistics on all structural inputs and, where a head compares
realised volatility with a threshold, a logistic on the margin of a log-variance forecast. The
weights are not negative and sum to one, so the stack can be the best baseline and never runs off.

What the stack learnt is trusted as far as there were independent cases to learn it from; the rest
of the weight lies on the path prior as it is, which needs no labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from models.heads import HEADS, HeadKey
from models.logit import RidgeLogit, Standardised, logit
from models.structural import HAR, IVTS, SEVEN, SPLINE, VARIANCE
from models.variance import LogVariance, has_margin

__all__ = [
    "PRIOR",
    "STACK_PENALTY",
    "Expert",
    "Offset",
    "earned_trust",
    "expert_names",
    "fit_experts",
    "lean_on_prior",
    "offset_columns",
    "stack_weights",
]

STACK = tuple(dict.fromkeys((*VARIANCE, *SPLINE[1:], IVTS)))
# Columns and ridge of each expert.
_COLUMNS: dict[str, tuple[tuple[str, ...], float]] = {
    "climatology": ((), 1.0),
    "vix_spline": (SPLINE, 1.0),
    "ivts_logistic": ((IVTS,), 1.0),
    "logistic7": (SEVEN, 1.0),
    "har_logistic": (HAR, 1.0),
    "prior_recalibrated": (("prior",), 1.0),
    "ridge_300": (("prior", *STACK), 300.0),
    "ridge_30": (("prior", *STACK), 30.0),
    "margin": (("margin", "log_vix", "log_rv21"), 1.0),
}
# Pull of the weights to equal ones, in nats of log loss.
STACK_PENALTY = 0.002
PRIOR, MARGIN = "prior", "margin"
# Independent cases of the rarer outcome at which stack and prior weigh the same.
EVEN_CASES = 20.0
MIN_KNOWN = 250
MIN_OF_EACH = 5
LOG_ODDS_LIMIT = 12.0


@dataclass(frozen=True)
class Expert:
    """Log odds of one expert; `model` is absent for the prior as it is."""

    model: RidgeLogit | None
    variance: LogVariance | None = None

    def from_columns(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Log odds from columns by name, among them ``prior``, the prior's log odds."""
        if self.model is None:
            return columns[PRIOR]
        x = _matrix(self.model.names, columns, self.variance, order="F")
        return np.clip(self.model.log_odds(x), -LOG_ODDS_LIMIT, LOG_ODDS_LIMIT)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {
            "model": None if self.model is None else self.model.to_json(),
            "variance": None if self.variance is None else self.variance.to_json(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Expert:
        """Read what `to_json` wrote."""
        model, variance = document["model"], document["variance"]
        return cls(
            None if model is None else RidgeLogit.from_json(model),
            None if variance is None else LogVariance.from_json(variance),
        )


@dataclass(frozen=True)
class Offset:
    """Experts of one ensemble member and the weights that all members share."""

    weights: dict[str, float]
    experts: dict[str, Expert]

    def from_columns(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Weighted log odds from what `offset_columns` gives."""
        total = np.zeros(len(columns[PRIOR]))
        for name, weight in self.weights.items():
            total = total + weight * self.experts[name].from_columns(columns)
        return total

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {
            "weights": self.weights,
            "experts": {name: expert.to_json() for name, expert in self.experts.items()},
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Offset:
        """Read what `to_json` wrote; weights keep the order of their names."""
        return cls(
            {str(k): float(v) for k, v in document["weights"].items()},
            {str(k): Expert.from_json(v) for k, v in document["experts"].items()},
        )


def prior_log_odds(prior: np.ndarray) -> np.ndarray:
    """Log odds of the path prior; a share of a thousand paths is never taken for certain."""
    return logit(prior, clip=1e-4)


def offset_columns(
    inputs: pd.DataFrame | Mapping[str, np.ndarray], prior: np.ndarray
) -> dict[str, np.ndarray]:
    """Columns by name, out of the frame once: every expert reads most of them.

    Parameters
    ----------
    inputs : DataFrame or mapping
        Structural inputs, or what this function gave for another prior.
    prior : ndarray
        Path prior, probability; the column ``prior`` is its log odds.
    """
    if isinstance(inputs, pd.DataFrame):
        values = np.asfortranarray(inputs.to_numpy(float))
        inputs = {str(name): values[:, j] for j, name in enumerate(inputs.columns)}
    return {**inputs, PRIOR: prior_log_odds(prior)}


def expert_names(key: HeadKey) -> tuple[str, ...]:
    """Name the experts of a head, sorted: the order in which their log odds are summed."""
    names = set(_COLUMNS)
    if not has_margin(key):
        names.discard("margin")
    if HEADS[key.head].needs_open:
        # The prior of an open head follows the feed's last opens; a fit on older ones does not.
        names.add(PRIOR)
    return tuple(sorted(names))


def fit_experts(
    key: HeadKey,
    known: Mapping[str, np.ndarray],
    y: np.ndarray,
    log_variance: np.ndarray,
) -> dict[str, Expert]:
    """Fit every expert of a head on some training rows.

    Parameters
    ----------
    known : mapping of str to ndarray
        What `offset_columns` gives for the rows.
    y : ndarray
        Labels of the rows.
    log_variance : ndarray
        Log realised volatility over the head's horizon: the target of the margin's forecast.
    """
    variance = LogVariance.fit(key, known, log_variance) if has_margin(key) else None
    out: dict[str, Expert] = {}
    wide: dict[tuple[str, ...], Standardised] = {}
    for name in expert_names(key):
        if name == PRIOR:
            out[name] = Expert(None)
            continue
        columns, ridge = _COLUMNS[name]
        if name.startswith("ridge") and variance is not None:
            columns = (*columns, "margin")
        own = variance if "margin" in columns else None
        if len(columns) <= len(SEVEN):
            model = _fit_few(columns, _matrix(columns, known, own), y, ridge)
        else:
            if columns not in wide:
                x = _centred(_matrix(columns, known, own))
                wide[columns] = Standardised.of(x, winsor=0.005)
            model = _fit_many(columns, wide[columns], y, ridge)
        out[name] = Expert(model, own)
    return out


def stack_weights(log_odds: np.ndarray, y: np.ndarray, *, penalty: float) -> np.ndarray:
    """Weights on the simplex that minimise log loss plus a pull to equal weights.

    Parameters
    ----------
    log_odds : ndarray, shape (rows, experts)
        What each expert said of rows that it was not fitted on.
    penalty : float
        Weight of the Kullback-Leibler distance from equal weights, nats.
    """
    from scipy.optimize import minimize

    k = log_odds.shape[1]
    equal = np.full(k, 1.0 / k)

    def objective(v: np.ndarray) -> tuple[float, np.ndarray]:
        w = np.exp(v - v.max())
        w = w / w.sum()
        eta = log_odds @ w
        p = 1.0 / (1.0 + np.exp(-eta))
        loss = float(np.mean(np.logaddexp(0.0, eta) - y * eta))
        pull = float(np.sum(equal * np.log(equal / np.maximum(w, 1e-12))))
        slope = log_odds.T @ (p - y) / len(y)
        return loss + penalty * pull, w * (slope - float(w @ slope)) + penalty * (w - equal)

    found = minimize(objective, np.zeros(k), jac=True, method="L-BFGS-B")
    w = np.exp(found.x - found.x.max())
    return np.asarray(w / w.sum())


def earned_trust(y: np.ndarray, horizon: int) -> float:
    """Share of the weight that the stack has earned, the rest lies on the path prior.

    Parameters
    ----------
    y : ndarray
        Training labels.
    horizon : int
        Sessions that a label spans: so many neighbours tell the same case.
    """
    cases = min(float(y.sum()), float(y.size - y.sum())) / horizon
    return cases / (cases + EVEN_CASES)


def lean_on_prior(weights: Mapping[str, float], trust: float) -> dict[str, float]:
    """Scale the experts' weights by `trust` and give the rest to the prior; names are sorted."""
    scaled = {name: trust * weight for name, weight in weights.items()}
    scaled[PRIOR] = scaled.get(PRIOR, 0.0) + 1.0 - trust
    return {name: scaled[name] for name in sorted(scaled)}


def _fit_few(columns: tuple[str, ...], x: np.ndarray, y: np.ndarray, ridge: float) -> RidgeLogit:
    # A few columns: rows where one is unknown (VIX3M before 2006) teach nothing.
    known = ~np.isnan(x).any(axis=1)
    ones = float(y[known].sum())
    if known.sum() < MIN_KNOWN or min(ones, known.sum() - ones) < MIN_OF_EACH:
        columns, x = (), x[:, :0]
    else:
        x, y = x[known], y[known]
    return RidgeLogit.fit(x, y, names=columns, l2=ridge, winsor=0.001)


def _fit_many(columns: tuple[str, ...], x: Standardised, y: np.ndarray, ridge: float) -> RidgeLogit:
    # A forecast already, the prior and the margin are hardly held by the ridge.
    free = np.array([1e-3 if c in ("prior", "margin") else 1.0 for c in columns])
    return RidgeLogit.fit(x, y, names=columns, l2=ridge, penalised=free)


def _centred(x: np.ndarray) -> np.ndarray:
    """Replace nulls by the column's mean, which is what a null counts as later."""
    null = np.isnan(x)
    if not null.any():
        return x
    known = np.maximum((~null).sum(axis=0), 1)
    return np.where(null, np.where(null, 0.0, x).sum(axis=0) / known, x)


def _matrix(
    names: tuple[str, ...],
    columns: Mapping[str, np.ndarray],
    variance: LogVariance | None,
    *,
    order: Literal["C", "F"] = "C",
) -> np.ndarray:
    """Columns side by side; a fit sums in "C", what is read column by column is faster in "F"."""
    out = np.empty((len(columns[PRIOR]), len(names)), order=order)
    for j, name in enumerate(names):
        out[:, j] = variance.margin(columns) if name == MARGIN and variance else columns[name]
    return out
