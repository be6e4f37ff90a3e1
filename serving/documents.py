"""From evidence to the forecast document: what `score` prints and the ledger keeps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import DataError
from serving.evidence import Evidence, ticket_session
from serving.pushes import Pushes
from serving.translation import translation_fields

if TYPE_CHECKING:
    from models.bundle import Bundle, SessionForecast
    from models.explain import Contribution

__all__ = ["forecast", "same_spine"]


def forecast(bundle: Bundle, evidence: Sequence[Evidence], at: str) -> list[dict[str, Any]]:
    """Forecast sessions without recording anything.

    Parameters
    ----------
    bundle : Bundle
    evidence : sequence of Evidence
        Of one moment, rising in session.
    at : str

    Returns
    -------
    list of dict
        Documents without the ledger's `revision` keys.
    """
    documents: list[dict[str, Any]] = []
    names = bundle.manifest["feature_names"].get(at, [])
    for group in same_spine(evidence):
        features = pd.DataFrame(
            np.vstack([item.features.to_numpy(dtype=float) for item in group]),
            index=pd.DatetimeIndex([item.session for item in group], name="session"),
            columns=list(group[0].names),
        )
        lacking = [name for name in names if name not in features.columns]
        answers = bundle.forecast(at=at, features=features, spine=group[-1].spine)
        for item, answer in zip(group, answers, strict=True):
            documents.append(_document(bundle, item, answer, lacking, at))
    return documents


def same_spine(evidence: Sequence[Evidence]) -> list[list[Evidence]]:
    """Split where the known history was revised: one spine must serve a whole call."""
    groups: list[list[Evidence]] = []
    for item in evidence:
        if groups and groups[-1][-1].history is item.history:
            groups[-1].append(item)
        else:
            groups.append([item])
    return groups


def _document(
    bundle: Bundle, item: Evidence, answer: SessionForecast, lacking: list[str], at: str
) -> dict[str, Any]:
    until = pd.Timestamp(bundle.until)
    in_sample = bool(item.session <= until)
    return {
        "session": f"{item.session:%Y-%m-%d}",
        "at": at,
        "cutoff": item.cutoff.isoformat(),
        "ticket_session": f"{ticket_session(item.session):%Y-%m-%d}",
        "model_version": bundle.model_version,
        "regime": answer.regime,
        "data_quality": _doubts(bundle, item, answer, lacking, in_sample),
        "inputs_hash": item.digest,
        "heads": [
            {
                "head": head.head,
                "horizon": int(head.horizon),
                "probability": _number(head.probability),
                "prior": _number(head.prior),
                "climatology": _number(head.climatology),
                "interval": [_number(end) for end in head.interval or (None, None)],
                "base_log_odds": _number(head.base_log_odds),
                "contributions": _pushes(head.contributions),
            }
            for head in answer.heads
        ],
        "until": f"{until:%Y-%m-%d}",
        "in_sample": in_sample,
        "fallback": bool(bundle.fallback),
        "novelty": _number(answer.novelty),
        "novelty_threshold": _number(answer.novelty_threshold),
        "missing_features": lacking,
        "translation": translation_fields(bundle.translation, item.features, at),
        "spx_close": _number(float(item.recent("spx_close", 1)[0])),
        "vix_close": _number(float(item.recent("vix_close", 1)[0])),
    }


def _pushes(contributions: Sequence[Contribution]) -> Pushes | list[dict[str, Any]]:
    from models.explain import Terms

    if isinstance(contributions, Terms) and len(contributions):
        own = contributions
        return Pushes(own.names, own.places, own.values, own.log_odds)
    return []


def _doubts(
    bundle: Bundle, item: Evidence, answer: SessionForecast, lacking: list[str], in_sample: bool
) -> list[str]:
    doubts = []
    if in_sample:
        doubts.append(f"in-sample: the model was trained on data to {bundle.until}")
    if bundle.fallback:
        doubts.append("fallback: no head beat its baseline, the model answers with the baseline")
    if lacking:
        doubts.append(f"feature list differs: {len(lacking)} unknown, first {lacking[0]}")
    novelty, limit = _number(answer.novelty), _number(answer.novelty_threshold)
    if novelty is not None and limit is not None and novelty > limit:
        doubts.append(f"novel inputs: {novelty:.3g} against a threshold of {limit:.3g}")
    null = np.isnan(item.features.to_numpy(dtype=float))
    for group, places in _groups(item.names, bundle.feature_names):
        lost = int(null[places].sum())
        if lost == len(places):
            doubts.append(f"no data: {group} (all {lost} features null)")
        elif lost:
            doubts.append(f"partial data: {group} ({lost} of {len(places)} features null)")
    return doubts


@lru_cache(maxsize=16)
def _groups(
    names: tuple[str, ...], known: tuple[str, ...]
) -> tuple[tuple[str, NDArray[np.intp]], ...]:
    """Find the columns of each feature group that the model knows."""
    from features.catalog import CATALOG

    places: dict[str, list[int]] = {}
    kept = set(known)
    for place, name in enumerate(names):
        if name in kept and name in CATALOG:
            places.setdefault(CATALOG[name].group, []).append(place)
    return tuple((group, np.array(found, np.intp)) for group, found in places.items())


def _number(value: float | None) -> float | None:
    if value is None:
        return None
    number = float(value)
    if math.isinf(number):
        raise DataError(
            f"a forecast holds {number}. Expected finite numbers; the bundle is damaged."
        )
    return None if math.isnan(number) else number
