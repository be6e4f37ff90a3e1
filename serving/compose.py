"""From the inputs of one evening to its ticket: pure, the same inputs give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.sessions import calendar
from serving.book import Book
from serving.changes import changes_of
from serving.edr import Edr
from serving.evidence import ticket_session
from serving.facts import gather_facts, read_signals, term_light
from serving.fills import calibrated_costs
from serving.ladder import plan_hedge
from serving.layout import CONDOR_KEYS, condor_fields, empty_ticket
from serving.ledger import Fill
from serving.panel import equity_bias, panel_of, timeframes_of
from serving.policy import Facts, decide
from serving.positions import grade_position
from serving.proposal import (
    Plan,
    Proposal,
    Quote,
    plan_book,
    price_best_tier,
    propose,
    size_condor,
    vol_inputs,
)
from serving.reading import forecast_of
from serving.settings import BOOKS, ServingSettings
from serving.state import MarketState
from serving.ticket_rows import (
    account_fields,
    action_rows,
    edr_rows,
    event_rows,
    forecast_rows,
    p_shift,
    reason_rows,
    refusal_rows,
    roll_rules,
    rounded,
    stamps,
)

if TYPE_CHECKING:
    from models.bundle import Bundle

__all__ = ["Inputs", "compose", "refused_without_data"]

Array = NDArray[np.float64]
_CONDOR_BOOKS = ("condor_1dte", "condor_30_60")


@dataclass(frozen=True)
class Inputs:
    """Everything a ticket is made of.

    Attributes
    ----------
    document : dict
        Forecast of the session, as recorded.
    earlier : tuple of dict or None
        Forecasts of the sessions before, newest first.
    evening : dict or None
        The evening's forecast of the same session, for the later moments.
    state : MarketState
    edrs : tuple of Edr
    paths : Array or None
        Simulated cumulative log returns, shape (paths, sessions ahead).
    book : Book
    settings : ServingSettings
    fills : tuple of Fill
        The user's fills that were known at the cut-off.
    """

    document: Mapping[str, Any]
    earlier: tuple[Mapping[str, Any] | None, ...]
    evening: Mapping[str, Any] | None
    state: MarketState
    edrs: tuple[Edr, ...]
    paths: Array | None
    book: Book
    settings: ServingSettings
    fills: tuple[Fill, ...] = ()


def compose(inputs: Inputs) -> dict[str, Any]:
    """Write the ticket, without its signal id.

    Parameters
    ----------
    inputs : Inputs

    Returns
    -------
    dict
        See ``docs/ticket.md`` for the keys.
    """
    state, settings, document = inputs.state, inputs.settings, inputs.document
    told = forecast_of(document, inputs.earlier, state, settings)
    edrs = {edr.name: edr for edr in inputs.edrs}
    edr, edr_cal = edrs[settings.edr.decision], edrs["edr_cal"]
    volatility, doubts = vol_inputs(state)
    edr_vix = edrs["edr_vix"].points(state.spx) or 0.0
    plans = {b: plan_book(b, state, volatility, edr_vix, settings) for b in _CONDOR_BOOKS}
    paying = {
        b: settings.model_copy(update={"costs": calibrated_costs(settings.costs, inputs.fills, b)})
        for b in _CONDOR_BOOKS
    }
    windows = {b: _window(plan, state, settings) for b, plan in plans.items()}
    found: dict[str, dict[str, bool]] = {b: _given(plans[b], inputs) for b in plans}
    facts = gather_facts(state, told, settings, windows=windows, found=found)
    decision = decide(facts, settings)
    quotes: dict[str, Quote] = {}
    proposals: dict[str, Proposal] = {}
    taken = 0
    for book, plan in plans.items():
        allowance = decision.allowances[book]
        if allowance.refused or allowance.tier == 0:
            continue
        quote = price_best_tier(plan, allowance, edr, edr_cal, paying[book])
        quotes[book] = quote
        if quote.condor is None:
            found[book]["unreachable"] = True
            continue
        count, why = size_condor(quote, quote.condor, allowance, inputs.book, settings, taken)
        if count < 1:
            found[book]["too_small"] = True
            continue
        taken += count * quote.condor.max_loss_cents
        proposals[book] = propose(
            plan, quote, quote.condor, count, why, paths=inputs.paths, settings=paying[book]
        )
    # what search and sizing found goes back through the table, so that its row is cited
    facts = gather_facts(state, told, settings, windows=windows, found=found)
    decision = decide(facts, settings)
    hedge = plan_hedge(
        state,
        inputs.book,
        decision.allowances["alvh"],
        p_shift=told.p_shift,
        exposure_cents=inputs.book.open_risk_cents + taken,
        settings=settings.hedge,
    )
    held = [
        grade_position(
            position,
            state,
            volatility,
            edr,
            decision.allowances[position.book],
            inputs.paths,
            paying[position.book],
        )
        for position in inputs.book.condors
    ]
    condors = [
        condor_fields(plan, quotes.get(b), proposals.get(b), decision, edr, paying[b])
        for b, plan in plans.items()
    ]
    primary = next(c for c in condors if c["book"] == settings.primary_book)
    quality = [*document["data_quality"], *doubts, *hedge.doubts, *_doubts(inputs, edr, edr_cal)]
    if state.quotes is not None:
        marks = {c["book"]: c["mark_source"] for c in condors}
        marks |= {f"position {row['id']}": row["mark_source"] for row in held}
        quality += [
            f"{name}: the quotes do not reach across its strikes, marked from the smile"
            for name, source in marks.items()
            if source is not None and source.startswith("smile")
        ]
    ticket = empty_ticket()
    ticket |= {key: primary[key] for key in CONDOR_KEYS}
    ticket |= {
        "session": document["session"],
        "at": document["at"],
        "ticket_session": document["ticket_session"],
        "asof": stamps(state.cutoff),
        "model_version": document["model_version"],
        "config_hash": settings.config_hash,
        "action": "TRADE" if proposals or hedge.orders else "NO_TRADE",
        "refused": decision.refused,
        "refusals": refusal_rows(decision),
        "policy": settings.policy.name,
        "condors": condors,
        "edr_used": edr.name,
        "edr_value": None if edr.pct is None else round(edr.pct, 6),
        "edr": edr_rows(inputs.edrs, state.spx),
        "vix": state.vix,
        "ivts": rounded(state.ivts),
        "ci": rounded(state.contango),
        "light": term_light(state, settings.policy),
        "regime": document["regime"],
        "p_shift": p_shift(document),
        "forecast": forecast_rows(document),
        "events": event_rows(state),
        "event_flags": {
            b: sorted({e.event for e in state.events_between(*windows[b])}) for b in plans
        },
        "roll_rules": roll_rules(settings),
        "hedge_orders": list(hedge.orders),
        "hedge": hedge.summary,
        "positions": held,
        "panel": panel_of(state.features),
        "equity_bias": equity_bias(document, state.features),
        "timeframes": timeframes_of(state.features),
        "temporal_theta": _theta(held, hedge.summary["theta_cents"]),
        "actions": action_rows(decision),
        "why": reason_rows(document, settings),
        "changes": changes_of(document, inputs.earlier, inputs.evening, settings),
        "account": account_fields(inputs.book),
        "chain_quotes": _quotes_used(state),
        "data_quality": quality,
    }
    return ticket


def refused_without_data(
    session: pd.Timestamp,
    at: str,
    bundle: Bundle,
    settings: ServingSettings,
    book: Book,
    reason: str,
) -> dict[str, Any]:
    """Write the ticket of a session whose gate inputs are missing: every key, no trade."""
    decision = decide(dict.fromkeys(BOOKS, Facts(vix=np.nan, gate_missing=True)), settings)
    primary = decision.allowances[settings.primary_book]
    ticket = empty_ticket()
    ticket |= {
        "session": f"{session:%Y-%m-%d}",
        "at": at,
        "ticket_session": f"{ticket_session(session):%Y-%m-%d}",
        "model_version": bundle.model_version,
        "config_hash": settings.config_hash,
        "refused": decision.refused,
        "refusals": [{**row, "reason": reason} for row in refusal_rows(decision)],
        "decision": "HOLD",
        "rules": list(primary.rules),
        "tier": primary.tier_name,
        "tier_rule": primary.decided_by,
        "quantity": 0,
        "actions": action_rows(decision),
        "policy": settings.policy.name,
        "account": account_fields(book),
        "data_quality": [reason],
    }
    return ticket


def _window(
    plan: Plan, state: MarketState, settings: ServingSettings
) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Sessions whose events matter to the book: (after, until]."""
    if plan.book == "condor_1dte":
        return state.ticket_session, plan.expiry
    days = calendar()
    until = state.session
    for _ in range(settings.policy.event_entry_sessions):
        until = days.next(until)
    return state.session, until


