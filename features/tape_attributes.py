"""From the integers of a session to what a reader wants to know about it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.tape import MICRO

__all__ = ["attributes"]


def attributes(frame: pd.DataFrame) -> pd.DataFrame:
    """Turn the integers of `sessions` into the attributes of a session.

    Returns
    -------
    DataFrame
        ``base``, ``side``, ``start``, ``end``, ``n``, ``notional_usd``, ``duration_s``,
        ``peak_1s_usd``, ``peak_10s_usd``, ``acceleration`` (-1 all at the start, 0 even, 1 all at
        the end; null below three seconds), ``opposite_usd``, ``one_sidedness`` (null where the
        side is unknown), ``imbalance`` ((long - short) / both), ``n_venues``, ``top_venue_share``,
        ``venue_hhi``, ``tape_move_bps`` (worst price of the events against their first second's,
        positive against the side), ``throttled``, ``throttled_share``, ``known_at``.
    """
    cents = frame["cents"].to_numpy(dtype=float)
    opposite = frame["opposite_cents"].to_numpy(dtype=float)
    start, end = frame["start_us"].to_numpy(), frame["end_us"].to_numpy()
    duration = (end - start) / MICRO
    span = (end // MICRO - start // MICRO).astype(float)
    dollars = frame["dollars"].to_numpy(dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = frame["moment"].to_numpy() / (dollars * span)
        acceleration = np.where((span >= 3) & (dollars > 0), 2.0 * centre - 1.0, np.nan)
        total = cents + opposite
        sided = frame["side"].isin(["long", "short"]).to_numpy()
        one_sidedness = np.where(sided & (total > 0), cents / total, np.nan)
        signed = np.where(frame["side"] == "long", cents - opposite, opposite - cents)
        falls = 1.0 - frame["price_low"] / frame["first_price_high"]
        rises = frame["price_high"] / frame["first_price_low"] - 1.0
        move = np.where(frame["side"] == "long", falls, rises) * 1e4
    positive = np.where(cents > 0, cents, np.nan)
    return pd.DataFrame(
        {
            "base": frame["base"],
            "side": frame["side"],
            "start": pd.to_datetime(frame["start_us"], unit="us", utc=True).dt.as_unit("us"),
            "end": pd.to_datetime(frame["end_us"], unit="us", utc=True).dt.as_unit("us"),
            "n": frame["n"],
            "notional_usd": cents / 100.0,
            "duration_s": duration,
            "peak_1s_usd": frame["peak_1s_cents"] / 100.0,
            "peak_10s_usd": frame["peak_10s_cents"] / 100.0,
            "acceleration": acceleration,
            "opposite_usd": opposite / 100.0,
            "one_sidedness": one_sidedness,
            "imbalance": np.where(
                sided & (total > 0), signed / np.where(total > 0, total, 1), np.nan
            ),
            "n_venues": frame["n_venues"],
            "top_venue_share": frame["top_venue_cents"] / positive,
            "venue_hhi": frame["venue_squares"] / positive**2,
            "tape_move_bps": np.where(sided, move, np.nan),
            "throttled": frame["n_throttled"].to_numpy() > 0,
            "throttled_share": frame["n_throttled"] / frame["n"],
            "known_at": pd.to_datetime(frame["known_us"], unit="us", utc=True).dt.as_unit("us"),
        }
    )
