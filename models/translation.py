"""The translation score: whether a cascade becomes equity weakness or passes as a volatility pop.

A ridge logistic on the few inputs that section 3.14 of the domain notes names, fitted on the
sessions whose evening learned of a new cascade. What is scarce is independent clusters of
cascades, not sessions, so they are counted, and below a stated minimum there is no score, only the
reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from models.aftermath import FALL, HORIZON, clusters, too_few
from models.logit import RidgeLogit, sigmoid
from models.scores import stationary_indices

__all__ = [
    "INPUTS",
    "MIN_CLUSTERS",
    "MIN_OF_EACH",
    "Score",
    "Translation",
    "block_weights",
    "fit_translation",
]

INPUTS = (
    "casc_new_z",
    "casc_new_long_share",
    "bw_c",
    "ad_confirm",
    "wacc_stress_z",
    "usd_chg20",
    "pcf_z",
    "casc_new_engineered",
)
#: Fewer independent clusters than this, or fewer of one outcome, and no score is given.
MIN_CLUSTERS, MIN_OF_EACH = 30, 10
#: A coefficient of half a log odds a standard deviation is one prior standard deviation.
RIDGE = 1.0 / (2.0 * 0.5**2)
WINSOR = 0.01
MIN_KNOWN = 0.6
MEAN_BLOCK_SESSIONS, DRAWS, SEED = 21, 400, 0
TAILS = (0.05, 0.95)


def block_weights(n: int, *, draws: int = DRAWS, seed: int = SEED) -> np.ndarray:
    """How often each of `n` sessions is in each stationary bootstrap sample, shape (draws, n)."""
    rows = stationary_indices(n, mean_block=MEAN_BLOCK_SESSIONS, repeats=draws, seed=seed)
    return np.stack([np.bincount(row, minlength=n) for row in rows]).astype(float)


@dataclass(frozen=True)
class Score:
    """Probability of weakness with its interval, and the log odds that make it.

    Parameters
    ----------
    probability, lo, hi : float
        Score and the central 90 % of the bootstrap's scores.
    base_log_odds : float
        Log odds with every input at its mean.
    parts : tuple of (name, value, log odds)
        One for each input; a null value adds nothing.
    """

    probability: float
    lo: float
    hi: float
    base_log_odds: float
    parts: tuple[tuple[str, float | None, float], ...]


@dataclass(frozen=True)
class Translation:
    """A fitted translation score, or the reason why there is none.

    Parameters
    ----------
    reason : str or None
        Why no score is given; None where one is.
    counts : dict
        ``sessions, clusters, weak, weak_clusters, fleeting`` and the span ``from, to``.
    base_rate : float or None
        Share of cascade sessions that became weakness, with half a count of each outcome added.
    model : RidgeLogit or None
    known : tuple of float
        Share of cascade sessions on which each input of the model is known.
    left_out : dict of str to float
        Inputs known on less than 60 % of them.
    draws : ndarray, shape (draws, 1 + inputs)
        Intercept and coefficients of each bootstrap sample, in the units of `model`.
    skill : tuple of dict
        Walk-forward skill, from the laboratory.
    lead : dict or None
        What a new cascade adds to VIX and the day's return, from the laboratory.
    """

    reason: str | None
    counts: Mapping[str, Any]
    base_rate: float | None = None
    model: RidgeLogit | None = None
    known: tuple[float, ...] = ()
    left_out: Mapping[str, float] = field(default_factory=dict)
    draws: np.ndarray | None = None
    skill: tuple[Mapping[str, Any], ...] = ()
    lead: Mapping[str, Any] | None = None

    def beats(self, baseline: str) -> bool | None:
        """Whether the gain over ``base_rate`` or ``vix`` lies above zero with its interval.

        None where it was never scored out of sample.
        """
        for row in self.skill:
            if (row["forecast"], row["against"]) == ("translation", baseline):
                return None if row["gain_lo"] is None else bool(row["gain_lo"] > 0.0)
        return None

    def score(self, values: Mapping[str, float | None]) -> Score | None:
        """Score one session with a new cascade; None where there is a reason against."""
        if self.model is None or self.draws is None or self.reason is not None:
            return None
        names = self.model.names
        given = [values.get(name) for name in names]
        x = np.array([[np.nan if v is None else float(v) for v in given]])
        parts = self.model.parts(x)[0]
        z = np.nan_to_num(_standard(self.model, x)[0])
        drawn = sigmoid(self.draws[:, 0] + self.draws[:, 1:] @ z)
        lo, hi = (float(v) for v in np.quantile(drawn, TAILS))
        total = float(self.model.log_odds(x)[0])
        told = [None if np.isnan(v) else float(v) for v in x[0]]
        return Score(
            float(sigmoid(total)),
            lo,
            hi,
            float(self.model.intercept),
            tuple(zip(names, told, (parts + 0.0).tolist(), strict=True)),
        )

    def coefficients(self) -> list[dict[str, Any]]:
        """Log odds for one standard deviation of each input, with the bootstrap's 90 %."""
        if self.model is None or self.draws is None:
            return []
        low, high = np.quantile(self.draws[:, 1:], TAILS, axis=0)
        return [
            {"input": n, "known": k, "coefficient": float(c), "lo": float(a), "hi": float(b)}
            for n, k, c, a, b in zip(
                self.model.names, self.known, self.model.coef, low, high, strict=True
            )
        ]

    def summary(self) -> dict[str, Any]:
        """Everything that a person reads: all but the draws."""
        return {
            "horizon": HORIZON,
            "fall_pct": 100.0 * FALL,
            "min_clusters": MIN_CLUSTERS,
            "min_of_each": MIN_OF_EACH,
            "reason": self.reason,
            **self.counts,
            "base_rate": self.base_rate,
            "beats_base_rate": self.beats("base_rate"),
            "beats_vix": self.beats("vix"),
            "coefficients": self.coefficients(),
            "left_out": dict(self.left_out),
            "skill": [dict(row) for row in self.skill],
            "lead": None if self.lead is None else dict(self.lead),
        }

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {
            "reason": self.reason,
            "counts": dict(self.counts),
            "base_rate": self.base_rate,
            "model": None if self.model is None else self.model.to_json(),
            "known": list(self.known),
            "left_out": dict(self.left_out),
            "draws": None if self.draws is None else self.draws.tolist(),
            "skill": [dict(row) for row in self.skill],
            "lead": None if self.lead is None else dict(self.lead),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Translation:
        """Read what `to_json` wrote."""
        model, draws = document["model"], document["draws"]
        return cls(
            reason=document["reason"],
            counts=document["counts"],
            base_rate=document["base_rate"],
            model=None if model is None else RidgeLogit.from_json(model),
            known=tuple(document["known"]),
            left_out=document["left_out"],
            draws=None if draws is None else np.array(draws, float),
            skill=tuple(document["skill"]),
            lead=document["lead"],
        )


def fit_translation(rows: pd.DataFrame, *, draws: int = DRAWS) -> Translation:
    """Fit the score on the cascade sessions among `rows`.

    Parameters
    ----------
    rows : DataFrame
        All sessions on which a cascade could have been seen, ascending: `INPUTS`, ``cascade``
        (bool), ``weakness`` and ``fleeting`` (null rows do not teach), ``place`` (position among
        the exchange's sessions).
    draws : int
        Bootstrap samples; 0 fits without intervals, for the walk-forward.

    Returns
    -------
    Translation
        Without a score below the minimum, unless `draws` is 0.

    Notes
    -----
    *Timing:* the caller hands over rows whose outcome had ended by the time of the fit.
    """
    taught = (rows["cascade"] & rows["weakness"].notna()).to_numpy(bool)
    events = rows[taught]
    y = events["weakness"].to_numpy(float)
    cluster = clusters(events["place"].to_numpy(int))
    counts = _counts(events, y, cluster)
    reason = too_few(cluster, y, least=MIN_CLUSTERS, of_each=MIN_OF_EACH)
    if len(events) == 0 or (draws > 0 and reason is not None):
        rate = float((y.sum() + 0.5) / (y.size + 1.0)) if y.size else None
        return Translation(reason, counts, rate)
    share = events[list(INPUTS)].notna().mean()
    names = tuple(n for n in INPUTS if share[n] >= MIN_KNOWN)
    raw = events[list(names)]
    # a null counts as the mean here, and as nothing in a score: the same
    x = raw.fillna(raw.mean()).to_numpy(float)
    model = RidgeLogit.fit(x, y, names=names, l2=RIDGE, winsor=WINSOR)
    return Translation(
        None,
        counts,
        float((y.sum() + 0.5) / (y.size + 1.0)),
        model,
        tuple(float(share[n]) for n in names),
        {n: float(share[n]) for n in INPUTS if n not in names},
        _drawn(model, x, y, block_weights(len(rows), draws=draws)[:, taught]) if draws else None,
    )


def _counts(events: pd.DataFrame, y: np.ndarray, cluster: np.ndarray) -> dict[str, Any]:
    return {
        "sessions": len(y),
        "clusters": len(set(cluster.tolist())),
        "weak": int(y.sum()),
        "weak_clusters": len(set(cluster[y == 1.0].tolist())),
        "fleeting": int(events["fleeting"].sum()),
        "from": f"{events.index[0]:%Y-%m-%d}" if len(y) else None,
        "to": f"{events.index[-1]:%Y-%m-%d}" if len(y) else None,
    }


def _standard(model: RidgeLogit, x: np.ndarray) -> np.ndarray:
    return np.asarray((np.clip(x, model.low, model.high) - model.centre) / model.scale)


def _drawn(model: RidgeLogit, x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Refit on each bootstrap sample that has both outcomes."""
    z = _standard(model, x)
    out = []
    for weight in weights:
        ones = float(weight @ y)
        if ones == 0.0 or ones == weight.sum():
            continue
        fit = RidgeLogit.fit(z, y, names=model.names, l2=RIDGE, weight=weight)
        coef = fit.coef / fit.scale
        out.append(np.append(fit.intercept - coef @ fit.centre, coef))
    return np.array(out)
