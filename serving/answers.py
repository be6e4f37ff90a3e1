"""Which answer to an open condor is worth its cost, and how that is shown."""

from __future__ import annotations

from typing import Any

from serving.candidates import Candidate
from serving.policy import Allowance
from serving.timeshift import Roll

__all__ = ["answer_rows", "choose", "ranked_row"]

_KINDS = {
    "hold": ("hold",),
    "reduce": ("resize", "cut_w", "shift_m", "close"),
    "time_shift": ("time_shift",),
    "hedge": ("hedge",),
}


def choose(
    ranked: list[Candidate], found: tuple[str, ...], allowance: Allowance
) -> tuple[str, str, list[str]]:
    """Take the best allowed answer when it beats holding by more than its cost, else hold."""
    rules = list(allowance.rules)
    if allowance.refused:
        return "hold", "refused: nothing is decided tonight", rules
    hold = next((c for c in ranked if c.action == "hold"), None)
    if hold is None:
        return "hold", "no simulated paths: nothing can be ranked", rules
    if found and "FORECAST_HOLD" in allowance.rules:
        halves = [c for c in ranked if c.action == "resize"]
        if halves:
            return f"resize {halves[0].detail}", "challenged while the forecast says hold", rules
        return (
            "close",
            "challenged while the forecast says hold, and one condor cannot be halved",
            rules,
        )
    best = ranked[0]
    if best.action == "hold":
        return "hold", "nothing beats holding", rules
    gap = best.utility - hold.utility
    if gap < best.cost:
        return "hold", f"abstain: {best.action} is better by less than its cost", rules
    return f"{best.action} {best.detail}", f"better than holding by {gap / 100:.2f} dollars", rules


def answer_rows(
    found: list[Candidate], allowance: Allowance, forward: Roll | None
) -> list[dict[str, Any]]:
    """Show the best answer of each kind: what it gains over holding, its cost, and the verdict."""
    hold = next((c for c in found if c.action == "hold"), None)
    out = []
    for kind, actions in _KINDS.items():
        own = [c for c in found if c.action in actions and c.action in allowance.open_actions]
        best = max(own, key=lambda c: c.utility, default=None)
        row: dict[str, Any] = {"answer": kind, "detail": None, "gain_cents": None}
        row |= {"cost_cents": None, "worth": False, "why": None}
        if best is None or hold is None:
            barred = [a for a in actions if a not in allowance.open_actions]
            row["why"] = (
                "no simulated paths"
                if hold is None
                else f"not allowed: {allowance.decided_by}"
                if len(barred) == len(actions)
                else forward.reason
                if kind == "time_shift" and forward is not None
                else "not challenged"
                if kind == "time_shift"
                else "nothing to choose from"
            )
        else:
            net = best.utility - hold.utility
            row |= {
                "detail": f"{best.action} {best.detail}",
                "gain_cents": round(net + best.cost),
                "cost_cents": round(best.cost),
                "worth": kind != "hold" and net > 0 and net >= best.cost,
            }
        out.append(row)
    return out


def ranked_row(candidate: Candidate, rank: int) -> dict[str, Any]:
    """Show one ranked answer."""
    return {
        "rank": rank,
        "action": candidate.action,
        "detail": candidate.detail,
        "mean_cents": round(candidate.mean),
        "cvar95_cents": round(candidate.cvar),
        "cost_cents": round(candidate.cost),
        "utility_cents": round(candidate.utility),
    }
