"""The event tape as each cut-off saw it.

A cut-off knows the events that had arrived by then, and so the sessions that those events make: one
still running stands as far as it had come. Nearly all sessions are the same whoever asks; only
those near an event that had not arrived are made again, for all cut-offs in one run of the stage.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.tape import MICRO, SESSION_COLUMNS
from features.tape_arrays import Rows
from features.tape_files import DAY_US
from features.tape_source import LEAD_DAYS, STAGED, EventSource, stage

__all__ = ["NEVER", "AsOf", "Patch"]

NEVER = np.iinfo(np.int64).max
CACHED_DAYS = 12
Longs = NDArray[np.int64]


@dataclass(frozen=True)
class Patch:
    """How the sessions that a cut-off saw differ from the final ones that begin before it.

    Parameters
    ----------
    gone : array of int
        Rows of the final sessions that stood otherwise, or not at all.
    instead : DataFrame
        What stood there.
    """

    gone: Longs
    instead: pd.DataFrame


class AsOf:
    """Events and sessions of a span, as of any moment in it.

    Parameters
    ----------
    source : EventSource or None
        The tape.
    loose : DataFrame
        Events of the store's table (`loose_events`). They count on a day and venue until an event
        of that day and venue is known from the tape itself.
    first_us, last_us : int
        Span. Sessions that begin on the UTC day of `first_us` or later are there.
    gap_seconds : int
        Silence that ends a session, where there is no tape to say so.
    """

    def __init__(
        self,
        source: EventSource | None,
        loose: pd.DataFrame,
        *,
        first_us: int,
        last_us: int,
        gap_seconds: int = 60,
    ) -> None:
        self.source = source
        self.gap_seconds = source.gap_seconds if source is not None else gap_seconds
        self.first_day, self.last_day = first_us // DAY_US, last_us // DAY_US
        begin = (self.first_day - LEAD_DAYS) * DAY_US
        inside = (loose["ts_us"] >= begin) & (loose["ts_us"] <= last_us)
        self.loose = loose[inside].sort_values("ts_us", kind="stable", ignore_index=True)
        self._loose = Rows.of(self.loose, STAGED)
        self._days = set(source.days()) if source is not None else set()
        self._cache: dict[int, tuple[pd.DataFrame, Rows]] = {}
        self.loose_gone = self._replaced()

    def _replaced(self) -> Longs:
        """From when each loose event is replaced by what the tape knows of its day and venue."""
        gone = np.full(len(self.loose), NEVER)
        days = self.loose["ts_us"].to_numpy() // DAY_US
        for day in sorted(set(days.tolist()) & self._days):
            first = self.day(day).groupby("venue")["known_us"].min()
            mine = np.flatnonzero(days == day)
            for venue, known_us in first.items():
                gone[mine[(self.loose["venue"].iloc[mine] == venue).to_numpy()]] = int(known_us)
        return gone

    def own_days(self) -> list[int]:
        """Return the UTC days of the span that the tape itself has events of."""
        begin = self.first_day - LEAD_DAYS
        return sorted(day for day in self._days if begin <= day <= self.last_day)

    def day(self, day: int) -> pd.DataFrame:
        """Return the tape's own events of a UTC day."""
        return self._read(day)[0]

    def _read(self, day: int) -> tuple[pd.DataFrame, Rows]:
        if day not in self._cache:
            if self.source is None or day not in self._days:
                frame = pd.DataFrame(columns=STAGED)
                return frame, Rows.of(frame, STAGED)
            while len(self._cache) >= CACHED_DAYS:
                self._cache.pop(next(iter(self._cache)))
            frame = self.source.events(day)
            self._cache[day] = frame, Rows.of(frame, STAGED)
        return self._cache[day]

    def events(self, low_us: int, high_us: int, at_us: int) -> Rows:
        """Return the events of [low, high) that were known at a moment."""
        parts = []
        for day in range(low_us // DAY_US, high_us // DAY_US + 1):
            if day in self._days:
                rows = self._read(day)[1]
                ts = rows["ts_us"]
                parts.append(
                    rows.take((ts >= low_us) & (ts < high_us) & (rows["known_us"] <= at_us))
                )
        span = slice(*np.searchsorted(self._loose["ts_us"], [low_us, high_us]).tolist())
        known = (self._loose["known_us"][span] <= at_us) & (self.loose_gone[span] > at_us)
        if known.any() or not parts:
            parts.append(self._loose.take(span).take(known))
        return Rows.joined(parts)

    @cached_property
    def final(self) -> pd.DataFrame:
        """Sessions of the span from everything that is stored, by start."""
        kept = self.loose[self.loose_gone == NEVER]
        if self.source is not None and not len(kept):
            found = self.source.sessions(self.first_day, self.last_day)
        else:
            parts = [*map(self.day, self.own_days()), kept]
            found = stage(parts, gap_seconds=self.gap_seconds)
            found = found[found["start_us"] >= self.first_day * DAY_US]
        return found.sort_values(["start_us", "base", "side"], ignore_index=True)

    def patches(self, cutoffs: Longs) -> dict[int, Patch]:
        """Find, for each of some ascending moments, what it saw otherwise.

        Returns
        -------
        dict
            By place in `cutoffs`; a moment that saw the final sessions alone is absent.
        """
        hulls = self._touched(cutoffs)
        if not hulls:
            return {}
        coins = self.final["base"].to_numpy()
        by_base = {base: np.flatnonzero(coins == base) for _, base in hulls}
        gone: dict[int, list[Longs]] = {}
        parts, own = [], {}
        for (place, base), hull in hulls.items():
            touched, near, low, high = self._around(by_base[base], hull)
            seen = self.events(low, high, int(cutoffs[place])).of_coin(base).frame()
            # one run serves all: the label keeps cut-offs apart
            parts.append(seen.assign(base=f"{place}|{base}"))
            gone.setdefault(place, []).append(touched)
            own[place, base] = near
        made = stage(parts, gap_seconds=self.gap_seconds)
        label = made["base"].astype(str).str.split("|", n=1)
        made = made.assign(base=label.str[1], place=label.str[0].astype("int64"))
        columns = (made[name].tolist() for name in ("place", "base", "side", "start_us"))
        kept = [
            not self._is_part_of(own[place, base], side, start_us)
            for place, base, side, start_us in zip(*columns, strict=True)
        ]
        made = made[np.asarray(kept, dtype=bool)]
        return {
            place: Patch(
                np.concatenate(rows),
                made.loc[made["place"] == place, list(SESSION_COLUMNS)].reset_index(drop=True),
            )
            for place, rows in gone.items()
        }

    def _touched(self, cutoffs: Longs) -> dict[tuple[int, str], tuple[int, int]]:
        """Span of time, by cut-off and coin, in which a cut-off saw other events."""
        ghosts = np.flatnonzero(self.loose_gone < NEVER)
        gap_us = self.gap_seconds * MICRO
        final, loose = self.final, self.loose.iloc[ghosts]
        stamps = loose["ts_us"].to_numpy()
        # sessions with an event still to come, and loose events not yet replaced
        sets = (
            (final["base"], final["start_us"], final["known_us"], final["start_us"],
             final["end_us"]),
            (loose["base"], loose["known_us"], self.loose_gone[ghosts], stamps - gap_us,
             stamps + gap_us),
        )  # fmt: skip
        hulls: dict[tuple[int, str], tuple[int, int]] = {}
        for bases, since, until, lows, highs in sets:
            first = np.searchsorted(cutoffs, np.asarray(since, dtype=np.int64), side="left")
            last = np.searchsorted(cutoffs, np.asarray(until, dtype=np.int64), side="left")
            lows, highs = np.asarray(lows), np.asarray(highs)
            for row in np.flatnonzero(first < last):
                for place in range(int(first[row]), int(last[row])):
                    key = (place, str(bases.iloc[row]))
                    low, high = hulls.get(key, (NEVER, -NEVER))
                    hulls[key] = (min(low, int(lows[row])), max(high, int(highs[row])))
        return hulls

    def _around(self, rows: Longs, hull: tuple[int, int]) -> tuple[Longs, Longs, int, int]:
        """Find the final sessions whose clock buckets a span touches, others near, what to read."""
        bucket = self.gap_seconds // 10 * 10 * MICRO
        start = self.final["start_us"].to_numpy()[rows]
        end = self.final["end_us"].to_numpy()[rows]
        low, high = hull[0] // bucket * bucket, (hull[1] // bucket + 1) * bucket
        inside = (start < high) & (end >= low)
        if inside.any():
            low = min(low, int(start[inside].min()) // bucket * bucket)
            high = max(high, (int(end[inside].max()) // bucket + 1) * bucket)
        near = ~inside & (start < high) & (end >= low)
        return rows[inside], rows[near], low, high

    def _is_part_of(self, rows: Longs, side: str, start_us: int) -> bool:
        """Whether a session made from a cut-out of the tape is a piece of an untouched one."""
        final = self.final
        return any(
            final["side"].iloc[row] == side
            and final["start_us"].iloc[row] <= start_us <= final["end_us"].iloc[row]
            for row in rows
        )
