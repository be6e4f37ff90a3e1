"""Price-and-open-interest cascades on the hour clock, shown from the hour they are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.bars import HOUR_US, open_interest, reference
from features.cascades import PriceOiRule, price_oi
from features.view import View
from features.windows import Array

__all__ = ["CascadeRows", "cascade_rows"]

# A bar's cascade needs the open interest stamped at its end, which is published five minutes later:
# an hour later on a clock of whole hours.
DELAY = 1


@dataclass(frozen=True)
class CascadeRows:
    """Cascades of one coin.

    Parameters
    ----------
    onset : array on hours
        1 in the hour from which a new cascade is known, 0 where none, NaN where nothing could be
        measured (no bar, no open interest, or fewer than 30 days of either).
    long_onset : array on hours
        The same, for cascades that hurt longs.
    row : array of int
        Hour from which each version of a cascade is known, ascending.
    version : array of int
        1 at the onset, growing with each further bar.
    number : array of int
        Which cascade the version belongs to.
    side : array
        1 where longs are hurt, -1 where shorts are.
    move_bps, move_sigmas, oi_change_pct, oi_change_usd, severity, reversal_share : array
        State of the cascade as known then.
    """

    onset: Array
    long_onset: Array
    row: NDArray[np.int64]
    version: NDArray[np.int64]
    number: NDArray[np.int64]
    side: Array
    move_bps: Array
    move_sigmas: Array
    oi_change_pct: Array
    oi_change_usd: Array
    severity: Array
    reversal_share: Array


def cascade_rows(view: View, base: str) -> CascadeRows:
    """Find the cascades of one coin.

    Notes
    -----
    *Timing:* row r holds cascades whose last bar closed by the open of hour r, so that the open
    interest that made them was published before the hour r closed. Where several venues publish
    open interest, a cascade comes from the first one that was measured in its first hour.
    """
    return view.make(("cascade_rows", base), lambda: _find(view, base))


_STATE = (
    "move_bps", "move_sigmas", "oi_change_pct", "oi_change_usd", "severity", "reversal_share",
)  # fmt: skip


def _find(view: View, base: str) -> CascadeRows:
    n = len(view.hours)
    onset, long_onset = np.full(n, np.nan), np.full(n, np.nan)
    bars = reference(view, base)
    known = np.isfinite(bars.close)
    frame = pd.DataFrame(
        {
            "ts": view.hours[known],
            "open": bars.open[known],
            "high": bars.high[known],
            "low": bars.low[known],
            "close": bars.close[known],
        }
    )
    pieces: list[pd.DataFrame] = []
    taken = np.zeros(n, dtype=bool)
    for held in open_interest(view, base) if len(frame) else []:
        stamped = np.isfinite(held)
        interest = pd.DataFrame({"ts": view.hours[stamped], "open_interest": held[stamped]})
        measured = _measured(known, held)
        found = price_oi(frame, interest, base=base, venue="reference", versions=True)
        start = _hour(view, found["start"])
        found = found[~taken[start]]
        fresh = measured & ~taken
        onset[fresh], long_onset[fresh] = 0.0, 0.0
        taken |= measured
        pieces.append(found)
    every = pd.concat(pieces, ignore_index=True) if pieces else pd.DataFrame()
    if not len(every):
        empty = np.zeros(0)
        none = np.zeros(0, dtype=np.int64)
        return CascadeRows(_delay(onset), _delay(long_onset), none, none, none, empty, *[empty] * 6)
    every = every.sort_values(["available_at", "side", "version"], kind="stable")
    last_bar = _hour(view, every["available_at"]) - 1
    first = every["version"].to_numpy() == 1
    hurts_longs = (every["side"] == "long").to_numpy()
    np.add.at(onset, last_bar[first], 1.0)
    np.add.at(long_onset, last_bar[first & hurts_longs], 1.0)
    shown = last_bar + DELAY < n
    state = [every[name].to_numpy(dtype=float)[shown] for name in _STATE]
    return CascadeRows(
        _delay(onset),
        _delay(long_onset),
        (last_bar + DELAY)[shown],
        every["version"].to_numpy(dtype=np.int64)[shown],
        pd.factorize(every["cascade_id"])[0].astype(np.int64)[shown],
        np.where(hurts_longs, 1.0, -1.0)[shown],
        *state,
    )


def _hour(view: View, ts: pd.Series) -> NDArray[np.int64]:
    """Row of the hour that opens at each stamp."""
    opened = pd.DatetimeIndex(ts).as_unit("us").asi8
    return np.asarray((opened - view.hours.asi8[0]) // HOUR_US)


def _measured(known: NDArray[np.bool_], held: Array) -> NDArray[np.bool_]:
    """Whether each hour has a bar, an open-interest change, and enough of both behind it."""
    rule = PriceOiRule()
    after = np.append(held[1:], np.nan)
    changes = np.isfinite(held) & np.isfinite(after) & known
    out = known & changes
    for seen in (known, changes):
        total = np.concatenate([[0], np.cumsum(seen)])
        rows = np.arange(len(seen))
        before = total[rows] - total[np.maximum(rows - rule.window_hours, 0)]
        out &= before >= rule.min_hours
    return out


def _delay(flags: Array) -> Array:
    out = np.full(len(flags), np.nan)
    if len(flags):
        out[DELAY:] = flags[:-DELAY]
    return out
