"""The canonical ticket: every key always present, null where there is nothing to say."""

from __future__ import annotations

from typing import Any

from serving.condor import MULTIPLIER
from serving.edr import Edr
from serving.formats import osi_symbol
from serving.policy import Decision
from serving.proposal import Plan, Proposal, Quote
from serving.settings import TIERS, ServingSettings
from serving.ticket_rows import rounded

__all__ = ["CONDOR_KEYS", "DISCLAIMER", "TICKET_KEYS", "condor_fields", "empty_ticket"]

DISCLAIMER = (
    "Research output, no advice and no order: prices are model marks unless mark_source says "
    "quotes, probabilities are estimates, and selling condors can lose the whole width."
)

# keys that describe one condor; at the top of the ticket for the primary book, and in `condors`
CONDOR_KEYS = (
    "book",
    "decision",
    "fill",
    "expiry",
    "DTE",
    "settlement",
    "S",
    "F",
    "tier",
    "tier_rule",
    "rules",
    "quantity",
    "legs",
    "W_put",
    "W_call",
    "m_put",
    "m_call",
    "net_credit_mid",
    "net_credit_lo",
    "net_credit_hi",
    "limit_price",
    "min_acceptable_credit",
    "slippage_share",
    "fees_est",
    "max_profit",
    "max_loss",
    "margin",
    "be_low",
    "be_high",
    "be_low_pct",
    "be_high_pct",
    "win_rate_needed",
    "pop_model",
    "pop_market",
    "touch_prob",
    "touch_put",
    "touch_call",
    "touch_source",
    "ev_lo",
    "ev_mid",
    "ev_hi",
    "kelly",
    "pg",
    "pg_floor",
    "search_status",
    "search_steps",
    "before_restrictions",
    "size_reason",
    "exit_policy",
    "mark_source",
)

TICKET_KEYS = (
    "signal_id",
    "session",
    "at",
    "ticket_session",
    "asof",
    "model_version",
    "config_hash",
    "action",
    "refused",
    "refusals",
    "underlying",
    *CONDOR_KEYS,
    "policy",
    "condors",
    "edr_used",
    "edr_value",
    "edr",
    "vix",
    "ivts",
    "ci",
    "light",
    "regime",
    "p_shift",
    "forecast",
    "events",
    "event_flags",
    "roll_rules",
    "hedge_orders",
    "hedge",
    "positions",
    "open_book",
    "temporal_theta",
    "actions",
    "panel",
    "equity_bias",
    "timeframes",
    "why",
    "changes",
    "account",
    "money_unit",
    "chain_quotes",
    "data_quality",
    "disclaimer",
)


def empty_ticket() -> dict[str, Any]:
    """Give a ticket of nulls, with the keys in their order."""
    ticket: dict[str, Any] = dict.fromkeys(TICKET_KEYS)
    ticket |= {
        "action": "NO_TRADE",
        "refused": False,
        "refusals": [],
        "underlying": "SPX",
        "legs": [],
        "rules": [],
        "condors": [],
        "events": [],
        "hedge_orders": [],
        "positions": [],
        "actions": [],
        "why": [],
        "data_quality": [],
        "money_unit": "USD cents; condor amounts are for one condor",
        "disclaimer": DISCLAIMER,
    }
    return ticket


def condor_fields(
    plan: Plan,
    quote: Quote | None,
    proposal: Proposal | None,
    decision: Decision,
    edr: Edr,
    settings: ServingSettings,
) -> dict[str, Any]:
    """Describe what one book does, whether it opens a condor or not."""
    allowance = decision.allowances[plan.book]
    fields: dict[str, Any] = dict.fromkeys(CONDOR_KEYS)
    own = settings.condor
    fields |= {
        "book": plan.book,
        "decision": "OPEN" if proposal is not None else "HOLD",
        "fill": plan.fill,
        "expiry": f"{plan.expiry:%Y-%m-%d}",
        "DTE": plan.dte,
        "settlement": "PM",
        "S": plan.chain.spot,
        "F": round(plan.chain.forward, 4),
        "tier": TIERS[proposal.quote.tier if proposal is not None else allowance.tier],
        "tier_rule": allowance.decided_by,
        "rules": list(allowance.rules),
        "quantity": 0,
        "legs": [],
        "pg": None if plan.gauge is None else round(plan.gauge, 4),
        "pg_floor": own.premium_floor * own.gauge_width if plan.gauge is not None else None,
        "exit_policy": ("hold_to_expiry" if plan.book == "condor_1dte" else "tp50_sl2x_21dte"),
        "mark_source": plan.chain.source,
        "size_reason": "; ".join(allowance.reasons) if proposal is None else None,
        "search_status": None if quote is None else quote.status,
    }
    if quote is not None:
        fields["search_steps"] = len(quote.search.steps)
        fields["before_restrictions"] = _before(quote, plan)
    if proposal is not None:
        fields |= _opened(plan, proposal, edr, settings)
    return fields


