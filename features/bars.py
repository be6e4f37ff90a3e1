"""Crypto on the hour clock: reference bars, venues side by side, funding, open interest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.view import View
from features.windows import Array, quiet

__all__ = [
    "BASES",
    "Bars",
    "coarse",
    "first_known",
    "funding_rate",
    "newest_bar",
    "open_interest",
    "reference",
    "venue_closes",
    "venue_order",
]

BASES = ("BTC", "ETH")
# deepest first; a venue that is not named comes after these, by name
ORDER = ("binance", "bybit", "okx", "deribit", "hyperliquid", "bitmex")
HOUR_US = 3_600_000_000
FUNDING_HOLD_HOURS = 9


@dataclass(frozen=True)
class Bars:
    """Bars on a regular clock, NaN where there is none."""

    open: Array
    high: Array
    low: Array
    close: Array
    volume: Array

    def since(self, first: int) -> Bars:
        """Leave out the bars before `first`."""
        parts = (self.open, self.high, self.low, self.close, self.volume)
        return Bars(*(part[first:] for part in parts))


def venue_order(venues: Sequence[str]) -> list[str]:
    """Sort venues by depth, the unknown ones after the known ones by name."""
    return sorted(venues, key=lambda v: (ORDER.index(v) if v in ORDER else len(ORDER), v))


def _hour(view: View, table: str) -> NDArray[np.int64]:
    """Row on `View.hours` that each row of a table is stamped in."""

    def make() -> NDArray[np.int64]:
        stamps = view.times(table, "ts")
        # a settlement stamped at the end of an hour is known when that hour closes
        early = 1 if table == "funding" else 0
        return np.asarray((stamps - early - view.hours.asi8[0]) // HOUR_US)

    return view.make(("hour", table), make)


def _lay(view: View, table: str, rows: NDArray[np.intp], *columns: Array) -> list[Array]:
    """Put the values of some rows of a table on the hours."""
    where = _hour(view, table)[rows]
    kept = (where >= 0) & (where < len(view.hours))
    where, rows = where[kept], rows[kept]
    out = [np.full(len(view.hours), np.nan) for _ in columns]
    for into, values in zip(out, columns, strict=True):
        into[where] = values[rows]
    return out


def _by_venue(view: View, table: str, base: str) -> dict[str, NDArray[np.intp]]:
    """Rows of a coin by venue, the deepest first."""
    every = view.places(table, "base", "venue")
    found = {venue: rows for (one, venue), rows in every.items() if one == base}
    return {venue: found[venue] for venue in venue_order(list(found))}


def reference(view: View, base: str, *, table: str = "perp_bars") -> Bars:
    """Hourly bars of the deepest venue that has the hour.

    Parameters
    ----------
    view : View
        As-of tables.
    base : str
        Coin.
    table : str
        ``perp_bars`` or ``spot_bars``.

    Returns
    -------
    Bars
        On `View.hours`. A whole bar comes from one venue; an hour that the first venue misses is
        taken from the next one that has it.
    """

    def make() -> Bars:
        names = ("open", "high", "low", "close", "volume_base")
        out = [np.full(len(view.hours), np.nan) for _ in names]
        if len(view.hours):
            columns = [view.numbers(table, name) for name in names]
            for rows in _by_venue(view, table, base).values():
                use = np.isnan(out[3])
                for into, values in zip(out, _lay(view, table, rows, *columns), strict=True):
                    into[use] = values[use]
        return Bars(*out)

    return view.make(("reference", table, base), make)


def venue_closes(view: View, base: str) -> list[Array]:
    """Return the closes of every venue of a coin's perpetual, on `View.hours`."""

    def make() -> list[Array]:
        if not len(view.hours):
            return []
        close = view.numbers("perp_bars", "close")
        every = _by_venue(view, "perp_bars", base).values()
        return [_lay(view, "perp_bars", rows, close)[0] for rows in every]

    return view.make(("venue_closes", base), make)


