"""The market as the ticket sees it: what was known at the cut-off, nothing later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from features.sessions import calendar
from features.store import MarketStore
from serving.edr import Edr, edr_table
from serving.evidence import Evidence
from serving.quotes import ChainQuotes
from serving.rows import CHOOSE, SHOWN, Rows
from serving.settings import EdrSettings

__all__ = ["Event", "Future", "MarketState", "StateReader"]

_BAR = ("spx_high", "spx_low", "spx_close", "vix_close")
_FRONT_SESSIONS = 5  # the front future has at least five sessions left
_EVENT_DAYS = 100
_RECENT = 20  # closes behind `vix_max20`
_HISTORY_DAYS = 60
_TABLES = ("vol_indices", "vix_futures", "rates", "scheduled_events")


@dataclass(frozen=True)
class Future:
    """One monthly VIX future as settled."""

    expiry: pd.Timestamp
    settle: float
    date: pd.Timestamp


@dataclass(frozen=True)
class Event:
    """One scheduled release."""

    date: pd.Timestamp
    event: str


@dataclass(frozen=True)
class MarketState:
    """Everything the policy and the ticket know about the market.

    Attributes
    ----------
    session, ticket_session : pd.Timestamp
        t, and the session that the ticket is for.
    cutoff : pd.Timestamp
        UTC.
    spx, vix : float
        Closes of t.
    vix1d, vix9d, vix3m, vix6m, vvix, skew : float or None
        Closes of t.
    vix_sma5, vix_max20 : float
        Over the closes up to t.
    typical : float or None
        (high + low + close) / 3 of t: the daily stand-in for a session's VWAP.
    futures : tuple of Future
        Monthly VIX futures by expiry, settlements of the last date known.
    rate : float or None
        13-week bill as a continuously compounded fraction.
    events : tuple of Event
        FOMC, CPI, PPI and payrolls ahead, as published by the cut-off.
    features : mapping
        The feature row; None where null.
    quotes : ChainQuotes or None
        The user's own quotes, by the cut-off.
    """

    session: pd.Timestamp
    ticket_session: pd.Timestamp
    cutoff: pd.Timestamp
    spx: float
    vix: float
    vix1d: float | None
    vix9d: float | None
    vix3m: float | None
    vix6m: float | None
    vvix: float | None
    skew: float | None
    vix_sma5: float
    vix_max20: float
    typical: float | None
    futures: tuple[Future, ...]
    rate: float | None
    events: tuple[Event, ...]
    features: Mapping[str, float | None]
    quotes: ChainQuotes | None = None

    @property
    def ivts(self) -> float | None:
        """VIX over VIX3M."""
        return None if not self.vix3m else self.vix / self.vix3m

    @cached_property
    def fronts(self) -> tuple[Future, ...]:
        """Futures from the first with at least five sessions left."""
        days = calendar()
        return tuple(
            f for f in self.futures if days.count(self.ticket_session, f.expiry) >= _FRONT_SESSIONS
        )

    @cached_property
    def contango(self) -> float | None:
        """F2/F1 - 1 of the first two futures (`CI`)."""
        front = self.fronts
        return None if len(front) < 2 else front[1].settle / front[0].settle - 1.0

    @property
    def backwardation(self) -> bool:
        """Whether F1 > F2, or VIX > VIX3M."""
        contango, ivts = self.contango, self.ivts
        return (contango is not None and contango < 0) or (ivts is not None and ivts > 1.0)

    def events_between(self, after: pd.Timestamp, until: pd.Timestamp) -> tuple[Event, ...]:
        """Releases on sessions after `after` up to `until`."""
        return tuple(e for e in self.events if after < e.date <= until)


class StateReader:
    """Reads market states; every table once between its revisions.

    Parameters
    ----------
    store : MarketStore
        One snapshot.
    first : pd.Timestamp
        First session that will be asked for.
    """

    def __init__(self, store: MarketStore, first: pd.Timestamp) -> None:
        self._store = store
        self._start = first - pd.Timedelta(days=_HISTORY_DAYS)
        self._revisions = {name: store.revision_times(name) for name in _TABLES}
        self._read: dict[tuple[str, int], Rows] = {}

    def state(self, evidence: Evidence) -> MarketState:
        """Give the state of one session as its cut-off saw it.

        Parameters
        ----------
        evidence : Evidence
            The session, its cut-off, features and spine.

        Notes
        -----
        Timing: rows with ``available_at <= cutoff``, in the version that stood then.
        """
        session, cutoff = evidence.session, evidence.cutoff
        high, low, spx, vix = (evidence.recent(name, _RECENT) for name in _BAR)
        closes = self._closes(session, cutoff)
        typical = (float(high[-1]) + float(low[-1]) + float(spx[-1])) / 3
        return MarketState(
            session=session,
            ticket_session=calendar().next(session),
            cutoff=cutoff,
            spx=float(spx[-1]),
            vix=float(vix[-1]),
            vix1d=_positive(closes.get("vix1d")),
            vix9d=_positive(closes.get("vix9d")),
            vix3m=_positive(closes.get("vix3m")),
            vix6m=_positive(closes.get("vix6m")),
            vvix=_positive(closes.get("vvix")),
            skew=_positive(closes.get("skew")),
            vix_sma5=float(np.nanmean(vix[-5:])),
            vix_max20=float(np.nanmax(vix)),
            typical=_positive(typical),
            futures=self._futures(session, cutoff),
            rate=self._rate(session, cutoff),
            events=self._events(session, cutoff),
            features=evidence.values(),
        )

    def edrs(
        self, evidence: Sequence[Evidence], settings: EdrSettings
    ) -> dict[pd.Timestamp, tuple[Edr, ...]]:
        """Give the expected ranges of sessions that share a spine, with their coverage.

        Parameters
        ----------
        evidence : sequence of Evidence
            Rising, of one spine.
        settings : EdrSettings
        """
        spine, cutoff = evidence[-1].spine, evidence[-1].cutoff
        symbols = self._store.read(
            "vol_indices", as_of=cutoff, columns=["close"], where={"symbol": ["vix9d", "vix1d"]}
        )
        frame = pd.DataFrame({"spx": spine["spx_close"], "vix": spine["vix_close"]})
        for name in ("vix9d", "vix1d"):
            own = symbols[symbols["symbol"] == name]
            closes = own["close"].set_axis(pd.DatetimeIndex(own["date"]).as_unit("us"))
            frame[name] = closes.reindex(frame.index)
        table = edr_table(frame, [item.session for item in evidence], settings=settings)
        return dict(table)

    def _rows(self, name: str, cutoff: pd.Timestamp) -> Rows:
        """Rows of a table between two of its revisions, laid out once."""
        revisions = self._revisions[name]
        epoch = int(revisions.searchsorted(cutoff, side="right")) if len(revisions) else 0
        if (name, epoch) not in self._read:
            as_of = (
                revisions[epoch] - pd.Timedelta(microseconds=1) if epoch < len(revisions) else None
            )
            start = None if name == "scheduled_events" else self._start
            frame = self._store.read(name, as_of=as_of, start=start)
            self._read[name, epoch] = Rows.of(CHOOSE[name](frame), SHOWN[name])
        return self._read[name, epoch]

    def _closes(self, session: pd.Timestamp, cutoff: pd.Timestamp) -> dict[str, float]:
        return dict(self._rows("vol_indices", cutoff).on(session, cutoff))

    def _futures(self, session: pd.Timestamp, cutoff: pd.Timestamp) -> tuple[Future, ...]:
        date, rows = self._rows("vix_futures", cutoff).last(session, cutoff)
        if date is None:
            return ()
        return tuple(Future(e, s, date) for e, s in sorted(rows) if e > session)

    def _rate(self, session: pd.Timestamp, cutoff: pd.Timestamp) -> float | None:
        date, rows = self._rows("rates", cutoff).last(session, cutoff)
        return None if date is None else float(np.log1p(rows[-1][0] / 100))

    def _events(self, session: pd.Timestamp, cutoff: pd.Timestamp) -> tuple[Event, ...]:
        ahead = session + pd.Timedelta(days=_EVENT_DAYS)
        rows = self._rows("scheduled_events", cutoff).between(session, ahead, cutoff)
        return tuple(Event(date, str(event)) for date, event in sorted(rows))


def _positive(value: object) -> float | None:
    number = float(value) if isinstance(value, (int, float, np.floating)) else float("nan")
    return number if number > 0 else None
