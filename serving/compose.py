"""From the inputs of one evening to its ticket: pure, the same inputs give the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.sessions import calendar
from serving.changes import changes_of
from serving.doubts import input_doubts, night_doubts, quote_doubts, quotes_used
from serving.facts import gather_facts, term_light
from serving.fills import calibrated_costs
from serving.inputs import Inputs
from serving.ladder import plan_hedge
from serving.layout import CONDOR_KEYS, condor_fields, empty_ticket
from serving.night import night_of, standing_rows
from serving.offer import hedge_market
from serving.panel import equity_bias, panel_of, timeframes_of
from serving.policy import decide
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
from serving.settings import ServingSettings
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
    pass

__all__ = ["Inputs", "compose"]

Array = NDArray[np.float64]
_CONDOR_BOOKS = ("condor_1dte", "condor_30_60")


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
            plan, quote, quote.condor, count, why, ways=inputs.ways, settings=paying[book]
        )
    if any("unreachable" in one or "too_small" in one for one in found.values()):
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
    market = None
    if inputs.book.condors:
        market = hedge_market(state, decision.allowances["alvh"], told.p_shift, settings)
    held = [
        grade_position(
            position,
            state,
            volatility,
            edr,
            decision.allowances[position.book],
            inputs.paths,
            paying[position.book],
            log_vix=inputs.log_vix,
            market=market,
        )
        for position in inputs.book.condors
    ]
    condors = [
        condor_fields(plan, quotes.get(b), proposals.get(b), decision, edr, paying[b])
        for b, plan in plans.items()
    ]
    primary = next(c for c in condors if c["book"] == settings.primary_book)
    quality = [
        *document["data_quality"],
        *doubts,
        *hedge.doubts,
        *input_doubts(inputs, edr, edr_cal),
        *night_doubts(inputs),
        *quote_doubts(state, condors, held),
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
        "open_book": _open_book(inputs, held),
        "account": account_fields(inputs.book),
        "chain_quotes": quotes_used(state),
        "data_quality": quality,
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


def _theta(held: list[dict[str, Any]], hedge_cents: int | None) -> dict[str, Any]:
    """Compare what a quiet session brings to the condors with what the hedge loses (3.3)."""
    earned = sum(row["theta_cents"] or 0 for row in held)
    mismatch = None
    if held and hedge_cents:
        mismatch = round(earned / abs(hedge_cents), 4)
    return {"condors_cents": earned, "hedge_cents": hedge_cents, "mismatch": mismatch}


def _open_book(inputs: Inputs, held: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Say what a later moment is about: what is open, what the night changed, and what did it."""
    if inputs.evening is None or inputs.evening_features is None:
        return None
    night = night_of(
        inputs.evening,
        inputs.document,
        inputs.evening_features,
        inputs.state.features,
        inputs.settings,
    )
    return {"night": night, "positions": standing_rows(held, inputs.evening_held)}
