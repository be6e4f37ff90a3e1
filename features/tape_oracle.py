"""The same sessions and hourly totals in plain pandas, one event at a time: the test oracle.

Slow and obvious on purpose. It works on events, not on seconds, so that it shares no step with the
expression it checks. Nothing outside tests and benchmarks calls it.
"""

from __future__ import annotations

import pandas as pd

from features.tape import GAP_SECONDS, HOUR_US, HOURLY_COLUMNS, MICRO, SESSION_COLUMNS

__all__ = ["hourly_oracle", "sessions_oracle"]


def sessions_oracle(events: pd.DataFrame, *, gap_seconds: int = GAP_SECONDS) -> pd.DataFrame:
    """Sessions of `events` with the columns and integers of `features.tape.sessions`."""
    rows = events.sort_values(["base", "side", "ts_us"], kind="stable", ignore_index=True)
    keys = ["base", "side"]
    silence = rows.groupby(keys)["ts_us"].diff()
    rows["session"] = (
        (silence.isna() | (silence > gap_seconds * MICRO))
        .groupby([rows["base"], rows["side"]])
        .cumsum()
    )
    rows["second"] = rows["ts_us"] // MICRO
    rows["ten"] = rows["second"] // 10
    rows["price"] = rows["price_e8"].where(rows["price_e8"] != 0)
    whole_keys = [*keys, "session"]
    by = rows.groupby(whole_keys)
    out = by.agg(
        start_us=("ts_us", "min"),
        end_us=("ts_us", "max"),
        n=("ts_us", "size"),
        cents=("cents", "sum"),
        price_low=("price", "min"),
        price_high=("price", "max"),
        n_throttled=("throttled", "sum"),
        known_us=("known_us", "max"),
    )
    second = rows.groupby([*whole_keys, "second"])["cents"].sum().reset_index("second")
    dollars = second["cents"] // 100
    out["dollars"] = dollars.groupby(whole_keys).sum()
    since = second["second"] - second["second"].groupby(whole_keys).transform("min")
    moment = dollars * since
    out["moment"] = moment.groupby(whole_keys).sum()
    out["peak_1s_cents"] = second["cents"].groupby(whole_keys).max()
    out["peak_10s_cents"] = (
        rows.groupby([*whole_keys, "ten"])["cents"].sum().groupby(whole_keys).max()
    )
    venue = rows.groupby([*whole_keys, "venue"])["cents"].sum()
    out["n_venues"] = venue.groupby(whole_keys).size()
    out["top_venue_cents"] = venue.groupby(whole_keys).max()
    # python integers do not overflow
    squares = venue.astype(object).map(lambda cents: int(cents) ** 2)
    out["venue_squares"] = squares.groupby(whole_keys).sum().astype(float)
    # the first bucket decides; where it has no price at all there is no first price
    rows["bucket"] = rows["second"] // (gap_seconds // 10 * 10)
    opening = rows["bucket"] == by["bucket"].transform("min")
    priced = rows[opening & rows["price"].notna()]
    earliest = priced["second"] == priced.groupby(whole_keys)["second"].transform("min")
    first = priced[earliest].groupby(whole_keys)["price"]
    out["first_price_high"] = first.max()
    out["first_price_low"] = first.min()
    out["opposite_cents"] = _opposite(rows, gap_seconds)
    out = out.reset_index()
    return out[list(SESSION_COLUMNS)].sort_values(["start_us", "base", "side"], ignore_index=True)


def _opposite(rows: pd.DataFrame, gap_seconds: int) -> pd.Series:
    """Notional of the coin's other sides in the clock buckets that each session touches."""
    bucket = rows["second"] // (gap_seconds // 10 * 10)
    rows = rows.assign(bucket=bucket)
    coin = rows.groupby(["base", "bucket"])["cents"].sum()
    own = rows.groupby(["base", "side", "bucket"])["cents"].sum()
    touched = rows[["base", "side", "session", "bucket"]].drop_duplicates()
    both = coin.reindex(pd.MultiIndex.from_frame(touched[["base", "bucket"]])).to_numpy()
    mine = own.reindex(pd.MultiIndex.from_frame(touched[["base", "side", "bucket"]])).to_numpy()
    return touched.assign(other=both - mine).groupby(["base", "side", "session"])["other"].sum()


def hourly_oracle(events: pd.DataFrame) -> pd.DataFrame:
    """Hourly totals of `events` with the columns of `features.tape.hourly`."""
    rows = events.assign(hour_us=events["ts_us"] - events["ts_us"] % HOUR_US)
    out = rows.groupby(["base", "side", "hour_us"], as_index=False).agg(
        n=("ts_us", "size"),
        cents=("cents", "sum"),
        n_venues=("venue", "nunique"),
        n_throttled=("throttled", "sum"),
        known_us=("known_us", "max"),
    )
    return out[list(HOURLY_COLUMNS)].sort_values(["hour_us", "base", "side"], ignore_index=True)
