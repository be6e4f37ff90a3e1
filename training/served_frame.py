"""One flat frame in, one flat frame out: how the MLflow model speaks about a bundle.

The input has the session, the SPX and VIX prices of the spine, and the feature columns. The
prices of every row are the history of the path prior; the features of the last row are scored.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

__all__ = ["forecast_frame", "input_frame"]

NUMBERS = (
    "horizon",
    "probability",
    "prior",
    "climatology",
    "interval_lo",
    "interval_hi",
    "base_log_odds",
)
SPINE = ("spx_open", "spx_high", "spx_low", "spx_close", "vix_close")


def input_frame(features: pd.DataFrame, spine: pd.DataFrame) -> pd.DataFrame:
    """Join prices and features to the model's input.

    Parameters
    ----------
    features : DataFrame, shape (1, features)
        Feature row of the session to forecast.
    spine : DataFrame
        Prices up to and including that session.

    Returns
    -------
    DataFrame
        session, the spine's columns, then the features (null before the last row), all float64.
    """
    frame = spine[list(SPINE)].join(features, how="left")
    return frame.astype("float64").rename_axis("session").reset_index()


def forecast_frame(bundle: Any, frame: pd.DataFrame, *, at: str) -> pd.DataFrame:
    """Forecast the last session of an input frame.

    Returns
    -------
    DataFrame
        head, horizon, probability, prior, climatology, interval_lo, interval_hi, base_log_odds,
        one row for each head; probability is null where the head is not scored.
    """
    indexed = frame.set_index(pd.DatetimeIndex(frame["session"], name="session").as_unit("us"))
    spine = indexed[list(SPINE)]
    features = indexed.drop(columns=["session", *SPINE]).tail(1)
    (forecast,) = bundle.forecast(at=at, features=features, spine=spine)
    return pd.DataFrame(
        [
            {
                "head": head.head,
                "horizon": head.horizon,
                "probability": head.probability,
                "prior": head.prior,
                "climatology": head.climatology,
                "interval_lo": head.interval[0] if head.interval else None,
                "interval_hi": head.interval[1] if head.interval else None,
                "base_log_odds": head.base_log_odds,
            }
            for head in forecast.heads
        ]
    ).astype(dict.fromkeys(NUMBERS, float))
