"""From raw liquidation events to sessions and hourly totals: one expression, any ibis backend.

The stage is integer arithmetic from end to end (microseconds, cents, prices in 1e-8 dollars), so
every engine gives the same rows. Events are first added up to clock buckets no longer than the gap,
which loses nothing and leaves the windows a fraction of the rows; a bucket is a unique sort key, so
equal times cannot be ordered differently by two engines. Ratios are formed afterwards, in
`tape_attributes`, once for all engines.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from features.errors import UsageError

__all__ = [
    "EVENT_COLUMNS",
    "GAP_SECONDS",
    "HOURLY_COLUMNS",
    "SESSION_COLUMNS",
    "hourly",
    "run",
    "sessions",
]

GAP_SECONDS = 60
MICRO = 1_000_000
HOUR_US = 3_600 * MICRO
# 11 million dollars in 1e-8, and room above it for the seconds of a bucket of up to an hour
PRICE_LIMIT = 2**50
# a second's microseconds times this lie further apart than any two prices
PRICE_STEP = PRICE_LIMIT // MICRO + 1
SECOND_STEP = PRICE_STEP * MICRO

# what the stage reads
EVENT_COLUMNS: dict[str, str] = {
    "ts_us": "int64",  # event time, microseconds since the epoch
    "known_us": "int64",  # from when it could be known
    "base": "string",
    "side": "string",  # long, short, or unknown where the venue does not say
    "venue": "string",
    "cents": "int64",  # USD notional
    "price_e8": "int64",  # USD price in 1e-8, below PRICE_LIMIT; 0 where there is none
    "throttled": "int64",  # 1 if the feed leaves events out
}

SESSION_COLUMNS = (
    "base",
    "side",
    "start_us",
    "end_us",
    "n",
    "cents",
    "opposite_cents",
    "peak_1s_cents",
    "peak_10s_cents",
    "dollars",
    "moment",
    "n_venues",
    "top_venue_cents",
    "venue_squares",
    "first_price_high",
    "first_price_low",
    "price_low",
    "price_high",
    "n_throttled",
    "known_us",
)
HOURLY_COLUMNS = ("base", "side", "hour_us", "n", "cents", "n_venues", "n_throttled", "known_us")


def sessions(events: Any, *, gap_seconds: int = GAP_SECONDS, origin_us: int = 0) -> Any:
    """Build the sessions of a tape: same coin and side, no silence longer than the gap.

    Parameters
    ----------
    events : ibis.Table
        `EVENT_COLUMNS`; more columns do no harm. One row an event, no duplicates.
    gap_seconds : int
        Silence that ends a session, 10 to 3600.
    origin_us : int
        A time near the data, on a full second; it keeps products small and changes no result.

    Returns
    -------
    ibis.Table
        `SESSION_COLUMNS`, unordered. Peaks are over clock-aligned seconds and ten-seconds;
        ``opposite_cents`` is what the coin's other side lost in the clock buckets (of the gap's
        length, in whole ten-seconds) that the session touches; ``moment`` the sum of dollars times
        seconds since the session's first; ``venue_squares`` the sum of squared cents over venues.

    Raises
    ------
    UsageError
        If `gap_seconds` is out of range.

    Notes
    -----
    Two events in one clock bucket no longer than the gap are always in one session. So events are
    added up to seconds, ten-seconds and buckets by hashing, and only buckets are sorted: the gap
    between the last event of one and the first of the next decides, exactly as between events.
    """
    if not 10 <= gap_seconds <= 3600:
        raise UsageError(f"`gap_seconds` must lie between 10 and 3600, got {gap_seconds}.")
    bucket_us = gap_seconds // 10 * 10 * MICRO
    by_venue = _by_venue(events, bucket_us)
    buckets = _numbered(_buckets(by_venue, _peaks(events, bucket_us, origin_us)), gap_seconds)
    opening = buckets.opens == 1
    keys = ["base", "side", "session"]
    whole = buckets.group_by(keys).agg(
        start_us=buckets.start_us.min(),
        end_us=buckets.end_us.max(),
        n=_total(buckets.n),
        cents=_total(buckets.cents),
        opposite_cents=_total(buckets.opposite_cents),
        peak_1s_cents=buckets.peak_1s_cents.max(),
        peak_10s_cents=buckets.peak_10s_cents.max(),
        dollars=_total(buckets.dollars),
        moment=_total(buckets.moment),
        # one bucket opens a session, so a maximum picks that bucket's value
        first_price_low=opening.ifelse(buckets.first_low % SECOND_STEP, None).max(),
        first_price_high=opening.ifelse(
            PRICE_LIMIT - 1 - buckets.first_high % SECOND_STEP, None
        ).max(),
        price_low=buckets.price_low.min(),
        price_high=buckets.price_high.max(),
        n_throttled=_total(buckets.n_throttled),
        known_us=buckets.known_us.max(),
    )
    first_second = (whole.start_us - whole.start_us % MICRO - origin_us) // MICRO
    whole = whole.mutate(moment=whole.moment - first_second * whole.dollars)
    return whole.join(_venues(by_venue, buckets), keys).select(*SESSION_COLUMNS)


def _total(column: Any) -> Any:
    return _int64(column.sum())


def _int64(total: Any) -> Any:
    """Cast where ibis sees no need: DuckDB sums to 128 bits and would calculate on with them."""
    from ibis.expr import datatypes, operations

    return operations.Cast(total, datatypes.int64).to_expr()


def _by_venue(events: Any, bucket_us: int) -> Any:
    """Add events up to buckets of each venue."""
    timed = events.select(
        "base", "side", "venue", "ts_us", "known_us", "cents", "throttled",
        bucket_us=events.ts_us - events.ts_us % bucket_us,
        # second of the bucket first, price after it: the smallest is the first second's extreme
        second=(events.ts_us % bucket_us - events.ts_us % MICRO) * PRICE_STEP,
        price=events.price_e8.nullif(0),
    )  # fmt: skip
    return timed.group_by(["base", "side", "venue", "bucket_us"]).agg(
        start_us=timed.ts_us.min(),
        end_us=timed.ts_us.max(),
        n=timed.count().cast("int64"),
        cents=_total(timed.cents),
        first_low=(timed.second + timed.price).min(),
        first_high=(timed.second + (PRICE_LIMIT - 1 - timed.price)).min(),
        price_low=timed.price.min(),
        price_high=timed.price.max(),
        n_throttled=_total(timed.throttled),
        known_us=timed.known_us.max(),
    )


def _peaks(events: Any, bucket_us: int, origin_us: int) -> Any:
    """Add events up to seconds and ten-seconds, and keep the largest of each bucket."""
    timed = events.select("base", "side", "cents", sec_us=events.ts_us - events.ts_us % MICRO)
    second = timed.group_by(["base", "side", "sec_us"]).agg(cents=_total(timed.cents))
    second = second.mutate(
        ten_us=second.sec_us - second.sec_us % (10 * MICRO),
        dollars=second.cents // 100,
        offset=(second.sec_us - origin_us) // MICRO,
    )
    ten = second.group_by(["base", "side", "ten_us"]).agg(
        cents=_total(second.cents),
        peak_1s_cents=second.cents.max(),
        dollars=_total(second.dollars),
        moment=_total(second.dollars * second.offset),
    )
    ten = ten.mutate(bucket_us=ten.ten_us - ten.ten_us % bucket_us)
    return ten.group_by(["base", "side", "bucket_us"]).agg(
        peak_1s_cents=ten.peak_1s_cents.max(),
        peak_10s_cents=ten.cents.max(),
        dollars=_total(ten.dollars),
        moment=_total(ten.moment),
    )


def _buckets(by_venue: Any, peaks: Any) -> Any:
    """Join what a bucket holds over all venues with its peaks."""
    keys = ["base", "side", "bucket_us"]
    whole = by_venue.group_by(keys).agg(
        start_us=by_venue.start_us.min(),
        end_us=by_venue.end_us.max(),
        n=_total(by_venue.n),
        cents=_total(by_venue.cents),
        first_low=by_venue.first_low.min(),
        first_high=by_venue.first_high.min(),
        price_low=by_venue.price_low.min(),
        price_high=by_venue.price_high.max(),
        n_throttled=_total(by_venue.n_throttled),
        known_us=by_venue.known_us.max(),
    )
    return whole.join(peaks, keys)


def _numbered(buckets: Any, gap_seconds: int) -> Any:
    """Give each bucket the number of its session, and what the other side lost in it."""
    import ibis

    own = ibis.window(group_by=["base", "side"], order_by="bucket_us")
    so_far = ibis.window(
        group_by=["base", "side"], order_by="bucket_us", preceding=None, following=0
    )
    both = ibis.window(group_by=["base", "bucket_us"])
    silence = buckets.start_us - buckets.end_us.lag().over(own)
    flagged = buckets.mutate(
        opens=(silence > gap_seconds * MICRO).fill_null(True).cast("int64"),
        opposite_cents=_int64(buckets.cents.sum().over(both)) - buckets.cents,
    )
    return flagged.mutate(session=_int64(flagged.opens.sum().over(so_far)))


def _venues(by_venue: Any, buckets: Any) -> Any:
    """Concentration over venues: their number, the largest, and the sum of squares."""
    keys = ["base", "side", "bucket_us"]
    placed = by_venue.select(*keys, "venue", "cents").join(buckets.select(*keys, "session"), keys)
    shares = placed.group_by(["base", "side", "session", "venue"]).agg(cents=_total(placed.cents))
    # a squared number of cents needs more than 64 bits
    wide = shares.cents.cast("decimal(38, 0)")
    return shares.group_by(["base", "side", "session"]).agg(
        n_venues=shares.count().cast("int64"),
        top_venue_cents=shares.cents.max(),
        venue_squares=(wide * wide).sum().cast("float64"),
    )


def hourly(events: Any) -> Any:
    """Add the tape up by coin, side and UTC hour (`HOURLY_COLUMNS`, unordered)."""
    timed = events.select(
        "base",
        "side",
        "venue",
        "cents",
        "throttled",
        "known_us",
        hour_us=events.ts_us - events.ts_us % HOUR_US,
    )
    return timed.group_by(["base", "side", "hour_us"]).agg(
        n=timed.count().cast("int64"),
        cents=_total(timed.cents),
        n_venues=timed.venue.nunique().cast("int64"),
        n_throttled=_total(timed.throttled),
        known_us=timed.known_us.max(),
    )


def run(expression: Any, *, order: tuple[str, ...]) -> pd.DataFrame:
    """Execute an expression on its own backend and return its rows in a fixed order and dtype.

    Notes
    -----
    Ordering happens here, in pandas: a sort inside the engine would cost a pass and differ in how
    it places nulls.
    """
    frame = expression.to_pyarrow().to_pandas()
    for column in frame.columns:
        if column in ("base", "side"):
            kind = "str"
        elif column == "venue_squares" or column.startswith(("price_", "first_price_")):
            kind = "float64"
        else:
            kind = "int64"
        if frame[column].dtype != kind:
            frame[column] = frame[column].astype(kind)
    return frame.sort_values(list(order), ignore_index=True)