def _given(plan: Plan, inputs: Inputs) -> dict[str, bool]:
    own = inputs.settings.condor
    same = any(p.expiry == plan.expiry.date() for p in inputs.book.of(plan.book))
    floor = own.premium_floor * own.gauge_width
    return {
        "premium_short": plan.gauge is not None and plan.gauge < floor,
        "same_expiry": same,
    }


def _quotes_used(state: MarketState) -> dict[str, Any] | None:
    if state.quotes is None:
        return None
    frame = state.quotes.frame
    return {
        "options": len(frame),
        "first": frame["quoted_at"].min().isoformat(),
        "last": frame["quoted_at"].max().isoformat(),
        "expiries": sorted({f"{expiry:%Y-%m-%d}" for expiry in frame["expiry"]}),
    }


def _theta(held: list[dict[str, Any]], hedge_cents: int | None) -> dict[str, Any]:
    """Compare what a quiet session brings to the condors with what the hedge loses (3.3)."""
    earned = sum(row["theta_cents"] or 0 for row in held)
    mismatch = None
    if held and hedge_cents:
        mismatch = round(earned / abs(hedge_cents), 4)
    return {"condors_cents": earned, "hedge_cents": hedge_cents, "mismatch": mismatch}


def _doubts(inputs: Inputs, edr: Edr, edr_cal: Edr) -> list[str]:
    doubts = []
    if inputs.book.paper:
        doubts.append("paper account: no book.toml or book.csv in the home")
    known = [e for e in inputs.earlier if e is not None]
    if len(known) < len(inputs.earlier):
        doubts.append(f"hysteresis: {len(known)} of {len(inputs.earlier)} earlier forecasts known")
    missing = read_signals(inputs.state).missing
    if missing:
        doubts.append(f"rules off, their feature is null: {', '.join(missing)}")
    if edr.pct is None:
        doubts.append(f"{edr.name} unknown")
    if edr_cal.pct is None:
        doubts.append("edr_cal unknown: too few sessions of this VIX band")
    if inputs.paths is None:
        doubts.append("no simulated paths: model odds and expected values are null")
    if inputs.state.rate is None:
        doubts.append(f"no bill rate known: {inputs.settings.condor.rate:.2%} used")
    return doubts
