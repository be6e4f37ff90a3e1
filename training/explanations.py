"""What the reasons of a model are, over recent sessions, in numbers that can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from training.settings import TrainingSettings

__all__ = ["RECENT_SESSIONS", "contributions", "mean_contributions", "recent_contributions"]

RECENT_SESSIONS = 252


def contributions(bundle: Any, dataset: Any, sessions: pd.DatetimeIndex) -> dict[str, pd.DataFrame]:
    """Contributions of each feature, by head, over some sessions.

    Returns
    -------
    dict of str to DataFrame
        By head key (``shift_up_5``): sessions x features, in log odds; sessions where the head is
        not scored are absent.
    """
    forecasts = bundle.forecast(
        at=dataset.at,
        features=dataset.features.loc[sessions],
        spine=dataset.spine.loc[: sessions[-1]],
    )
    rows: dict[str, dict[pd.Timestamp, dict[str, float]]] = {}
    for forecast in forecasts:
        for head in forecast.heads:
            if head.probability is not None:
                terms = {term.feature: term.log_odds for term in head.contributions}
                rows.setdefault(f"{head.head}_{head.horizon}", {})[forecast.session] = terms
    return {key: pd.DataFrame.from_dict(found, orient="index") for key, found in rows.items()}


def recent_contributions(bundle: Any, dataset: Any) -> dict[str, pd.DataFrame]:
    """Contributions over the last year of sessions of a dataset (see `contributions`)."""
    recent = pd.DatetimeIndex(dataset.features.index[-RECENT_SESSIONS:])
    return contributions(bundle, dataset, recent)


def mean_contributions(
    found: Mapping[str, pd.DataFrame], settings: TrainingSettings
) -> pd.DataFrame:
    """Mean absolute contribution of each feature to the primary heads, in log odds.

    Returns
    -------
    DataFrame, shape (features, primary heads)
    """
    columns = {key: found[key].abs().mean() for key in settings.primary if key in found}
    return pd.DataFrame(columns).replace(np.nan, 0.0)
