"""Whether the recorder was listening: from its log of connections, or from what it heard.

No message is never zero liquidations. An hour counts as heard by the share of it that the log shows
connected (the smallest over the log's venues); an hour that no log speaks of counts where an event
of it was known, and otherwise not at all.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.coverage import merge_intervals
from features.tape import HOUR_US
from features.tape_asof import NEVER, AsOf
from features.tape_files import DAY_US

__all__ = ["SILENT_DAYS", "Listening"]

# a tape that has said nothing for so long is none
SILENT_DAYS = 90
Longs = NDArray[np.int64]
Floats = NDArray[np.float64]


class Listening:
    """How much of a span of hours was heard, as of any moment.

    Parameters
    ----------
    tape : AsOf
        Events.
    """

    def __init__(self, tape: AsOf) -> None:
        loose_us = tape.loose["ts_us"].to_numpy()
        known = tape.loose["known_us"].to_numpy()
        lasting = tape.loose_gone == NEVER
        hours, first = [loose_us[lasting] // HOUR_US], [known[lasting]]
        for day in tape.own_days():
            rows = tape.day(day)
            heard = rows.groupby(rows["ts_us"] // HOUR_US)["known_us"].min()
            hours.append(heard.index.to_numpy())
            first.append(heard.to_numpy())
        heard = pd.Series(np.concatenate(first)).groupby(np.concatenate(hours)).min()
        self._hours = heard.index.to_numpy(dtype=np.int64)
        self._first = heard.to_numpy(dtype=np.int64)
        self._ghosts = (
            loose_us[~lasting] // HOUR_US, known[~lasting], tape.loose_gone[~lasting],
        )  # fmt: skip
        self._spans = _spans(tape)

    def share(self, low_us: int, at_us: int) -> float:
        """Return the share of the whole hours from `low_us` to a moment that were heard.

        Returns
        -------
        float
            NaN where no event of the last `SILENT_DAYS` was known (there is no tape), and where
            there is no whole hour.

        Notes
        -----
        *Timing:* events known by `at_us`, and connections up to it.
        """
        first, stop = -(-low_us // HOUR_US), at_us // HOUR_US
        hours = self._heard(at_us)
        if not len(hours) or stop <= first:
            return float("nan")
        heard = np.zeros(stop - first)
        heard[hours[(hours >= first) & (hours < stop)] - first] = 1.0
        logged = self._logged(np.arange(first, stop), at_us)
        return float(np.where(np.isfinite(logged), logged, heard).sum() / len(heard))

    def _heard(self, at_us: int) -> Longs:
        """Hours of the last `SILENT_DAYS` of which some event was known."""
        since = at_us // HOUR_US - SILENT_DAYS * 24
        span = slice(*np.searchsorted(self._hours, [since, at_us // HOUR_US + 1]))
        hour, known, gone = self._ghosts
        there = (hour >= since) & (known <= at_us) & (gone > at_us)
        return np.append(self._hours[span][self._first[span] <= at_us], hour[there])

    def _logged(self, hours: Longs, at_us: int) -> Floats:
        """Smallest connected share of each hour over the venues; NaN where no log speaks of it."""
        out = np.full(len(hours), np.nan)
        for start, end in self._spans:
            begun = start < at_us
            if not begun.any():
                continue
            begins, ends = start[begun], np.minimum(end[begun], at_us)
            low = np.maximum(hours[:, None] * HOUR_US, begins[None, :])
            high = np.minimum((hours[:, None] + 1) * HOUR_US, ends[None, :])
            share = np.clip(high - low, 0, None).sum(axis=1) / HOUR_US
            spoken = ((hours + 1) * HOUR_US > begins.min()) & (hours * HOUR_US < ends.max())
            out = np.fmin(out, np.where(spoken, share, np.nan))
        return out


def _spans(tape: AsOf) -> list[tuple[Longs, Longs]]:
    """Spans of connection of each venue that reach into the tape's days, merged."""
    if tape.source is None:
        return []
    spans = merge_intervals(tape.source.connected())
    last = pd.Timestamp((tape.last_day + 1) * DAY_US, unit="us", tz="UTC")
    return [
        (pd.DatetimeIndex(part["start"]).as_unit("us").asi8,
         pd.DatetimeIndex(part["end"]).as_unit("us").asi8)
        for _, part in spans[spans["start"] < last].groupby("venue")
    ]  # fmt: skip
