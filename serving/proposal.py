"""A new condor for one book: expiry, marks, strikes, restrictions, size, odds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import floor
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from features.errors import UsageError
from features.sessions import calendar
from serving.book import Book
from serving.chain import Chain, weekly_expiry
from serving.condor import MULTIPLIER, Condor, round_to_tick
from serving.edr import Edr
from serving.marking import chain_for
from serving.odds import Odds, condor_odds, path_touch, slippage
from serving.policy import Allowance
from serving.settings import CondorSettings, ServingSettings
from serving.smile import Marks, VolInputs
from serving.state import MarketState
from serving.strikes import Search, premium_gauge, push_out, search_delta, search_rsai

if TYPE_CHECKING:
    from models.touches import OpenPaths

__all__ = [
    "Plan",
    "Proposal",
    "Quote",
    "expiry_of",
    "plan_book",
    "price_best_tier",
    "price_tier",
    "propose",
    "vol_inputs",
]

_SKEW_UNKNOWN = 120.0  # the smile's reference level; flagged wherever it stands in


@dataclass(frozen=True)
class Plan:
    """When a book's next condor fills and expires, and the marks of that expiry.

    Attributes
    ----------
    book : str
    fill : str
        When it may fill, in words with its zone.
    expiry : pd.Timestamp
    sessions : int
        Exchange sessions from the fill to the settlement.
    dte : int
        Calendar days from the fill to the expiry.
    chain : Chain
    gauge : float
        Credit of the standard condor at one VIX-implied daily range, 1 DTE book; index points.
    """

    book: str
    fill: str
    expiry: pd.Timestamp
    sessions: int
    dte: int
    chain: Chain
    gauge: float | None


@dataclass(frozen=True)
class Quote:
    """One tier's package before sizing."""

    tier: int
    search: Search
    before: Search
    base_width: int
    width: int
    condor: Condor | None
    min_credit: int
    status: str


@dataclass(frozen=True)
class Proposal:
    """A sized condor with its odds, the marks of its legs from the lowest strike, and its band."""

    plan: Plan
    quote: Quote
    condor: Condor
    quantity: int
    size_reason: str
    odds: Odds
    marks: Marks
    band: tuple[float, float]


def vol_inputs(state: MarketState) -> tuple[VolInputs, tuple[str, ...]]:
    """Give the smile its levels, and say where one was unknown."""
    doubts = []
    if state.skew is None:
        doubts.append(f"SKEW unknown: the smile uses its reference {_SKEW_UNKNOWN:g}")
    inputs = VolInputs.of(
        vix=state.vix,
        skew=state.skew if state.skew is not None else _SKEW_UNKNOWN,
        vix1d=state.vix1d,
        vix9d=state.vix9d,
        vix3m=state.vix3m,
        vix6m=state.vix6m,
    )
    return inputs, tuple(doubts)


def expiry_of(book: str, fill_session: pd.Timestamp, settings: CondorSettings) -> pd.Timestamp:
    """Give the expiry of a book's new condor: the next session, or the weekly near the target."""
    if book == "condor_1dte":
        return calendar().next(fill_session)
    return weekly_expiry(fill_session, settings.dte_target, settings.dte_range)


def plan_book(
    book: str, state: MarketState, inputs: VolInputs, edr_vix: float, settings: ServingSettings
) -> Plan:
    """Choose fill and expiry of a book, and mark the strikes.

    Parameters
    ----------
    book : str
        ``condor_1dte`` fills at 15:10 Chicago of the ticket session for the next session;
        ``condor_30_60`` at its open for the Friday nearest to the target.
    state : MarketState
    inputs : VolInputs
    edr_vix : float
        VIX-implied daily range, index points.
    settings : ServingSettings
    """
    own = settings.condor
    fill_session = state.ticket_session
    expiry = expiry_of(book, fill_session, own)
    if book == "condor_1dte":
        sessions, fill = 1, f"{fill_session:%Y-%m-%d} 15:10 Chicago"
        width = own.wing_width
    else:
        sessions = calendar().count(fill_session, expiry)
        fill = f"{fill_session:%Y-%m-%d} at the open"
        width = own.wing_width_30_60
    chain = chain_for(state, inputs, own, expiry=expiry, sessions=sessions, margin=2 * width)
    gauge = None
    if book == "condor_1dte":
        gauge = premium_gauge(chain, edr_points=edr_vix, width=own.gauge_width)
    return Plan(book, fill, expiry, sessions, (expiry - fill_session).days, chain, gauge)