def _before(quote: Quote, plan: Plan) -> dict[str, Any] | None:
    """Show what the restrictions changed: the search's own package."""
    moved = (quote.before.put_short, quote.before.call_short) != (
        quote.search.put_short,
        quote.search.call_short,
    )
    if not moved or quote.before.credit != quote.before.credit:
        return None
    chain, width = plan.chain, quote.base_width
    credit = quote.before.credit
    pop = chain.probability_below(quote.before.call_short + credit) - chain.probability_below(
        quote.before.put_short - credit
    )
    return {
        "put_short": quote.before.put_short,
        "call_short": quote.before.call_short,
        "credit": round(credit, 4),
        "pop_market": round(min(max(pop, 0.0), 1.0), 6),
        "max_loss": round((width - credit) * 100 * MULTIPLIER),
        "win_rate_needed": round(1 - credit / width, 6),
    }


def _opened(plan: Plan, proposal: Proposal, edr: Edr, settings: ServingSettings) -> dict[str, Any]:
    condor, chain, odds = proposal.condor, plan.chain, proposal.odds
    edr_points = edr.points(chain.spot)
    low, high = condor.break_evens

    def distance(points: float) -> float | None:
        return None if not edr_points else round(points / edr_points, 4)

    marks, band = proposal.marks, proposal.band
    legs = []
    for i, leg in enumerate(condor.legs):
        place = chain.position(leg.strike)
        call = leg.right == "C"
        delta = chain.call_delta[place] if call else -chain.put_delta[place]
        legs.append(
            {
                "action": leg.action,
                "qty": abs(leg.quantity),
                "right": leg.right,
                "strike": leg.strike,
                "expiry": condor.expiry.isoformat(),
                "osi": osi_symbol("SPXW", condor.expiry, leg.right, leg.strike),
                "mid": round(float(marks.mid[i]), 4),
                "low": round(float(marks.low[i]), 4),
                "high": round(float(marks.high[i]), 4),
                "source": str(marks.source[i]),
                "iv": round(float(marks.vol[i]), 6),
                "delta": round(float(delta), 6),
            }
        )
    mid = proposal.quote.search.credit
    return {
        "quantity": proposal.quantity,
        "legs": legs,
        "W_put": condor.put_width,
        "W_call": condor.call_width,
        "m_put": distance(chain.spot - condor.put_short),
        "m_call": distance(condor.call_short - chain.spot),
        "net_credit_mid": round(mid, 4),
        "net_credit_lo": round(band[0], 4),
        "net_credit_hi": round(band[1], 4),
        "limit_price": condor.credit / 100,
        "min_acceptable_credit": proposal.quote.min_credit / 100,
        "slippage_share": round(settings.costs.slippage_share, 6),
        "fees_est": condor.fees_cents,
        "max_profit": condor.max_profit_cents,
        "max_loss": condor.max_loss_cents,
        "margin": condor.margin_cents,
        "be_low": low,
        "be_high": high,
        "be_low_pct": round(100 * (low / chain.spot - 1), 4),
        "be_high_pct": round(100 * (high / chain.spot - 1), 4),
        "win_rate_needed": round(condor.win_rate_needed, 6),
        "pop_model": rounded(odds.pop_model),
        "pop_market": rounded(odds.pop_market),
        "touch_prob": rounded(odds.touch),
        "touch_put": rounded(odds.touch_put),
        "touch_call": rounded(odds.touch_call),
        "touch_source": odds.touch_source,
        "ev_lo": odds.ev_lo,
        "ev_mid": odds.ev_mid,
        "ev_hi": odds.ev_hi,
        "kelly": None
        if odds.kelly is None
        else rounded(min(odds.kelly, settings.sizing.kelly_cap)),
        "size_reason": proposal.size_reason,
    }
