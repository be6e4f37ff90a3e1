"""What a fetcher is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from features.errors import RefusedError
from features.sources.fetchers.parse import HOUR

if TYPE_CHECKING:
    from features.sources.fetchers.http import Client
    from features.sources.fetchers.settings import FetchSettings
    from features.store import MarketStore

__all__ = ["Batch", "Job", "Source", "ms", "with_intervals"]


@dataclass(frozen=True)
class Batch:
    """Rows for one table, with the source that they are stored under."""

    table: str
    rows: pd.DataFrame
    source: str


@dataclass(frozen=True)
class Job:
    """One run of one fetcher.

    Parameters
    ----------
    client : Client
        The only way out.
    store : MarketStore
        A snapshot: what is stored already. Never written.
    settings : FetchSettings
        Limits and addresses.
    now : Timestamp
        Moment of the fetch (UTC).
    since : Timestamp or None
        Where the user wants history to start (UTC).
    tell : callable
        Called with the fraction done and what is being fetched.
    """

    client: Client
    store: MarketStore
    settings: FetchSettings
    now: pd.Timestamp
    since: pd.Timestamp | None
    tell: Callable[[float, str], None]

    def last(self, table: str, where: Mapping[str, Any]) -> pd.Timestamp | None:
        """Return the last stored time of a series, None where there is none."""
        from features.tables import TABLES

        time = TABLES[table].time
        rows = self.store.read(table, columns=[], where=dict(where))
        return None if rows.empty else pd.Timestamp(rows[time].max())

    def start(self, table: str, where: Mapping[str, Any]) -> pd.Timestamp:
        """Return the hour from which an hourly series is to be fetched.

        Three hours before the last stored one, so that a late correction is seen; else `since`,
        else as far back as the configuration says.
        """
        if self.since is not None:
            return self.since.floor("h")
        last = self.last(table, where)
        if last is not None:
            return last.floor("h") - 3 * HOUR
        return (self.now - pd.Timedelta(days=self.settings.backfill_days)).floor("D")

    def after_others(self, table: str, frame: pd.DataFrame, source: str) -> pd.DataFrame:
        """Keep the days after the last one that another source has filled.

        Two sources round opens, highs and volumes differently; taking over an imported history
        would revise thousands of rows that nobody corrected.
        """
        rows = self.store.read(table, columns=["source"])
        others = rows.loc[rows["source"].astype("str") != source, "date"]
        return frame if others.empty else frame[frame["date"] > others.max()]

    def final(self, end: pd.Timestamp) -> bool:
        """Whether a page that ends at `end` can no longer change."""
        return end <= self.now - 2 * HOUR

    def alone(self, table: str, base: str, source: str) -> None:
        """Refuse to mix two feeds of different level in one series.

        Raises
        ------
        RefusedError
            If the stored rows of `base` come from another source.
        """
        rows = self.store.read(table, columns=["source"], where={"base": base})
        others = sorted(set(rows["source"].astype(str)) - {source})
        if others:
            raise RefusedError(
                f"{table} of {base} holds rows of {', '.join(others)}; those of {source} have "
                "another level and would look like a change of the market. Keep one source, or "
                "use another home for this one."
            )


@dataclass(frozen=True)
class Source:
    """A provider: its name, the tables it feeds, its fetcher, and which rows of a table are its."""

    name: str
    about: str
    tables: tuple[str, ...]
    fetch: Callable[[Job], Sequence[Batch]]
    per_second: Callable[[FetchSettings], float]
    where: Mapping[str, str] = field(default_factory=dict)


def ms(moment: pd.Timestamp) -> str:
    """Write a moment as epoch milliseconds."""
    return str(moment.value // 1_000_000)


def with_intervals(rows: pd.DataFrame) -> pd.DataFrame:
    """Add `interval_hours`, the time since the settlement before; the first row is left out.

    Parameters
    ----------
    rows : DataFrame
        One series by `ts`, fetched from a day before the first row that is wanted.

    Notes
    -----
    A settlement that is missing would look like a long interval, so an interval that no venue
    uses takes the series' usual one.
    """
    hours = rows["ts"].diff().dt.total_seconds() / 3600.0
    known = hours.isin([1.0, 2.0, 4.0, 8.0, 24.0])
    if not known.any():
        return rows.iloc[:0].assign(interval_hours=np.empty(0))
    common = float(hours[known].mode().iloc[0])
    return rows.assign(interval_hours=hours.where(known, common)).iloc[1:]
