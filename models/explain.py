"""Why a forecast says what it says, in log odds that add up.

The structural start (offset, halfway to the path prior where that is moved) comes first; each
feature's exact TreeSHAP value (averaged over members, boosters and movers together), the trees'
expected value, calibration and coherence are the rest; sigmoid of the sum is the probability.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import pandas as pd

from models.columns import taken
from models.dataset import moment_inputs
from models.forecaster import Forecaster, HeadModel, HeadOdds, of_head
from models.logit import logit, sigmoid
from models.state import REACH

__all__ = [
    "Contribution",
    "HeadForecast",
    "SessionForecast",
    "Terms",
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


@dataclass(frozen=True, eq=False)
class Terms(Sequence[Contribution]):
    """Contributions of one head and session as arrays: a table of rows has thousands of them.

    Parameters
    ----------
    names : tuple of str
        Terms that the head can have, the same tuple for all of its sessions.
    places : ndarray of int
        Those that push, rising.
    values, log_odds : ndarray
        One each; a value is NaN where null.
    """

    names: tuple[str, ...]
    places: np.ndarray
    values: np.ndarray
    log_odds: np.ndarray

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[Contribution]:
        columns = self.places.tolist(), self.values.tolist(), self.log_odds.tolist()
        for place, value, push in zip(*columns, strict=True):
            yield Contribution(self.names[place], None if value != value else value, push)

    @overload
    def __getitem__(self, place: int) -> Contribution: ...
    @overload
    def __getitem__(self, place: slice) -> list[Contribution]: ...
    def __getitem__(self, place: int | slice) -> Contribution | list[Contribution]:
        return list(self)[place]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)


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
    contributions: Sequence[Contribution]


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
    # names are looked up head by head, and as plain objects that is ten times faster
    features = features.set_axis(features.columns.astype(object), axis=1)
    ends = pd.DatetimeIndex([features.index.min(), features.index.max()])
    first, last = spine.index.get_indexer(ends)
    spine = spine.iloc[max(first - REACH, 0) : last + 1]
    inputs = moment_inputs(spine, features).loc[features.index]
    odds = forecaster.odds(features, spine, inputs=inputs)
    distance = forecaster.novelty.distance(inputs)
    columns: list[list[HeadForecast]] = [[] for _ in range(len(features))]
    movers = {} if fallback else forecaster.movers
    pushes = {
        name: mover.contributions(features) for name, mover in movers.items() if mover.boosters
    }
    for name, head in forecaster.heads.items():
        part = odds[name]
        rate = head.baselines["climatology"].predict(inputs, part.prior).tolist()
        if fallback:
            told = _prior_alone(head, part, rate)
        else:
            told = _with_reasons(head, part, rate, features, of_head(pushes, head))
        for into, one in zip(columns, told, strict=True):
            into.append(one)
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


def _prior_alone(head: HeadModel, part: HeadOdds, rate: list[float]) -> Iterator[HeadForecast]:
    """Answer with the path prior."""
    start = logit(part.prior)
    p, base = sigmoid(start).tolist(), start.tolist()
    ends = list(zip(part.prior_lo.tolist(), part.prior_hi.tolist(), strict=True))
    key = head.key
    for i, asked in enumerate(part.asked.tolist()):
        if asked:
            prior = float(part.prior[i])
            yield HeadForecast(key.head, key.horizon, p[i], prior, rate[i], ends[i], base[i], ())
        else:
            yield HeadForecast(key.head, key.horizon, None, None, rate[i], None, None, ())


def _with_reasons(
    head: HeadModel,
    part: HeadOdds,
    rate: list[float],
    features: pd.DataFrame,
    moved: np.ndarray | None,
) -> Iterator[HeadForecast]:
    """Answer with the model, each feature's push beside it; `moved` are those of its mover."""
    n, key = len(features), head.key
    names: tuple[str, ...] = ()
    pushes, bias, shown = np.zeros((n, 0)), np.zeros(n), np.zeros((n, 0))
    if head.shift is not None:
        names = head.shift.features
        shown = taken(features, names)
        pushes = np.zeros((n, len(names)))
        # trees are slow to explain, and a head that is not asked has nothing to say
        asked = features if part.asked.all() else features[part.asked]
        pushes[part.asked], bias[part.asked] = head.shift.contributions(
            asked, None if moved is None else moved[part.asked]
        )
    names = (*names, BOOSTER_BIAS, CALIBRATION, COHERENCE)
    pushes = np.column_stack([pushes, bias, part.calibration, part.coherence])
    shown = np.column_stack([shown, np.full((n, 3), np.nan)])
    p = sigmoid(part.log_odds).tolist()
    ends = list(zip(part.lo.tolist(), part.hi.tolist(), strict=True))
    for i, known in enumerate(part.asked.tolist()):
        if not known:
            yield HeadForecast(key.head, key.horizon, None, None, rate[i], None, None, ())
            continue
        places = np.flatnonzero(pushes[i])
        terms = Terms(names, places, shown[i, places], pushes[i, places])
        prior, base = float(part.prior[i]), float(part.base[i])
        yield HeadForecast(key.head, key.horizon, p[i], prior, rate[i], ends[i], base, terms)


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