def open_interest(view: View, base: str) -> list[Array]:
    """Open interest in coins as it stood when each hour opened, one array a venue.

    Notes
    -----
    *Timing:* the reading stamped at an hour's open is known five minutes later, so the row of the
    last closed hour holds a reading that is known. Only hourly series in coins are used. Levels
    of two venues are two quantities: compute with each, then take the first known result.
    """

    def make() -> list[Array]:
        if not len(view.hours):
            return []
        table = "open_interest"
        held, hourly = view.numbers(table, "open_interest"), view.make("hourly_coins", in_coins)
        every = (rows[hourly[rows]] for rows in _by_venue(view, table, base).values())
        return [_lay(view, table, rows, held)[0] for rows in every if len(rows)]

    def in_coins() -> NDArray[np.bool_]:
        frame = view.table("open_interest")
        return ((frame["unit"] == "base") & (frame["interval_hours"] <= 1.0)).to_numpy(dtype=bool)

    return view.make(("open_interest", base), make)


def first_known(values: Sequence[Array], length: int) -> Array:
    """Take, place by place, the first of several arrays that is known."""
    out = np.full(length, np.nan)
    for one in values:
        out = np.where(np.isnan(out), one, out)
    return out


def funding_rate(view: View, base: str) -> Array:
    """Annualised funding in percent as last settled by the end of each hour.

    Returns
    -------
    array
        On `View.hours`; NaN more than nine hours after the last settlement.
    """

    def make() -> Array:
        out = np.full(len(view.hours), np.nan)
        if not len(view.hours):
            return out
        rate, hours = (view.numbers("funding", name) for name in ("rate", "interval_hours"))
        with quiet():
            annual = rate / hours * 24.0 * 365.0 * 100.0
        for rows in _by_venue(view, "funding", base).values():
            (settled,) = _lay(view, "funding", rows, annual)
            held = settled.copy()
            for k in range(1, FUNDING_HOLD_HOURS):
                before = np.concatenate([np.full(k, np.nan), settled[:-k]])
                held = np.where(np.isnan(held), before, held)
            out = np.where(np.isnan(out), held, out)
        return out

    return view.make(("funding", base), make)


def coarse(view: View, bars: Bars, length: int) -> tuple[Bars, NDArray[np.int64]]:
    """Join hours into bars of `length` hours that begin at midnight UTC.

    Parameters
    ----------
    view : View
        Whose hours the bars are on.
    bars : Bars
        Hourly.
    length : int
        Hours in a bar: a divisor of 24.

    Returns
    -------
    Bars, array of int
        The joined bars and the row of the last hour of each. A bar with a missing hour is NaN; a
        bar that has not ended is left out.
    """
    if not len(view.hours):
        return bars, np.zeros(0, dtype=np.int64)
    opened = view.hours.as_unit("us").asi8[0] // HOUR_US
    skip = int(-opened % length)
    count = max(0, (len(view.hours) - skip) // length)
    ends = skip + length * np.arange(1, count + 1) - 1

    def block(x: Array) -> Array:
        return x[skip : skip + count * length].reshape(count, length)

    volume = np.zeros(count)
    for k in range(length):
        volume = volume + block(bars.volume)[:, k]
    known = np.isfinite(block(bars.close)).all(axis=1)
    parts = (
        block(bars.open)[:, 0],
        block(bars.high).max(axis=1, initial=-np.inf),
        block(bars.low).min(axis=1, initial=np.inf),
        block(bars.close)[:, -1],
        volume,
    )
    return Bars(*(np.where(known, part, np.nan) for part in parts)), ends


def newest_bar(view: View, ends: NDArray[np.int64]) -> NDArray[np.intp]:
    """Place of the bar that each hour shows, from the bar's last hour on; -1 before the first."""
    return np.searchsorted(ends, np.arange(len(view.hours)), side="right") - 1
