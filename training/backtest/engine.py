"""The replay: evening after evening, the served policy decides and the design's clock fills.

An evening's orders fill on the next session: the 30-60 DTE book and the hedge at its opening, the
1 DTE book at 15:10 Chicago for the next expiry. Nothing fills at the close that made its forecast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from features.errors import DataError
from serving.book import Book
from serving.facts import RULE_FEATURES, gather_facts
from serving.policy import Allowance, Forecast, decide
from serving.settings import ServingSettings
from training.backtest.accounts import Account, interest_cents
from training.backtest.desk import Desk
from training.backtest.hedge_desk import HedgeDesk
from training.backtest.market import SKEW_MAX_AGE
from training.backtest.shelf import Shelf
from training.backtest.states import Tape
from training.backtest.switches import without_rules
from training.backtest.variants import Variant, conservative

__all__ = ["CRISIS", "Replay", "replay"]

CRISIS = 30.0  # the shift head is not asked at this VIX and above


@dataclass(frozen=True)
class Replay:
    """Result of one replay.

    Attributes
    ----------
    daily : pd.DataFrame
        Index session; cents: profit by book, `equity`; and `risk`, the open maximum loss.
    trades : pd.DataFrame
        One row a cash movement.
    rules : pd.DataFrame
        Index session; the row that decided each condor book's tier.
    stopped : str or None
        Why the replay ended before its span, if it did.
    restricted_at_open : int
        Sessions on which the forecast before the opening changed what was allowed.
    """

    daily: pd.DataFrame
    trades: pd.DataFrame
    rules: pd.DataFrame
    stopped: str | None
    restricted_at_open: int = 0


def replay(
    tape: Tape,
    variant: Variant,
    *,
    first: int,
    last: int,
    p_evening: Mapping[pd.Timestamp, float],
    p_preopen: Mapping[pd.Timestamp, float],
    settings: ServingSettings,
    shelf: Shelf,
    book: Book,
    progress: Callable[[float, str], None] | None = None,
) -> Replay:
    """Run one variant over a span.

    Parameters
    ----------
    tape : Tape
        Market states.
    variant : Variant
        What to run.
    first, last : int
        Positions of the first evening and the last session that is marked.
    p_evening, p_preopen : mapping
        Walk-forward probability of the overlay's head by session; a session without a key was
        not scored.
    settings : ServingSettings
        The served settings.
    shelf : Shelf
        Plans, shared among replays of one band.
    book : Book
        The account at the start.
    progress : callable, optional
        Called with the fraction done.

    Returns
    -------
    Replay
        Ends early, with `stopped` saying why, at a session whose marks cannot be made.

    Notes
    -----
    Timing: orders of evening t are decided on the state of t and filled on t + 1 only.
    """
    chosen = settings.model_copy(
        update={
            "policy": settings.policy.model_copy(
                update={"overlay": settings.policy.overlay and variant.forecast != "none"}
            )
        }
    )
    account = Account(book.equity_cents)
    desk = Desk(tape, chosen, shelf, account, book)
    hedges = HedgeDesk(tape, chosen, shelf, account, book.hedges)
    rows: list[dict[str, object]] = []
    rules: list[dict[str, object]] = []
    stopped = None
    restricted = 0
    equity = book.equity_cents
    rates = tape.market.column("rate")
    with without_rules(variant.off, settings.policy):
        for place in range(first, last):
            try:
                allowances = _evening(tape, variant, place, chosen, shelf, desk, p_evening)
                opening = allowances
                if variant.preopen:
                    opening = _evening(
                        tape, variant, place, chosen, shelf, desk, p_evening, p_preopen
                    )
                    restricted += opening != allowances
                p_shift = p_evening.get(tape.market.sessions[place])
                if variant.hedge:
                    hedges.decide(place, opening["alvh"], p_shift, equity, desk.risk_cents())
                hedges.at_open(place + 1)
                desk.at_open(place + 1, opening, variant, equity)
                desk.at_close(place + 1, opening, variant, equity)
                state, marks, risk = desk.marks(place + 1)
                marks["alvh"] = hedges.mark(state)
            except DataError as error:
                day = tape.market.sessions[place + 1].date()
                stopped = f"stopped at {day}: {error}"
                break
            session = tape.market.sessions[place + 1]
            days = (session - tape.market.sessions[place]).days
            rate = rates[place]
            if not np.isfinite(rate):
                stopped = f"stopped at {session.date()}: no bill rate is known. Import it."
                break
            gained = interest_cents(account.cash_cents, float(rate), days)
            account.post(f"{session:%Y-%m-%d}", "cash", "interest", gained)
            closed = account.close_day(marks)
            equity = closed["equity"]
            rows.append({"session": session, **closed, "risk": risk})
            rules.append(
                {"session": session, **{b: a.decided_by for b, a in opening.items() if b != "alvh"}}
            )
            if progress is not None and (place - first) % 100 == 0:
                progress((place - first) / max(last - first, 1), variant.name)
    if not rows:
        raise DataError(f"the replay could not mark a single session: {stopped}")
    return Replay(
        daily=pd.DataFrame(rows).set_index("session"),
        trades=pd.DataFrame([vars(trade) for trade in account.trades]),
        rules=pd.DataFrame(rules).set_index("session"),
        stopped=stopped,
        restricted_at_open=restricted,
    )


def _evening(
    tape: Tape,
    variant: Variant,
    place: int,
    settings: ServingSettings,
    shelf: Shelf,
    desk: Desk,
    p_evening: Mapping[pd.Timestamp, float],
    p_preopen: Mapping[pd.Timestamp, float] | None = None,
) -> dict[str, Allowance]:
    state = tape.evening[place]
    if state is None:
        raise DataError(
            f"no SPX or VIX close on {tape.market.sessions[place].date()}; a replay never trades "
            "on carried-forward marks. Import it, or choose a span that ends before it."
        )
    if state.skew is None:
        raise DataError(
            f"no SKEW on {state.session.date()} or in the {SKEW_MAX_AGE} sessions before, and the "
            "smile needs it. Import it, or choose a span that ends before it."
        )
    if variant.always_conservative:
        return {name: conservative(name) for name in (*variant.books, "alvh")}
    if variant.muted:
        muted = {n for name in variant.muted for group in RULE_FEATURES[name] for n in group}
        state = replace(
            state, features={k: None if k in muted else v for k, v in state.features.items()}
        )
    sessions = tape.market.sessions
    past = [p_evening.get(sessions[place - k]) for k in (1, 2)]
    now = p_evening.get(sessions[place])
    if p_preopen is not None:
        before = p_preopen.get(sessions[place])
        now = before if now is None else now if before is None else max(now, before)
    told = Forecast(p_shift=now, p_applies=state.vix < CRISIS, earlier=tuple(past))
    edr = tape.edr[place].points(state.spx) or 0.0
    plans = {name: shelf.tonight(name, state, edr) for name in variant.books}
    windows = {}
    for name, plan in plans.items():
        after = state.ticket_session if name == "condor_1dte" else state.session
        until = plan.expiry if name == "condor_1dte" else state.ticket_session
        windows[name] = (after, until)
    found = {name: desk.given(name, plan) for name, plan in plans.items()}
    facts = gather_facts(state, told, settings, windows=windows, found=found)
    return dict(decide(facts, settings).allowances)
