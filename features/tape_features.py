"""Features that only an event tape can give: cascades of orders, their rates, who feeds whom."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.bars import BASES
from features.cascade_totals import FEED_BREAK
from features.declare import Feature, family
from features.hawkes import branching_ratio
from features.tape_arrays import Rows
from features.tape_asof import AsOf
from features.tape_files import DAY_US
from features.tape_listening import Listening
from features.tape_seen import LOOK_DAYS, engineered_scores, seen
from features.tape_source import loose_events, open_source
from features.view import View
from features.windows import Array, quiet

__all__ = ["FEATURES", "HEARD", "READ_DAYS", "compute"]

# share of the hours behind a value that must have been heard
HEARD = 0.8
DAYS = (7, 21)
RECENT_DAYS = 7
SINCE_DAYS = 60
RANK_MIN = 5
BRANCHING_DAYS = 3
# days that a value may depend on: the widest rank, its first day's threshold, and room
READ_DAYS = LOOK_DAYS + 30 + 2
ENGINEERED_WEIGHT = 0.7
MAX_WINDOW_US = 8 * DAY_US
BREAK_US = int(FEED_BREAK.timestamp()) * 1_000_000
SCOPES = ("btc", "eth", "all")
HOURS = READ_DAYS * 24
MARKET = ("liquidation_events", "perp_bars", "open_interest", "spot_bars")
TIMING = (
    "events that had arrived by the cut-off, a running cascade as far as it had come; null with "
    "less than four fifths of the hours behind it heard"
)

_t = partial(family, group="liquidations", inputs=("liquidation_events",), clock="hours",
             trainable=False, timing=TIMING, lookback=HOURS, s=SCOPES)  # fmt: skip
_m = partial(family, group="liquidations", inputs=MARKET, clock="hours", trainable=False,
             timing=TIMING + "; a score from 65 minutes after the end of its cascade",
             lookback=HOURS, s=SCOPES)  # fmt: skip
_c = partial(family, group="closed window", inputs=("liquidation_events",), clock="hours",
             trainable=False, timing="events from the US close of session t to the cut-off, as "
             "they had arrived", lookback=HOURS, b=("btc", "eth"))  # fmt: skip

FEATURES: list[Feature] = [
    *_t("{s}_tape_n_{n}d", definition="tape cascades (gap 60 s, floor and 95th percentile) that "
            "began in {n} x 24 hours", unit="cascades", reference="cascades 1, definition 1",
        n=DAYS),
    *_m("{s}_tape_weighted_n_{n}d", definition="those, each weighted 1 - 0.7 x engineered score; "
            "1 where it has none", unit="cascades", reference="domain 3.20: w", n=DAYS),
    *_t("{s}_tape_since", definition="days since a tape cascade last began, at most 60",
        unit="days", reference="issue: time since last"),
    *_t("{s}_tape_long_share", definition="long share of the USD of all sessions of 7 days",
        unit="0..1", reference="domain 3.20: long_share"),
    *_t("{s}_tape_peak_rank", definition="share of the other cascades of 90 days, of the same "
            "feed era, with less USD in their largest 10 seconds than the newest one of 7 days",
        unit="0..1", reference="issue: peak rate"),
    *_t("{s}_tape_acceleration", definition="where the USD of the newest cascade of 7 days lie in "
            "its time: -1 all at the start, 0 even, 1 all at the end", unit="-1..1",
        reference="domain 3.20: accel"),
    *_t("{s}_tape_branching", definition="branching ratio of a self-exciting fit to 3 x 24 hours "
            "of events; null below 50 seconds with events", unit="ratio",
        reference="cascades 1, definition 6"),
    *_m("{s}_tape_engineered", definition="mean engineered score of the cascades of 7 days that "
            "have one", unit="0..1", reference="domain 3.20: engineered_score"),
    *_t("{s}_tape_notional_rank", definition="share of the other cascades of 90 days, of the same "
            "feed era, with less USD than the largest of 7 days", unit="0..1",
        reference="issue: magnitude rank"),
    *_t("{s}_tape_throttled", definition="1 where an event of 7 days came from a feed that leaves "
            "orders out; null without an event", unit="flag", reference="cascades 2: completeness"),
    *_t("{s}_tape_coverage_7d", definition="share of the whole hours of 7 x 24 that were heard: "
            "connected by the recorder's log, or by an event where no log speaks", unit="0..1",
        reference="cascades 2: coverage"),
    *_c("cw_{b}_tape_cascades", definition="tape cascades that began in the window",
        unit="cascades", reference="issue: cascades"),
    *_c("cw_{b}_tape_rank", definition="share of the other cascades of 90 days, of the same feed "
            "era, with less USD than the window's largest; null without one", unit="0..1",
        reference="issue: notional rank"),
]  # fmt: skip


def compute(view: View) -> dict[str, Array]:
    """Compute the columns.

    Notes
    -----
    *Timing:* see `features.tape_seen.seen`. Levels are never compared across 2021-04-27: ranks stay
    on one side of it, and what adds up days is null until they all lie on one side.
    """
    out = {feature.name: view.nan() for feature in FEATURES}
    wanted = np.flatnonzero(view.wanted)
    if not len(wanted):
        return out
    cutoffs = view.cutoffs[wanted].asi8
    tape = _tape(view, int(cutoffs[0]), int(cutoffs[-1]))
    if tape is None:
        return out
    listening = Listening(tape)
    closes = pd.DatetimeIndex(view.calendar.close_utc(view.grid)).as_unit("us").asi8[wanted]
    shown = seen(tape, cutoffs, partial(engineered_scores, view))
    with quiet():
        for row, close_us, one in zip(wanted, closes.tolist(), shown, strict=True):
            made = _row(tape, listening, one.at_us, one.cascades, one.sessions)
            made.update(_closed_window(listening, one.at_us, one.cascades, close_us))
            for name, value in made.items():
                out[name][row] = value
    return out


def _tape(view: View, first_us: int, last_us: int) -> AsOf | None:
    loose = loose_events(view.table("liquidation_events"))
    source = open_source(view.store)
    span = {"first_us": first_us - READ_DAYS * DAY_US, "last_us": last_us}
    tape = AsOf(source, loose, **span)
    return tape if tape.own_days() or len(tape.loose) else None


def _row(
    tape: AsOf, listening: Listening, at_us: int, cascades: Rows, sessions: Rows
) -> dict[str, float]:
    heard = {days: _heard(listening, at_us, days) for days in (*DAYS, BRANCHING_DAYS)}
    coverage = listening.share(at_us - RECENT_DAYS * DAY_US, at_us)
    events = None
    if heard[BRANCHING_DAYS]:
        events = tape.events(at_us - BRANCHING_DAYS * DAY_US, at_us, at_us)
        events = events.take(np.lexsort((events["cents"], events["ts_us"])))
    out = {}
    for scope in SCOPES:
        mine, runs = _of_scope(cascades, scope), _of_scope(sessions, scope)
        made = {"coverage_7d": coverage}
        if len(runs):
            made["throttled"] = float((runs["n_throttled"] > 0).any())
        for days in DAYS:
            if heard[days]:
                made.update(_counts(mine, at_us, days))
        if heard[RECENT_DAYS]:
            made.update(_newest(mine, at_us))
            made["long_share"] = _long_share(runs)
        if heard[DAYS[-1]]:
            made["since"] = _since(mine, at_us)
        if events is not None:
            made["branching"] = _branching(_of_scope(events, scope), at_us)
        out.update({f"{scope}_tape_{name}": value for name, value in made.items()})
    return out


def _of_scope(rows: Rows, scope: str) -> Rows:
    return rows if scope == "all" else rows.of_coin(scope.upper())


def _heard(listening: Listening, at_us: int, days: int) -> bool:
    """Whether enough of some days was heard, all of them on one side of the change of feed."""
    low = at_us - days * DAY_US
    return listening.share(low, at_us) >= HEARD and not low < BREAK_US <= at_us


def _begun(cascades: Rows, since_us: int) -> NDArray[np.bool_]:
    return np.asarray(cascades["start_us"] > since_us)


def _counts(cascades: Rows, at_us: int, days: int) -> dict[str, float]:
    mine = _begun(cascades, at_us - days * DAY_US)
    scores = cascades["engineered"][mine]
    weights = 1.0 - ENGINEERED_WEIGHT * np.where(np.isfinite(scores), scores, 0.0)
    return {f"n_{days}d": float(mine.sum()), f"weighted_n_{days}d": float(sum(weights.tolist()))}


def _newest(cascades: Rows, at_us: int) -> dict[str, float]:
    recent = np.flatnonzero(_begun(cascades, at_us - RECENT_DAYS * DAY_US))
    if not len(recent):
        return {}
    usd, last = cascades["usd"], int(recent[-1])
    scores = cascades["engineered"][recent]
    scores = scores[np.isfinite(scores)]
    return {
        "peak_rank": _rank(cascades, cascades["peak_usd"], last, at_us),
        "acceleration": float(cascades["acceleration"][last]),
        "engineered": sum(scores.tolist()) / len(scores) if len(scores) else float("nan"),
        "notional_rank": _rank(cascades, usd, int(recent[np.argmax(usd[recent])]), at_us),
    }


def _rank(cascades: Rows, values: Array, place: int, at_us: int) -> float:
    """Share of the other cascades of one feed era that are smaller; NaN with fewer than five."""
    start = cascades["start_us"]
    since = at_us - LOOK_DAYS * DAY_US
    others = (start > since) & ((start >= BREAK_US) == (start[place] >= BREAK_US))
    others[place] = False
    count = int(others.sum())
    return float((values[others] < values[place]).sum() / count) if count >= RANK_MIN else np.nan


def _long_share(sessions: Rows) -> float:
    cents = sessions["cents"]
    longs = int(cents[sessions["side"] == "long"].sum())
    both = longs + int(cents[sessions["side"] == "short"].sum())
    return longs / both if both else float("nan")


def _since(cascades: Rows, at_us: int) -> float:
    if not len(cascades):
        return float(SINCE_DAYS)
    age = (at_us - int(cascades["start_us"][-1])) / DAY_US
    return min(age, float(SINCE_DAYS))


def _branching(events: Rows, at_us: int) -> float:
    fit = branching_ratio(
        events["ts_us"].astype(np.int64),
        events["cents"].astype(float) / 100.0,
        start_us=at_us - BRANCHING_DAYS * DAY_US,
        end_us=at_us,
        throttled=bool((events["throttled"] > 0).any()),
    )
    return fit.ratio


def _closed_window(
    listening: Listening, at_us: int, cascades: Rows, close_us: int
) -> dict[str, float]:
    hours_heard = listening.share(close_us, at_us)
    if not hours_heard >= HEARD or not 0 < at_us - close_us <= MAX_WINDOW_US:
        return {}
    out = {}
    for base in BASES:
        mine = cascades.of_coin(base)
        inside = np.flatnonzero(_begun(mine, close_us))
        usd = mine["usd"]
        out[f"cw_{base.lower()}_tape_cascades"] = float(len(inside))
        if len(inside):
            largest = int(inside[np.argmax(usd[inside])])
            out[f"cw_{base.lower()}_tape_rank"] = _rank(mine, usd, largest, at_us)
    return out
