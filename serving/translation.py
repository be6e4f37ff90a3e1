"""The equity side of an evening: what the translation score says, and whether it says anything.

It moves nothing on a ticket. Where it has not beaten the base rate and VIX alone out of sample, the
label is neutral whatever the score, and the reason says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from models.aftermath import HORIZON

if TYPE_CHECKING:
    from models.translation import Translation

__all__ = ["HEAD", "MOMENT", "bias_line", "translation_answer", "translation_fields"]

HEAD = "translation"
MOMENT = "evening"
_COUNTS = ("sessions", "clusters", "weak", "weak_clusters", "fleeting")


def translation_fields(
    translation: Translation | None, features: Mapping[str, Any] | pd.Series[float], at: str
) -> dict[str, Any]:
    """Score a session's new cascades.

    Parameters
    ----------
    translation : Translation or None
        Of the bundle that answers.
    features : mapping or Series
        The feature row, null or NaN where unknown.
    at : str
        Moment of the row.

    Returns
    -------
    dict
        ``cascades`` (new ones, null where they could not be measured), ``score`` (probability that
        SPX falls 3 % or more within five sessions of the session's close), ``interval``,
        ``base_rate``, counts of what it was fitted on, ``beats_base_rate``, ``beats_vix``,
        ``label``, ``reason``, ``base_log_odds``, ``contributions``.

    Notes
    -----
    `label` is ``none`` without a new cascade, ``weakness`` or ``fleeting`` where the score has
    earned a voice and its interval lies above or below the base rate, else ``neutral``.
    """
    new = _known(features.get("casc_new"))
    out: dict[str, Any] = {
        "cascades": None if new is None else int(new),
        "score": None,
        "interval": [None, None],
        "base_rate": None,
        **dict.fromkeys(_COUNTS),
        "beats_base_rate": None,
        "beats_vix": None,
        "label": "neutral",
        "reason": None,
        "base_log_odds": None,
        "contributions": [],
    }
    if translation is None:
        return out | {"reason": "the model holds no translation score; retrain to fit one"}
    out |= {name: translation.counts[name] for name in _COUNTS}
    out |= {
        "base_rate": translation.base_rate,
        "beats_base_rate": translation.beats("base_rate"),
        "beats_vix": translation.beats("vix"),
    }
    if at != MOMENT:
        why = (
            f"fitted at the {MOMENT} cut-off: a cascade of the night counts there, a session later"
        )
        return out | {"reason": why}
    if new is None:
        return out | {"reason": "cascades could not be measured"}
    if new == 0:
        return out | {"label": "none", "reason": "no new cascade since the evening before"}
    values = {name: _known(features.get(name)) for name in _names(translation)}
    told = translation.score(values)
    if told is None:
        return out | {"reason": translation.reason}
    label, reason = _voice(translation, told.lo, told.hi)
    return out | {
        "score": told.probability,
        "interval": [told.lo, told.hi],
        "label": label,
        "reason": reason,
        "base_log_odds": told.base_log_odds,
        "contributions": [{"feature": n, "value": v, "log_odds": c} for n, v, c in told.parts],
    }


def _names(translation: Translation) -> tuple[str, ...]:
    return () if translation.model is None else translation.model.names


def _voice(translation: Translation, lo: float, hi: float) -> tuple[str, str]:
    base = translation.base_rate or 0.0
    for against, name in (("base_rate", f"the base rate of {100 * base:.1f} %"), ("vix", "VIX")):
        if not translation.beats(against):
            return "neutral", f"adds nothing to {name} that could be shown out of sample"
    if lo > base:
        return "weakness", "its interval lies above the base rate"
    if hi < base:
        return "fleeting", "its interval lies below the base rate"
    return "neutral", "its interval holds the base rate"


def translation_answer(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give the translation score of a forecast in the shape of a head, for `explain`.

    Its prior is the base rate, its offset every input at its mean; ``reason`` says why a
    null probability is null.
    """
    told = document.get("translation") or {}
    return {
        "head": HEAD,
        "horizon": HORIZON,
        "probability": told.get("score"),
        "prior": told.get("base_rate"),
        "base_log_odds": told.get("base_log_odds"),
        "contributions": told.get("contributions", []),
        "reason": told.get("reason") or "the forecast was recorded without one",
    }


def bias_line(bias: Mapping[str, Any] | None) -> str:
    """Say the equity bias of a ticket in one line."""
    if bias is None:
        return "equity bias: unknown"
    line = f"equity bias: {bias['label']}"
    if bias["score"] is not None:
        lo, hi = bias["interval"]
        line += (
            f", {100 * bias['score']:.0f} % [{100 * lo:.0f}, {100 * hi:.0f}] that the cascade "
            f"becomes weakness ({bias['clusters']} independent clusters)"
        )
    return f"{line}: {bias['reason']}"


def _known(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)
