"""Numbers of the policy, the hedge, the refusals and the monitor, each with its source.

Sources are abbreviated as in `serving.settings_trade`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from serving.settings_trade import Section

__all__ = [
    "HedgeSettings",
    "LayerSettings",
    "MonitorSettings",
    "PolicySettings",
    "RefusalSettings",
]


class PolicySettings(Section):
    """Thresholds of the state-to-action table."""

    name: Literal["glossary", "sub20_5dma", "never_stop"] = Field(
        "glossary", description="which VIX ladder; glossary is the canonical one"
    )
    overlay: bool = Field(
        True, description="forecast restricts; False is the Promoter preset (research)"
    )
    vix_calm: float = Field(15.0, description="all tiers below; glossary")
    vix_hold: float = Field(20.0, description="no new condors from here; glossary")
    vix_none: float = Field(25.0, description="no trades, no short-layer buys; glossary")
    vix_half: float = Field(28.0, description="never_stop halves its size above; explainer")
    p_drop: float = Field(0.20, description="p_shift from which a tier is dropped; ours")
    p_conservative: float = Field(0.40, description="conservative only and half size; ours")
    p_hold: float = Field(0.60, description="no new condor above; ours")
    p_head: Literal["shift_up", "expansion", "premium_failure"] = Field(
        "shift_up", description="head that drives the overlay; design"
    )
    p_horizon: Literal[5, 10, 21] = Field(5, description="horizon of that head; design")
    hysteresis_sessions: int = Field(
        3, ge=1, description="consecutive sessions before relaxing; ours"
    )
    contango_green: float = Field(0.035, description="F2/F1-1 for GREEN; Q&A +3.5 %")
    ivts_green: float = Field(0.917, description="VIX/VIX3M for GREEN; Harwood")
    ivts_red: float = Field(1.0, description="VIX/VIX3M for RED; practice")
    cascades_7d: float = Field(2.0, description="weighted cascades in 7 days for DEFENSIVE; ours")
    defensive_m: float = Field(
        1.25, ge=1, description="m multiple in DEFENSIVE and at events; ours"
    )
    defensive_edr: float = Field(1.3, description="m never below 1.3 x edr_cal in DEFENSIVE; ours")
    defensive_size: float = Field(0.5, gt=0, le=1, description="size in DEFENSIVE; Q&A 40-60 % cut")
    defensive_kappa: float = Field(0.15, ge=0, description="added to kappa in DEFENSIVE; ours")
    event_size: float = Field(
        0.5, gt=0, le=1, description="size with FOMC or CPI inside; explainer"
    )
    event_entry_sessions: int = Field(
        1, ge=1, description="30-60 DTE book: events this close to the entry count; ours"
    )
    divergence_w: int = Field(
        5, ge=0, description="points taken off W on early warning; article, ours"
    )
    divergence_kappa: float = Field(0.05, ge=0, description="added to kappa on early warning; ours")
    cash_press_on: int = Field(2, description="cash press from here is 'press on'; ours")
    capitulation: bool = Field(
        False, description="capitulation branch; off until it earns its place"
    )


class LayerSettings(Section):
    """One layer of the hedge ladder."""

    id: Literal["S", "M", "L"]
    dte: int = Field(gt=0)
    contracts: int = Field(gt=0)
    delta: float = Field(0.50, gt=0, lt=1)
    roll_at: int = Field(gt=0)
    beta: float = Field(gt=0)


def _layers() -> tuple[LayerSettings, ...]:
    return (
        LayerSettings(id="S", dte=30, contracts=4, delta=0.50, roll_at=21, beta=0.75),
        LayerSettings(id="M", dte=110, contracts=4, delta=0.50, roll_at=60, beta=0.36),
        LayerSettings(id="L", dte=220, contracts=2, delta=0.50, roll_at=110, beta=0.18),
    )


class HedgeSettings(Section):
    """The ALVH ladder of VIX calls."""

    layers: tuple[LayerSettings, ...] = Field(
        default_factory=_layers,
        description="30/110/220 DTE in 4/4/2 contracts; Q&A, several; betas calc",
    )
    dte_tolerance: float = Field(
        0.35, description="listed expiry beyond this share is flagged; ours"
    )
    kappa: float = Field(0.65, description="share of the condor loss to offset; Q&A 60-70 %")
    kappa_range: tuple[float, float] = Field((0.35, 1.0), description="clip; ours")
    kappa_shift: float = Field(0.35, description="times (2 p_shift - 1)+; ours")
    kappa_backwardation: float = Field(0.10, description="added in backwardation; ours")
    kappa_calm: float = Field(0.10, description="taken off when VIX<15 and p_shift<0.2; ours")
    shock_floor: float = Field(30.0, description="VIX of the sizing shock, at least; ours")
    shock_multiple: float = Field(1.67, description="or this multiple of VIX; ours")
    shock_days: int = Field(5, description="calendar days that the shock takes; calc")
    shock_vols: tuple[float, float, float] = Field(
        (0.0, 0.0, 0.0), description="vol added by the shock, by layer; ours: none, conservative"
    )
    shocks: tuple[float, ...] = Field(
        (22.0, 30.0, 40.0, 65.0), description="VIX levels shown; calc"
    )
    budget: float = Field(0.015, description="premium over 252 sessions, of equity; Q&A 1-2 %")
    budget_stop: float = Field(0.02, description="hard stop of the same; Q&A upper end")
    credit_share_warn: float = Field(
        0.28, description="of the 63-session condor credit; Q&A 18-28 %"
    )
    lean_delta: float = Field(0.30, description="delta when the budget binds; ours, VXTH's delta")
    harvest_multiple: float = Field(2.5, description="mark over cost that is harvested; Q&A +150 %")
    harvest_share: float = Field(0.50, description="share sold at the harvest; Q&A 40-60 %")
    redeploy_share: float = Field(0.50, description="share of proceeds kept for M and L; Q&A")
    redeploy_pullback: float = Field(0.85, description="VIX over its 20-day high; ours")
    redeploy_sessions: int = Field(10, description="or after so many sessions; ours")
    refresh_vix: float = Field(15.0, description="top up below; glossary")
    rich_vix: float = Field(25.0, description="no short-layer buys above; glossary, ours")
    theta_sessions: int = Field(21, description="sessions of carry in the efficiency; ours")
    vxth_delta: float = Field(0.30, description="VXTH's delta; Cboe")
    vxth_bands: tuple[tuple[float, float], ...] = Field(
        ((15.0, 0.0), (30.0, 0.01), (50.0, 0.005)),
        description="weight up to each forward VIX; Cboe",
    )


class RefusalSettings(Section):
    """When the ticket refuses."""

    model_days: int = Field(
        45, gt=0, description="calendar days after the model's last session; issue default"
    )
    novelty: bool = Field(True, description="refuse beyond the bundle's novelty threshold; ours")


class MonitorSettings(Section):
    """Drift and calibration alarms."""

    live_sessions: int = Field(63, gt=5, description="live window; a quarter, ours")
    reference_sessions: int = Field(1260, gt=50, description="training window compared with; ours")
    psi_alarm: float = Field(0.25, gt=0, description="population stability index; practice")
    psi_bins: int = Field(10, gt=1, description="quantile bins; practice")
    fdr: float = Field(
        0.05, gt=0, lt=1, description="Benjamini-Hochberg false discovery rate; ours"
    )
    adwin_delta: float = Field(
        0.002, gt=0, lt=1, description="ADWIN confidence; Bifet and Gavalda 2007"
    )
    calibration_min: int = Field(
        60, gt=10, description="outcomes before calibration is judged; ours"
    )
