"""What to do with the hedge tonight: roll, harvest, top up, redeploy; within its budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from serving.book import Book
from serving.hedge import (
    Holding,
    Target,
    adaptive_kappa,
    holding_of,
    target_layer,
    units_wanted,
)
from serving.hedge_carry import hedge_theta
from serving.ladder_rows import (
    buy_row,
    credit_share,
    empty_summary,
    layer_row,
    sell_row,
    shock_rows,
    vxth_row,
)
from serving.policy import Allowance
from serving.settings import HedgeSettings
from serving.state import MarketState
from serving.vix_curve import VixCurve, curve_of

__all__ = ["HedgePlan", "plan_hedge"]

_CENTS = 10_000


@dataclass(frozen=True)
class HedgePlan:
    """Orders and the account of why; `summary` and `orders` go to the ticket as they are."""

    orders: tuple[dict[str, Any], ...]
    summary: dict[str, Any]
    doubts: tuple[str, ...]


def plan_hedge(
    state: MarketState,
    book: Book,
    allowance: Allowance,
    *,
    p_shift: float | None,
    exposure_cents: int,
    settings: HedgeSettings,
    summarise: bool = True,
) -> HedgePlan:
    """Decide the hedge.

    Parameters
    ----------
    state : MarketState
    book : Book
    allowance : Allowance
        Of the book ``alvh``.
    p_shift : float or None
    exposure_cents : int
        Maximum loss of open and proposed condors.
    settings : HedgeSettings
    summarise : bool
        False leaves `summary` empty, for a replay that reads the orders alone.

    Returns
    -------
    HedgePlan
    """
    if state.vvix is None:
        doubt = "hedge not priced: VVIX unknown"
        return HedgePlan((), empty_summary(), (doubt,))
    curve = curve_of(state)
    targets = [target_layer(layer, state, curve, settings) for layer in settings.layers]
    doubts = [f"hedge layer {t.layer.id}: {flag}" for t in targets for flag in t.flags]
    marked = [holding_of(held, state, curve) for held in book.hedges]
    holdings = [h for h in marked if h.days > 0]
    doubts += [
        f"hedge layer {h.held.layer} expired on {h.held.expiry}: settle it, take it out of the book"
        for h in marked
        if h.days <= 0
    ]
    kappa = adaptive_kappa(state, p_shift, allowance, settings)
    wanted, unit_gain = units_wanted(
        targets, state, kappa=kappa, exposure_cents=exposure_cents, settings=settings
    )
    room = max(int(settings.budget * book.equity_cents) - book.hedge_spent_252_cents, 0)
    stop = max(int(settings.budget_stop * book.equity_cents) - book.hedge_spent_252_cents, 0)
    orders = [*_exits(holdings, state, settings)] if not allowance.refused else []
    held: dict[str, int] = {
        layer.id: _held(holdings, layer.id, orders) for layer in settings.layers
    }
    buys, budget_note, lean = _buys(
        targets, held, wanted, (room, stop), state, book, allowance, settings, curve
    )
    if not allowance.refused:
        orders += buys
    if not summarise:
        return HedgePlan(tuple(orders), {}, tuple(doubts))
    summary = {
        "kappa": round(kappa, 4),
        "units_wanted": wanted,
        "unit_gain_cents": unit_gain,
        "unit_cost_cents": sum(t.unit_cost_cents for t in targets),
        "exposure_cents": exposure_cents,
        "coverage_wanted_cents": wanted * unit_gain,
        "budget_cents": int(settings.budget * book.equity_cents),
        "budget_spent_cents": book.hedge_spent_252_cents,
        "budget_left_cents": room,
        "budget_stop_left_cents": stop,
        "budget_note": budget_note,
        "credit_share": credit_share(book, settings),
        "layers": [
            layer_row(t, holdings, held, wanted, state, curve, settings, lean) for t in targets
        ],
        "shocks": shock_rows(holdings, targets, wanted, state, settings),
        "vxth": vxth_row(state, book, curve, settings),
        "curve_source": curve.source,
        "theta_cents": round(hedge_theta(holdings, state, curve) * _CENTS) if holdings else None,
    }
    return HedgePlan(tuple(orders), summary, tuple(doubts))


def _exits(
    holdings: Sequence[Holding], state: MarketState, settings: HedgeSettings
) -> list[dict[str, Any]]:
    roll_at = {layer.id: layer.roll_at for layer in settings.layers}
    out = []
    for holding in holdings:
        held = holding.held
        if held.layer == "S" and holding.multiple >= settings.harvest_multiple:
            sell = max(int(held.quantity * settings.harvest_share), 1)
            kept = int(sell * holding.mark * _CENTS * settings.redeploy_share)
            why = (
                f"mark {holding.multiple:.1f} x cost: sell half; keep {kept / 100:.0f} dollars of "
                f"the proceeds for layers M and L, deployed when VIX is at or below "
                f"{settings.redeploy_pullback * state.vix_max20:.2f} or after "
                f"{settings.redeploy_sessions} sessions"
            )
            out.append(sell_row(sell, holding, state, "ALVH_HARVEST", why))
        elif holding.days <= roll_at[held.layer]:
            why = f"{holding.days} days left, rolled at {roll_at[held.layer]}"
            out.append(sell_row(held.quantity, holding, state, "ALVH_ROLL", why))
    return out


def _buys(
    targets: Sequence[Target],
    held: dict[str, int],
    wanted: int,
    budget: tuple[int, int],
    state: MarketState,
    book: Book,
    allowance: Allowance,
    settings: HedgeSettings,
    curve: VixCurve,
) -> tuple[list[dict[str, Any]], str | None, bool]:
    pulled_back = state.vix <= settings.redeploy_pullback * state.vix_max20
    redeploy = book.hedge_proceeds_held_cents if pulled_back else 0
    opening = not any(held.values())
    rolling = {h.layer for h in book.hedges if held[h.layer] == 0}
    plan: list[tuple[Target, int]] = []
    for target in targets:
        layer = target.layer
        need = max(wanted * layer.contracts - held[layer.id], 0)
        allowed = opening or allowance.refresh or layer.id in rolling
        if layer.id == "S" and allowance.no_short_layer:
            continue
        if need and (allowed or (redeploy and layer.id in ("M", "L"))):
            plan.append((target, need))
    room, stop = budget
    money = min(room + redeploy, stop)  # the hard stop counts redeployed proceeds too
    cost = sum(need * t.price_hundredths * 100 for t, need in plan)
    note, lean = None, False
    if cost > money:
        share = money / cost
        cut = [(t, int(need * share)) for t, need in plan]
        if not any(need for _, need in cut):
            lean = True
            plan = [
                (target_layer(t.layer, state, curve, settings, delta=settings.lean_delta), need)
                for t, need in plan
            ]
            cost_lean = sum(need * t.price_hundredths * 100 for t, need in plan)
            cut = [(t, int(need * min(1.0, money / max(cost_lean, 1)))) for t, need in plan]
        plan = cut
        bought = sum(need for _, need in plan)
        note = (
            f"budget binds: {money / 100:.0f} dollars left against {cost / 100:.0f} wanted; "
            f"{bought} contracts bought" + (f" at {settings.lean_delta:.2f} delta" if lean else "")
        )
    why = "open the ladder" if opening else "top up or roll to target"
    rule = "HEDGE_REFRESH" if allowance.refresh else ("ALVH_OPEN" if opening else "ALVH_ROLL")
    return [buy_row(t, need, state, rule, why) for t, need in plan if need > 0], note, lean


def _held(holdings: Sequence[Holding], layer: str, exits: Sequence[dict[str, Any]]) -> int:
    total = sum(h.held.quantity for h in holdings if h.held.layer == layer)
    return total - sum(o["qty"] for o in exits if o["layer"] == layer)
