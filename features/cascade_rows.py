"""Price-and-open-interest cascades on the hour clock, shown from the hour they are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.bars import open_interest, reference
from features.price_oi import PriceOiRule, Versions, moves, versions
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
    opened = np.where(known, bars.open, np.nan)
    rule = PriceOiRule()
    pieces: list[Versions] = []
    taken = np.zeros(n, dtype=bool)
    for held in open_interest(view, base) if known.any() else []:
        measured = _measured(known, held, rule)
        after = np.append(held[1:], np.nan)
        found = versions(moves(opened, bars.high, bars.low, bars.close, held, after), rule)
        pieces.append(found.take(~taken[found.start]))
        fresh = measured & ~taken
        onset[fresh], long_onset[fresh] = 0.0, 0.0
        taken |= measured
    if not sum(len(piece.hour) for piece in pieces):
        empty = np.zeros(0)
        none = np.zeros(0, dtype=np.int64)
        return CascadeRows(_delay(onset), _delay(long_onset), none, none, none, empty, *[empty] * 6)
    every = Versions.join(pieces)
    every = every.take(np.lexsort((every.version, ~every.long, every.hour)))
    first = every.version == 1
    np.add.at(onset, every.hour[first], 1.0)
    np.add.at(long_onset, every.hour[first & every.long], 1.0)
    every = every.take(every.hour + DELAY < n)
    return CascadeRows(
        _delay(onset),
        _delay(long_onset),
        every.hour + DELAY,
        every.version,
        # a cascade is known by where it began and by its side
        pd.factorize(2 * every.start + every.long)[0].astype(np.int64),
        np.where(every.long, 1.0, -1.0),
        *(getattr(every, name) for name in _STATE),
    )


def _measured(known: NDArray[np.bool_], held: Array, rule: PriceOiRule) -> NDArray[np.bool_]:
    """Whether each hour has a bar, an open-interest change, and enough of both behind it."""
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
