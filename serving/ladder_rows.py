"""Rows of the hedge on the ticket: orders, layers, shocks, the benchmark's rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serving.book import Book
from serving.formats import osi_symbol
from serving.hedge import Holding, Target, target_layer, vxth_weight
from serving.hedge_carry import efficiency
from serving.hedge_gain import gain
from serving.settings import HedgeSettings
from serving.state import MarketState
from serving.vix_calls import call_price, call_vol
from serving.vix_curve import VixCurve

__all__ = [
    "buy_row",
    "credit_share",
    "empty_summary",
    "layer_row",
    "sell_row",
    "shock_rows",
    "vxth_row",
]

_CENTS = 10_000


def sell_row(qty: int, holding: Holding, state: MarketState, rule: str, why: str) -> dict[str, Any]:
    """Show an order that sells held calls; the limit is the mark rounded down to a tick."""
    held = holding.held
    price = max(int(holding.mark * 100 / 5), 1) * 5
    return {
        "action": "STC",
        "qty": qty,
        "layer": held.layer,
        "right": "C",
        "strike": held.strike,
        "expiry": held.expiry.isoformat(),
        "osi": osi_symbol("VIX", held.expiry, "C", held.strike),
        "limit_price": price / 100,
        "mid": round(holding.mark, 4),
        **_band(holding, held.strike, state),
        "iv": round(holding.vol, 6),
        "delta": None,
        "future": round(holding.future, 4),
        "rule": rule,
        "why": why,
    }


def buy_row(target: Target, qty: int, state: MarketState, rule: str, why: str) -> dict[str, Any]:
    """Show an order that buys a layer's calls; the limit is the mark rounded up to a tick."""
    expiry = target.expiry.date()
    return {
        "action": "BTO",
        "qty": qty,
        "layer": target.layer.id,
        "right": "C",
        "strike": target.strike,
        "expiry": expiry.isoformat(),
        "osi": osi_symbol("VIX", expiry, "C", target.strike),
        "limit_price": target.price_hundredths / 100,
        "mid": round(target.price, 4),
        **_band(target, target.strike, state),
        "iv": round(target.vol, 6),
        "delta": round(target.delta, 4),
        "future": round(target.future, 4),
        "rule": rule,
        "why": why,
    }


def _band(item: Target | Holding, strike: float, state: MarketState) -> dict[str, Any]:
    """Give a mark's band and source: bid and ask of a quote, else the ends of the smile's."""
    if item.quote is not None:
        low, high = item.quote
        return {"low": low, "high": high, "source": "quotes"}
    if item.days <= 0:
        return {"low": None, "high": None, "source": "intrinsic"}
    vvix = float(state.vvix or "nan")
    low, high = (
        call_price(
            strike, item.future, item.days, call_vol(strike, item.future, item.days, vvix, band=end)
        )
        for end in (-1.0, 1.0)
    )
    return {"low": round(low, 4), "high": round(high, 4), "source": "smile"}


def layer_row(
    target: Target,
    holdings: Sequence[Holding],
    held: Mapping[str, int],
    wanted: int,
    state: MarketState,
    curve: VixCurve,
    settings: HedgeSettings,
    lean: bool,
) -> dict[str, Any]:
    """Show a layer: held against target, where it would be bought, what it is worth."""
    own = [h for h in holdings if h.held.layer == target.layer.id]
    e = efficiency(target, state, curve, settings)
    return {
        "layer": target.layer.id,
        "held": sum(h.held.quantity for h in own),
        "held_after_exits": held[target.layer.id],
        "target": wanted * target.layer.contracts,
        "expiry": target.expiry.date().isoformat(),
        "days": target.days,
        "strike": target.strike,
        "future": round(target.future, 4),
        "future_source": target.source,
        "price": round(target.price, 4),
        **{f"price_{end}": v for end, v in _band(target, target.strike, state).items()},
        "delta": round(target.delta, 4),
        "value_cents": sum(int(h.mark * _CENTS) * h.held.quantity for h in own),
        "cost_cents": sum(h.held.cost * 100 * h.held.quantity for h in own),
        "efficiency": None if e is None else round(e, 4),
        "lean": lean,
        "flags": list(target.flags),
    }


def shock_rows(
    holdings: Sequence[Holding],
    targets: Sequence[Target],
    wanted: int,
    state: MarketState,
    settings: HedgeSettings,
) -> list[dict[str, Any]]:
    """Show what the hedge would gain on stated shocks."""
    beta = {layer.id: layer.beta for layer in settings.layers}
    out = []
    for level in settings.shocks:
        jump = level - state.vix
        days = settings.shock_days
        held = sum(
            h.held.quantity
            * gain(
                h.held.strike,
                h.future,
                h.days,
                h.vol,
                beta=beta[h.held.layer],
                jump=jump,
                shock_days=days,
            )
            for h in holdings
        )
        unit = sum(
            t.layer.contracts
            * gain(t.strike, t.future, t.days, t.vol, beta=t.layer.beta, jump=jump, shock_days=days)
            for t in targets
        )
        out.append(
            {
                "vix": level,
                "held_cents": int(held * _CENTS),
                "target_cents": int(unit * wanted * _CENTS),
                "unit_cents": int(unit * _CENTS),
            }
        )
    return out


def vxth_row(
    state: MarketState, book: Book, curve: VixCurve, settings: HedgeSettings
) -> dict[str, Any]:
    """Show what VXTH's rule would hold instead."""
    front = curve.at(30)
    weight = vxth_weight(front, settings)
    layer = settings.layers[0].model_copy(update={"delta": settings.vxth_delta})
    target = target_layer(layer, state, curve, settings)
    each = target.price_hundredths * 100
    return {
        "forward_vix": round(front, 4),
        "weight": weight,
        "strike": target.strike,
        "expiry": target.expiry.date().isoformat(),
        "contracts": int(weight * book.equity_cents / each) if each else 0,
    }


def credit_share(book: Book, settings: HedgeSettings) -> dict[str, Any] | None:
    """Compare a quarter of the yearly premium with the quarter's condor credit."""
    if not book.condor_credit_63_cents:
        return None
    share = book.hedge_spent_252_cents / 4 / book.condor_credit_63_cents
    return {"share": round(share, 4), "warn": share > settings.credit_share_warn}


def empty_summary() -> dict[str, Any]:
    """Give the summary's keys with nulls."""
    return dict.fromkeys(
        (
            "kappa",
            "units_wanted",
            "unit_gain_cents",
            "unit_cost_cents",
            "exposure_cents",
            "coverage_wanted_cents",
            "budget_cents",
            "budget_spent_cents",
            "budget_left_cents",
            "budget_stop_left_cents",
            "budget_note",
            "credit_share",
            "layers",
            "shocks",
            "vxth",
            "curve_source",
            "theta_cents",
        )
    )
