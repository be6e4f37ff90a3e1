"""Market states by session: what the policy reads, and the levels at which its orders fill.

The same `MarketState` that serves, built from arrays instead of one read an evening.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.sessions import calendar
from features.store import MarketStore
from serving.edr import Edr, expected_ranges
from serving.facts import RULE_FEATURES
from serving.settings import EdrSettings
from serving.smile import DEFAULT, VolInputs
from serving.state import Event, Future, MarketState
from training.backtest.market import Market
from training.backtest.rolls import ROLL_DEFAULT, roll_points

__all__ = ["Tape", "banded", "load_tape"]

Array = NDArray[np.float64]
_AT_OPEN = replace(ROLL_DEFAULT, close_weight=0.0)
_AHEAD = pd.Timedelta(days=100)


@dataclass
class Tape:
    """Everything the replay reads, by position of the session.

    Attributes
    ----------
    market : Market
    evening : list of MarketState or None
        The state at the evening cut-off; None where SPX or VIX is missing.
    open_spot, open_vix : Array
        Levels at the opening, estimated as for the replications.
    edr, edr_cal : list of Edr
        The decision's range and the calibrated one.
    final : dict
        Final settlement of VIX futures by expiry.
    """

    market: Market
    evening: list[MarketState | None]
    open_spot: Array
    open_vix: Array
    edr: list[Edr]
    edr_cal: list[Edr]
    final: Mapping[pd.Timestamp, float]

    def at_open(self, place: int) -> MarketState | None:
        """Give last evening's state with the levels of this session's opening."""
        before = self.evening[place - 1]
        if before is None or not np.isfinite(self.open_spot[place]):
            return None
        ratio = self.open_vix[place] / before.vix
        moved: dict[str, Any] = {}
        for name in ("vix1d", "vix9d", "vix3m", "vix6m"):
            value = getattr(before, name)
            moved[name] = None if value is None else value * ratio
        return replace(
            before, spx=float(self.open_spot[place]), vix=float(self.open_vix[place]), **moved
        )

    def at_close(self, place: int) -> MarketState | None:
        """Give the state of this session's close as a fill of this very session sees it."""
        now = self.evening[place]
        if now is None:
            return None
        return replace(now, ticket_session=now.session)


def banded(inputs: VolInputs, band: float) -> VolInputs:
    """Shift smile inputs to an end of the calibrated uncertainty.

    Parameters
    ----------
    inputs : VolInputs
        Index levels.
    band : float
        -1, 0 or +1.

    Returns
    -------
    VolInputs
        Levels for which the central smile gives what the given ones give at that end. Where
        VIX1D is unknown the one-day band of the dossier, 0.70 to 1.00 of VIX, is a stand-in VIX1D.
    """
    if band == 0:
        return inputs
    p = DEFAULT
    reach = p.ratio_1d_high - p.ratio_1d if band > 0 else p.ratio_1d - p.ratio_1d_low
    stand_in = (p.ratio_1d + band * reach) * inputs.vix / p.ratio_vix1d
    one_day = np.where(
        np.isfinite(inputs.vix1d), inputs.vix1d * (1 + band * p.band_vix1d), stand_in
    )
    level = 1 + band * p.band_30d
    return VolInputs(
        vix=inputs.vix * level,
        skew=inputs.skew,
        vix1d=np.asarray(one_day),
        vix9d=np.asarray(inputs.vix9d * (1 + band * p.band_vix9d)),
        vix3m=np.asarray(inputs.vix3m * level),
        vix6m=np.asarray(inputs.vix6m * level),
    )


