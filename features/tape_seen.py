"""The cascades of the tape as each cut-off saw them, with what the market did around them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.bars import open_interest, reference
from features.cascade_attributes import around
from features.engineered import score
from features.tape_arrays import Rows
from features.tape_asof import AsOf
from features.tape_cascades import Past, TapeRule, closed_us, select
from features.tape_files import DAY_US
from features.view import View

__all__ = ["AFTERMATH_US", "LOOK_DAYS", "Seen", "engineered_scores", "seen"]

# the widest rank, then what the threshold of its first day looks back on
LOOK_DAYS = 90
SCORED_DAYS = 21
# candles and open interest that a score reads are stamped within an hour of the cascade's end, and
# known five minutes later
AFTERMATH_US = 65 * 60 * 1_000_000
Longs = NDArray[np.int64]
Floats = NDArray[np.float64]
Scorer = Callable[[pd.DataFrame], Floats]


@dataclass(frozen=True)
class Seen:
    """What one cut-off saw of the tape.

    Parameters
    ----------
    at_us : int
        The cut-off.
    cascades : Rows
        Cascades that began in `LOOK_DAYS` before it, by start, each as it stood: ``base``,
        ``side``, ``start_us``, ``usd``, ``peak_usd`` (in 10 seconds), ``acceleration``,
        ``engineered`` (null until its aftermath is known).
    sessions : Rows
        Every session that began in the 7 days before it: ``base``, ``side``, ``start_us``,
        ``cents``, ``n_throttled``.
    """

    at_us: int
    cascades: Rows
    sessions: Rows


def seen(tape: AsOf, cutoffs: Longs, scores: Scorer, *, rule: TapeRule | None = None) -> list[Seen]:
    """Show the tape to each of some ascending cut-offs.

    Parameters
    ----------
    scores : callable
        Gives selected cascades their engineered score, as known `AFTERMATH_US` after their end.

    Notes
    -----
    *Timing:* a cut-off sees the sessions that the events known by then make, a running one as far
    as it had come, held against thresholds from sessions that were known to be over at midnight.
    """
    rule = rule or TapeRule()
    final, gap = tape.final, tape.gap_seconds
    past = Past(final, gap_seconds=gap, rule=rule)
    # a score counts while its cascade is in the widest window that weighs it
    since_us = (int(cutoffs[0]) if len(cutoffs) else 0) - SCORED_DAYS * DAY_US

    def scored(rows: pd.DataFrame, one: Past) -> _Scored:
        found = select(rows, gap_seconds=gap, rule=rule, past=one)
        return _Scored(found, scores, since_us=since_us)

    whole = scored(final, past)
    patches = tape.patches(cutoffs)
    start = final["start_us"].to_numpy(dtype=np.int64)
    every = Rows.of(final, _SESSION)
    out = []
    for place, at_us in enumerate(cutoffs.tolist()):
        patch = patches.get(place)
        span = slice(
            np.searchsorted(start, at_us - 7 * DAY_US, side="right"),
            np.searchsorted(start, at_us, side="right"),
        )
        if patch is None:
            out.append(Seen(at_us, whole.until(at_us), every.take(span)))
            continue
        there = np.ones(len(final), dtype=bool)
        there[patch.gone] = False
        midnight = at_us // DAY_US * DAY_US
        both = (final.iloc[patch.gone], patch.instead)
        old = any((closed_us(rows, gap_seconds=gap) <= midnight).any() for rows in both)
        if old:
            # an event came so late that the thresholds of some day stood otherwise
            there &= start <= at_us
            rows = pd.concat([final[there], patch.instead], ignore_index=True)
            one = Past(rows, gap_seconds=gap, rule=rule)
            cascades = scored(rows, one).until(at_us)
        else:
            fresh = scored(patch.instead, past)
            kept = whole.until(at_us, without=every.take(patch.gone))
            cascades = _by_start([kept, fresh.until(at_us)])
        recent = every.take(span).take(there[span])
        begun = Rows.of(patch.instead, _SESSION)
        begun = begun.take(begun["start_us"] > at_us - 7 * DAY_US)
        out.append(Seen(at_us, cascades, _by_start([recent, begun])))
    return out


_SESSION = ["base", "side", "start_us", "cents", "n_throttled"]


def _keys(rows: Rows) -> list[tuple[int, str, str]]:
    return list(
        zip(rows["start_us"].tolist(), rows.base.tolist(), rows["side"].tolist(), strict=True)
    )


def _by_start(parts: list[Rows]) -> Rows:
    full = [part for part in parts if len(part)]
    if len(full) < 2:
        return full[0] if full else parts[0]
    both = Rows.joined(full)
    keys = _keys(both)
    return both.take(sorted(range(len(keys)), key=keys.__getitem__))


class _Scored:
    """Selected cascades by start, with scores that appear once their aftermath is known."""

    def __init__(self, chosen: pd.DataFrame, scores: Scorer, *, since_us: int) -> None:
        chosen = chosen.sort_values(["start", "base", "side"], ignore_index=True)
        self.start_us = pd.DatetimeIndex(chosen["start"]).as_unit("us").asi8
        engineered, late = np.full(len(chosen), np.nan), self.start_us > since_us
        if late.any():
            engineered[late] = scores(chosen[late])
        self.known_us = pd.DatetimeIndex(chosen["end"]).as_unit("us").asi8 + AFTERMATH_US
        self.rows = Rows(
            chosen["base"].to_numpy(dtype=object),
            {
                "side": chosen["side"].to_numpy(dtype=object),
                "start_us": self.start_us,
                "usd": chosen["notional_usd"].to_numpy(),
                "peak_usd": chosen["peak_10s_usd"].to_numpy(),
                "acceleration": chosen["acceleration"].to_numpy(),
                "engineered": engineered,
            },
        )

    def until(self, at_us: int, *, without: Rows | None = None) -> Rows:
        span = slice(
            np.searchsorted(self.start_us, at_us - LOOK_DAYS * DAY_US, side="right"),
            np.searchsorted(self.start_us, at_us, side="right"),
        )
        rows = self.rows.take(span)
        settled = self.known_us[span] <= at_us
        rows = rows.replaced("engineered", np.where(settled, rows["engineered"], np.nan))
        if without is None or not len(without):
            return rows
        gone = set(_keys(without))
        return rows.take([place for place, key in enumerate(_keys(rows)) if key not in gone])


def engineered_scores(view: View, chosen: pd.DataFrame) -> Floats:
    """Score cascades from the market data of a view; see `features.engineered.score`.

    Notes
    -----
    *Timing:* reads candles that closed, and open interest stamped, within an hour of a cascade's
    end. Candles of the deepest venue that has the hour; open interest of the first venue that has
    both ends.
    """
    out = pd.Series(np.nan, index=chosen.index)
    for base, rows in chosen.groupby("base"):
        coin = str(base)
        held = (_hours(view, {"open_interest": one}) for one in open_interest(view, coin))
        bars, spot = _candles(view, coin, "perp_bars"), _candles(view, coin, "spot_bars")
        whole = rows.join(around(rows, bars=bars)[["reversal_60m"]])
        changes = [around(rows, open_interest=one)["oi_change_pct"] for one in held]
        whole["oi_change_pct"] = _first(changes, rows.index)
        venues = view.table("perp_bars")
        venues = venues[venues["base"] == coin] if len(venues) else venues
        out[rows.index] = score(whole, bars=venues, spot=spot)["engineered_score"]
    return np.asarray(out, dtype=np.float64)


def _candles(view: View, base: str, table: str) -> pd.DataFrame:
    bars = reference(view, base, table=table)
    return _hours(view, {name: getattr(bars, name) for name in ("open", "high", "low", "close")})


def _hours(view: View, columns: dict[str, Floats]) -> pd.DataFrame:
    frame = pd.DataFrame({"ts": view.hours, **columns})
    return frame[frame[list(columns)].notna().all(axis=1)].reset_index(drop=True)


def _first(values: Iterator[pd.Series] | list[pd.Series], index: pd.Index) -> pd.Series:
    out = pd.Series(np.nan, index=index)
    for one in values:
        out = out.where(out.notna(), one)
    return out
