"""Fetch live data into the store: every source in one step of its own, all of it or nothing.

A source that fails leaves the store as it was; the report says which of its tables are now stale.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from features.errors import StormpetrelError, UsageError
from features.sessions import calendar
from features.sources.fetchers.job import Batch, Job, Source
from features.tables import TABLES

if TYPE_CHECKING:
    from features.sources.fetchers.settings import FetchSettings
    from features.store import MarketStore

__all__ = ["FetchReport", "SourceReport", "fetch", "sources"]

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class SourceReport:
    """What became of one source.

    Parameters
    ----------
    source : str
        Its name.
    outcome : {"fetched", "unchanged", "failed"}
        `unchanged` where nothing new came.
    reason : str or None
        Why it failed.
    exit_code : int
        Of the failure, else 0.
    tables : dict
        Table to rows new, revised, same and held.
    stale : dict
        Table to the last day or hour it has, for tables that end too early now.
    requests : int
        Requests sent.
    """

    source: str
    outcome: str
    reason: str | None = None
    exit_code: int = 0
    tables: dict[str, dict[str, int]] = field(default_factory=dict)
    stale: dict[str, str | None] = field(default_factory=dict)
    requests: int = 0


@dataclass(frozen=True)
class FetchReport:
    """What a fetch did, source by source."""

    sources: list[SourceReport]

    @property
    def exit_code(self) -> int:
        """0 where every source was fetched, else the code of the first failure."""
        return next((one.exit_code for one in self.sources if one.exit_code), 0)

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain types."""
        return {"sources": [asdict(one) for one in self.sources]}


def sources() -> dict[str, Source]:
    """Return every source by name."""
    from features.sources.fetchers import binance, bybit, cboe, fred, okx, sheet, totals

    every = (cboe.INDICES, cboe.VIX_FUTURES, cboe.STRATEGY, fred.FRED, binance.BINANCE, bybit.BYBIT,
             okx.OKX, okx.OKX_LIQUIDATIONS, totals.COINGLASS, totals.COINALYZE,
             sheet.SHEET)  # fmt: skip
    return {one.name: one for one in every}


def fetch(
    store: MarketStore,
    names: Sequence[str] = (),
    *,
    since: pd.Timestamp | None = None,
    now: pd.Timestamp,
    settings: FetchSettings,
    progress: Progress | None = None,
) -> FetchReport:
    """Fetch sources into the store.

    Parameters
    ----------
    store : MarketStore
        Where rows go, one transaction a source.
    names : sequence of str
        Sources; none means those that need neither a key nor an address.
    since : Timestamp, optional
        Start of the history wanted (UTC if it has no timezone). By default each series goes on
        from its last stored row, with an overlap.
    now : Timestamp
        Timezone-aware moment of the fetch.
    settings : FetchSettings
        Limits and addresses (`load_settings`).
    progress : callable, optional
        Called with the fraction done and what is being fetched.

    Returns
    -------
    FetchReport
        A failed source is in it; it does not stop the others.

    Raises
    ------
    UsageError
        If a source does not exist, `now` has no timezone, or the extra `data` is not installed.

    Notes
    -----
    *Timing:* rows get their table's availability rule, or what the fetcher knows better; a
    correction of a stored row is available from `now` on. Bars and days that still run are left
    out.
    """
    known = sources()
    wanted = list(dict.fromkeys(names)) or [
        name for name in known if name not in ("coinglass", "coinalyze", "sheet")
    ]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise UsageError(
            f"no source is called {unknown[0]!r}. Expected some of {', '.join(known)}."
        )
    absent = [name for name in ("httpx", "stamina") if importlib.util.find_spec(name) is None]
    if absent:
        raise UsageError(
            f"fetching needs {' and '.join(absent)}. Install the extra: "
            'python -m pip install -e ".[data]".'
        )
    if now.tzinfo is None:
        raise UsageError("`now` must have a timezone. Pass an aware timestamp.")
    moment = now.tz_convert("UTC").as_unit("us")
    start = None
    if since is not None:
        start = since.tz_localize("UTC") if since.tzinfo is None else since.tz_convert("UTC")
        start = start.as_unit("us")
    tell = progress or _silent
    reports = []
    for place, name in enumerate(wanted):
        share = place / len(wanted)

        def step(fraction: float, what: str, share: float = share, name: str = name) -> None:
            tell(share + min(fraction, 1.0) / len(wanted), f"{name}: {what}")

        reports.append(_one(store, known[name], moment, start, settings, step))
    tell(1.0, "done")
    return FetchReport(reports)


def _silent(_: float, __: str) -> None:
    return


def _one(
    store: MarketStore,
    source: Source,
    now: pd.Timestamp,
    since: pd.Timestamp | None,
    settings: FetchSettings,
    tell: Progress,
) -> SourceReport:
    from features.sources.fetchers.http import Client
    from features.sources.fetchers.state import FetchState

    state = FetchState(store.root / "fetch", source.name)
    with Client(
        source.name, state=state, settings=settings, per_second=source.per_second(settings)
    ) as client:
        try:
            job = Job(client, store.snapshot(), settings, now, since, tell)
            counts = _append(store, source.fetch(job), now)
            state.commit()
        except StormpetrelError as error:
            return SourceReport(
                source.name,
                "failed",
                reason=str(error),
                exit_code=error.exit_code,
                stale=_stale(store, source, now),
                requests=client.requests,
            )
        new = sum(count["new"] + count["revised"] for count in counts.values())
        return SourceReport(
            source.name,
            "fetched" if new else "unchanged",
            tables=counts,
            stale=_stale(store, source, now),
            requests=client.requests,
        )


def _append(
    store: MarketStore, batches: Sequence[Batch], now: pd.Timestamp
) -> dict[str, dict[str, int]]:
    """Put all batches into the store in one transaction."""
    counts: dict[str, Any] = {}
    filled = [batch for batch in batches if len(batch.rows)]
    if not filled:
        return {}
    with store.transaction(now=now) as transaction:
        for batch in filled:
            done = transaction.append(batch.table, batch.rows, source=batch.source)
            counts[batch.table] = counts[batch.table] + done if batch.table in counts else done
    return {table: asdict(count) for table, count in counts.items()}


def _stale(store: MarketStore, source: Source, now: pd.Timestamp) -> dict[str, str | None]:
    """Name the tables that end before what should be there at `now`, with their last time."""
    found: dict[str, str | None] = {}
    for name in source.tables:
        table = TABLES[name]
        rows = store.read(name, columns=[], where=source.where)
        last = rows[table.time].max() if len(rows) else None
        if last is None:
            found[name] = None
        elif last < _expected(name, now):
            found[name] = str(last.date()) if table.time == "date" else last.isoformat()
    return found


def _expected(name: str, now: pd.Timestamp) -> pd.Timestamp:
    """Return the last time that a table can be asked to have at `now`."""
    table = TABLES[name]
    if name == "liquidation_events":
        return now - pd.Timedelta(days=1)  # an hour without a liquidation is no gap
    if table.time != "date":
        late = {"funding": 9, "open_interest": 2}.get(name, 2)
        return now - pd.Timedelta(hours=late)
    if name == "liquidation_totals":
        return (now - pd.Timedelta(days=1, minutes=5)).floor("D").tz_localize(None)
    lag = {"rates": 2, "dollar": 7, "strategy_indices": 1}.get(name, 0)
    session = calendar().last_closed(now)
    for _ in range(lag):
        session = calendar().previous(session)
    return session