def price_tier(
    plan: Plan, allowance: Allowance, edr: Edr, edr_cal: Edr, settings: ServingSettings
) -> Quote:
    """Search the strikes of the allowed tier and apply the restrictions.

    Returns
    -------
    Quote
        `status` is ``OK``, ``NEAREST``, ``UNREACHABLE``, or ``FLOOR`` where the credit left pays
        less than its floor for W.
    """
    own = settings.condor
    spot = plan.chain.spot
    base = own.wing_width if plan.book == "condor_1dte" else own.wing_width_30_60
    width = max(base - allowance.narrower, own.strike_step)
    # strikes are those of the full W: narrower wings must not pull the shorts in
    if plan.book == "condor_1dte":
        before = search_rsai(
            plan.chain,
            edr_points=edr.points(spot) or 0.0,
            target=own.credits[allowance.tier - 1] / 100,
            width=base,
            tolerance=own.tick / 100,
            max_delta=own.max_short_delta,
            m_start=own.m_start,
        )
    else:
        before = search_delta(plan.chain, delta=own.deltas_30_60[allowance.tier - 1], width=base)
    search = before
    if before.status != "UNREACHABLE":
        floor_points = 0.0
        if plan.book == "condor_1dte":
            floor_points = allowance.m_floor * (edr_cal.points(spot) or edr.points(spot) or 0.0)
        search = push_out(
            plan.chain, before, multiple=allowance.m, floor_points=floor_points, width=width
        )
    if search.status == "UNREACHABLE":
        return Quote(allowance.tier, search, before, base, width, None, 0, "UNREACHABLE")
    credit = round_to_tick(search.credit, own.tick)
    lowest = round_to_tick(
        search.credit - slippage(search.credit, settings.costs), own.tick, down=True
    )
    if credit < round(100 * own.premium_floor * width) or credit >= 100 * width or lowest <= 0:
        return Quote(allowance.tier, search, before, base, width, None, max(lowest, 0), "FLOOR")
    condor = Condor(
        expiry=plan.expiry.date(),
        put_long=search.put_short - width,
        put_short=search.put_short,
        call_short=search.call_short,
        call_long=search.call_short + width,
        credit=credit,
        fees_cents=4 * settings.costs.fee_cents,
    )
    return Quote(allowance.tier, search, before, base, width, condor, lowest, search.status)


def price_best_tier(
    plan: Plan, allowance: Allowance, edr: Edr, edr_cal: Edr, settings: ServingSettings
) -> Quote:
    """Price the allowed tier, or the highest tier below it that can be priced.

    A lower tier asks for less credit, so where the allowed one is unreachable the lower may not
    be; without this a more stressed forecast could open a condor that a calmer one does not.
    """
    first: Quote | None = None
    for tier in range(allowance.tier, 0, -1):
        quote = price_tier(plan, replace(allowance, tier=tier), edr, edr_cal, settings)
        if quote.condor is not None:
            return quote
        first = first or quote
    if first is None:
        raise UsageError("a book without an allowed tier has nothing to price. Ask `decide` first.")
    return first


def size_condor(
    quote: Quote,
    condor: Condor,
    allowance: Allowance,
    book: Book,
    settings: ServingSettings,
    taken_cents: int,
) -> tuple[int, str]:
    """Count the condors that the limits allow, and say which limit bound.

    The loss that counts is the larger of the package's and of the one before restrictions, so
    that narrower wings lower the risk instead of buying more contracts.

    Parameters
    ----------
    taken_cents : int
        Maximum loss that this ticket's other proposals already take.
    """
    own = settings.sizing
    share = min(book.risk_per_trade or own.risk_per_trade, own.risk_cap) * allowance.size
    cap = min(book.open_risk_cap or own.open_risk_cap, own.open_risk_cap)
    unrestricted = round((quote.base_width - quote.before.credit) * 100 * MULTIPLIER)
    loss = max(condor.max_loss_cents, unrestricted + condor.fees_cents)
    by_trade = floor(share * book.equity_cents / loss)
    room = cap * book.equity_cents - book.open_risk_cents - taken_cents
    by_open = max(floor(room / loss), 0)
    if by_trade <= by_open:
        reason = (
            f"{share:.2%} of equity a trade (size x{allowance.size:g}) over a maximum loss of "
            f"{loss / 100:.2f} dollars"
        )
        return by_trade, reason
    return by_open, f"open maximum losses may not exceed {cap:.0%} of equity"


def propose(
    plan: Plan,
    quote: Quote,
    condor: Condor,
    quantity: int,
    size_reason: str,
    *,
    ways: OpenPaths | None,
    settings: ServingSettings,
) -> Proposal:
    """Judge a sized condor.

    Parameters
    ----------
    ways : OpenPaths or None
        Simulated sessions from the close of t.
    """
    # the 1 DTE condor is filled at the close of the ticket session, settled one session later
    first, last = (1, 2) if plan.book == "condor_1dte" else (0, plan.sessions)
    returns = touch = None
    if ways is not None and ways.log_return.shape[1] >= last:
        paths = ways.log_return
        returns = paths[:, last - 1] - (paths[:, first - 1] if first else 0.0)
        touch = path_touch(condor, plan.chain.spot, ways, first, last)
    marks = plan.chain.marks(
        np.array([leg.strike for leg in condor.legs]), call=np.array([False, False, True, True])
    )
    band = plan.chain.package_band(marks)
    odds = condor_odds(
        condor,
        plan.chain,
        band=band,
        returns=returns,
        touch=touch,
        costs=settings.costs,
        settings=settings.odds,
    )
    return Proposal(plan, quote, condor, quantity, size_reason, odds, marks, band)
