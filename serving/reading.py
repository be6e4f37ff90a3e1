"""From recorded forecasts to what the policy reads of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from serving.policy import Forecast
from serving.settings import ServingSettings
from serving.state import MarketState

__all__ = ["forecast_of", "overlay_probability"]

_CRISIS = 30.0


def forecast_of(
    document: Mapping[str, Any],
    earlier: Sequence[Mapping[str, Any] | None],
    state: MarketState,
    settings: ServingSettings,
) -> Forecast:
    """Read from the documents what the policy needs.

    Parameters
    ----------
    document : mapping
        Forecast of the session.
    earlier : sequence of mapping or None
        Forecasts of the sessions before, newest first.
    state : MarketState
    settings : ServingSettings
    """
    novelty, limit = document["novelty"], document["novelty_threshold"]
    age = (state.session - pd.Timestamp(document["until"])).days
    return Forecast(
        p_shift=overlay_probability(document, settings),
        p_applies=state.vix < _CRISIS,
        earlier=tuple(None if e is None else overlay_probability(e, settings) for e in earlier),
        model_age_days=max(age, 0),
        novel=novelty is not None and limit is not None and novelty > limit,
        feature_mismatch=bool(document["missing_features"]),
    )


def overlay_probability(document: Mapping[str, Any], settings: ServingSettings) -> float | None:
    """Give the probability of the overlay's head; None where it is not scored."""
    wanted = (settings.policy.p_head, settings.policy.p_horizon)
    for head in document["heads"]:
        if (head["head"], head["horizon"]) == wanted:
            return None if head["probability"] is None else float(head["probability"])
    return None
