"""Why a forecast says what it says, in log odds that add up.

The structural offset is the start; each feature's exact TreeSHAP value (averaged over members),
the boosters' expected value and the coherence term are the rest; sigmoid of the sum is the
probability.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.dataset import moment_inputs
from models.forecaster import Forecaster
from models.logit import logit, sigmoid

__all__ = [
    "Contribution",
    "HeadForecast",
    "SessionForecast",
    "explain_rows",
    "group_contributions",
    "probability_points",
]

BOOSTER_BIAS = "booster_bias"
CALIBRATION = "calibration"
COHERENCE = "coherence"


@dataclass(frozen=True)
class Contribution:
    """What one feature (or named term) adds to the log odds; `value` is None where null."""

    feature: str
    value: float | None
    log_odds: float


@dataclass(frozen=True)
class HeadForecast:
    """One head of one session; `probability` is None where the head is not scored."""

    head: str
    horizon: int
    probability: float | None
    prior: float | None
    climatology: float
    interval: tuple[float, float] | None
    base_log_odds: float | None
    contributions: tuple[Contribution, ...]


@dataclass(frozen=True)
class SessionForecast:
    """All heads of one session."""

    session: pd.Timestamp
    at: str
    regime: str | None
    novelty: float | None
    novelty_threshold: float
    heads: tuple[HeadForecast, ...]


def explain_rows(
    forecaster: Forecaster,
    features: pd.DataFrame,
    spine: pd.DataFrame,
    regimes: Sequence[str | None],
    *,
    fallback: bool = False,
) -> list[SessionForecast]:
    """Forecast rows with their contributions.

    Parameters
    ----------
    features : DataFrame
        Rows to forecast.
    spine : DataFrame
        History that reaches every row.
    regimes : sequence of str or None
        VIX band of each row.
    fallback : bool
        Answer with the path prior.
    """
    spine = spine.loc[: features.index.max()]
    odds = forecaster.odds(features, spine)
    inputs = moment_inputs(spine, features).loc[features.index]
    distance = forecaster.novelty.distance(inputs)
    columns: list[list[HeadForecast]] = [[] for _ in range(len(features))]
    for name, head in forecaster.heads.items():
        part = odds[name]
        rate = head.baselines["climatology"].predict(inputs, part.prior)
        if head.shift is not None:
            names = head.shift.features
            values, bias = head.shift.contributions(features)
            shown = features.reindex(columns=list(names)).to_numpy(float)
        else:
            names, values = (), np.zeros((len(features), 0))
            bias, shown = np.zeros(len(features)), np.zeros((len(features), 0))
        log_odds = part.log_odds
        for i, into in enumerate(columns):
            key = head.key
            if not part.asked[i]:
                into.append(
                    HeadForecast(key.head, key.horizon, None, None, float(rate[i]), None, None, ())
                )
                continue
            prior = float(part.prior[i])
            if fallback:
                start = float(logit(prior))
                p = float(sigmoid(start))
                ends = (float(part.prior_lo[i]), float(part.prior_hi[i]))
                into.append(
                    HeadForecast(key.head, key.horizon, p, prior, float(rate[i]), ends, start, ())
                )
                continue
            pushes = np.flatnonzero(values[i])
            pushes = np.flatnonzero(values[i])
            seen, pushed = shown[i, pushes].tolist(), values[i, pushes].tolist()
            terms = [
                Contribution(names[j], None if x != x else x, v)
                for j, x, v in zip(pushes.tolist(), seen, pushed, strict=True)
            ]
            if bias[i] != 0.0:
                terms.append(Contribution(BOOSTER_BIAS, None, float(bias[i])))
            if part.calibration[i] != 0.0:
                terms.append(Contribution(CALIBRATION, None, float(part.calibration[i])))
            if part.coherence[i] != 0.0:
                terms.append(Contribution(COHERENCE, None, float(part.coherence[i])))
            into.append(
                HeadForecast(
                    key.head,
                    key.horizon,
                    float(sigmoid(log_odds[i])),
                    prior,
                    float(rate[i]),
                    (float(part.lo[i]), float(part.hi[i])),
                    float(part.base[i]),
                    tuple(terms),
                )
            )
    return [
        SessionForecast(
            session=pd.Timestamp(session),
            at=forecaster.at,
            regime=regimes[i],
            novelty=None if np.isnan(distance[i]) else float(distance[i]),
            novelty_threshold=forecaster.novelty.threshold,
            heads=tuple(columns[i]),
        )
        for i, session in enumerate(features.index)
    ]


def group_contributions(
    contributions: Iterable[Contribution], groups: Mapping[str, str]
) -> dict[str, float]:
    """Sum log odds by feature group; a term without a group keeps its own name."""
    out: dict[str, float] = {}
    for term in contributions:
        name = groups.get(term.feature, term.feature)
        out[name] = out.get(name, 0.0) + term.log_odds
    return out


def probability_points(
    base_log_odds: float, terms: Sequence[tuple[str, float]]
) -> list[tuple[str, float]]:
    """Turn log odds into probability points for people.

    Each term gets its Shapley share along the straight line from the base to the final log odds,
    ``(p - p0) * term / total``, so the points add up whatever the order. Where the terms cancel
    out, the slope of the logistic at the base is used.

    Returns
    -------
    list of (name, points)
        Points are 100 x probability.
    """
    total = float(sum(value for _, value in terms))
    start = float(sigmoid(base_log_odds))
    if abs(total) < 1e-9:
        slope = start * (1.0 - start)
    else:
        slope = (float(sigmoid(base_log_odds + total)) - start) / total
    return [(name, 100.0 * slope * value) for name, value in terms]


def forecast_json(forecast: SessionForecast) -> list[dict[str, Any]]:
    """Heads of a session in the shape of ``score --json``."""
    return [
        {
            "head": h.head,
            "horizon": h.horizon,
            "probability": h.probability,
            "prior": h.prior,
            "climatology": h.climatology,
            "interval": None if h.interval is None else list(h.interval),
            "base_log_odds": h.base_log_odds,
            "contributions": [
                {"feature": c.feature, "value": c.value, "log_odds": c.log_odds}
                for c in h.contributions
            ],
        }
        for h in forecast.heads
    ]