def load_tape(
    store: MarketStore, market: Market, features: pd.DataFrame, settings: EdrSettings
) -> Tape:
    """Build the states of all sessions of a market.

    Parameters
    ----------
    store : MarketStore
        For the scheduled events.
    market : Market
        Daily history.
    features : pd.DataFrame
        Feature rows by session; of them the columns that policy rules read. May be empty.
    settings : EdrSettings
        The expected range's numbers.

    Notes
    -----
    Timing: the state of a session holds closes and futures of that session, events published
    by its 18:00 New York cut-off, and features built as of it.
    """
    frame, sessions = market.frame, market.sessions
    cutoffs = calendar().cutoffs(sessions, "evening")
    following = calendar().following(sessions)
    futures = _futures(market)
    events = _events(store)
    wanted = [n for groups in RULE_FEATURES.values() for g in groups for n in g if n in features]
    rows = features.reindex(sessions)[wanted] if wanted else pd.DataFrame(index=sessions)
    close, vix, vix9d, vix1d = (market.column(n) for n in ("close", "vix", "vix9d", "vix1d"))
    ranges = expected_ranges(close, vix, vix9d, vix1d, settings=settings)
    sma5 = frame["vix"].rolling(5, min_periods=1).mean().to_numpy()
    max20 = frame["vix"].rolling(20, min_periods=1).max().to_numpy()
    typical = frame[["high", "low", "close"]].mean(axis=1).to_numpy()
    columns: dict[str, Any] = {
        n: market.column(n) for n in ("vix1d", "vix9d", "vix3m", "vix6m", "vvix", "skew")
    }
    rate = market.column("rate")
    table = rows.to_numpy(dtype=float)
    evening: list[MarketState | None] = []
    for i, session in enumerate(sessions):
        if not (close[i] > 0 and vix[i] > 0):
            evening.append(None)
            continue
        evening.append(
            MarketState(
                session=session,
                ticket_session=following[i],
                cutoff=cutoffs[i],
                spx=float(close[i]),
                vix=float(vix[i]),
                **_levels(columns, i),
                vix_sma5=float(sma5[i]),
                vix_max20=float(max20[i]),
                typical=_known(typical[i]),
                futures=tuple(f for f in futures.get(session, ()) if f.expiry > session),
                rate=_known(rate[i]),
                events=_seen(events, session, cutoffs[i]),
                features={n: _known_any(v) for n, v in zip(wanted, table[i], strict=True)},
            )
        )
    # an order fills at what could be known at the opening: no weight on the session's close
    points = roll_points(market, np.arange(1, len(sessions)), parameters=_AT_OPEN)
    final = market.futures[market.futures["is_final_settlement"] == 1]
    return Tape(
        market=market,
        evening=evening,
        open_spot=np.append(np.nan, points.soq),
        open_vix=np.append(np.nan, _opening_vix(market)),
        edr=[Edr(settings.decision, _known(v), None) for v in ranges[settings.decision]],
        edr_cal=[Edr("edr_cal", _known(v), None) for v in ranges["edr_cal"]],
        final=dict(zip(final["expiry"], final["settle"].astype(float), strict=True)),
    )


def _opening_vix(market: Market) -> Array:
    vix, opening = market.column("vix"), market.column("vix_open")
    return np.where(opening[1:] > 0, opening[1:], vix[:-1])


def _futures(market: Market) -> dict[pd.Timestamp, tuple[Future, ...]]:
    rows = market.futures
    rows = rows[(rows["is_final_settlement"] == 0) & (rows["is_monthly"] == 1)]
    rows = rows.dropna(subset=["settle"]).sort_values(["date", "expiry"])
    out: dict[pd.Timestamp, list[Future]] = {}
    for date, expiry, settle in zip(rows["date"], rows["expiry"], rows["settle"], strict=True):
        out.setdefault(date, []).append(Future(expiry, float(settle), date))
    return {date: tuple(found) for date, found in out.items()}


def _events(store: MarketStore) -> pd.DataFrame:
    rows = store.read("scheduled_events")
    rows = rows[rows["kind"].isin(["scheduled", "tentative"])]
    return rows[["date", "event", "available_at"]].sort_values(["date", "event"])


def _seen(events: pd.DataFrame, session: pd.Timestamp, cutoff: pd.Timestamp) -> tuple[Event, ...]:
    dates = events["date"].to_numpy()
    first = int(np.searchsorted(dates, session.to_datetime64(), side="right"))
    last = int(np.searchsorted(dates, (session + _AHEAD).to_datetime64(), side="right"))
    ahead = events.iloc[first:last]
    return tuple(
        Event(date, event)
        for date, event, known in zip(
            ahead["date"], ahead["event"], ahead["available_at"], strict=True
        )
        if known <= cutoff
    )


def _known(value: float) -> float | None:
    return float(value) if value > 0 else None


def _known_any(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _levels(columns: dict[str, Any], place: int) -> dict[str, Any]:
    return {name: _known(values[place]) for name, values in columns.items()}
