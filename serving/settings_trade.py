"""Numbers of building, sizing, rolling and judging a condor, each with its source.

Sources are abbreviated: *glossary* is VixShield's glossary page, *explainer* its short pages of
April 2026, *Q&A* its long pages (options, never truth), *Cboe* the exchange, *calc* measured for
this project, *ours* a choice of this project that no source states.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "CondorSettings",
    "CostSettings",
    "EdrSettings",
    "OddsSettings",
    "Section",
    "SizingSettings",
    "TimeShiftSettings",
]


class Section(BaseModel):
    """A frozen part of the settings; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CondorSettings(Section):
    """How condors are built; prices in hundredths of an index point, strikes in whole points."""

    strike_step: int = Field(5, gt=0, description="listed strikes near the money; Cboe SPX specs")
    tick: int = Field(
        5, gt=0, description="net package price is a multiple of 0.05; Cboe SPX specs"
    )
    credits: tuple[int, int, int] = Field(
        (70, 115, 160), description="credit of conservative, balanced, aggressive; Q&A, many pages"
    )
    wing_width: int = Field(
        10, gt=0, description="W of the 1 DTE book; ours, sources give 5 to 250"
    )
    wing_width_30_60: int = Field(25, gt=0, description="W of the 30-60 DTE book; ours")
    deltas_30_60: tuple[float, float, float] = Field(
        (0.12, 0.16, 0.20),
        description="short deltas by tier, 30-60 DTE; 16 Q&A, 20 Cboe CNDR, 12 ours",
    )
    dte_target: int = Field(45, description="DTE aimed at in the 30-60 DTE book; practice")
    dte_range: tuple[int, int] = Field((30, 60), description="DTE allowed in that book; Q&A")
    max_short_delta: float = Field(0.18, gt=0, lt=1, description="cap of the 1 DTE search; Q&A")
    m_start: float = Field(
        1.0, gt=0, description="shorts start at 1.0 x EDR; RSAi definition, ours"
    )
    premium_floor: float = Field(
        0.06, ge=0, description="credit below 0.06 x W is skipped; explainer: 0.30 on a 5-wide"
    )
    gauge_width: int = Field(5, gt=0, description="W of the premium gauge's condor; explainer")
    chain_reach: float = Field(
        0.25, gt=0, description="strikes searched within +-25 % of spot; ours"
    )
    rate: float = Field(0.04, description="discount rate where no bill rate is stored; calc runs")

    @model_validator(mode="after")
    def _ordered(self) -> CondorSettings:
        low, high = self.dte_range
        if list(self.credits) != sorted(self.credits) or self.credits[0] <= 0:
            raise ValueError(
                f"`credits` must rise from conservative to aggressive, got {self.credits}"
            )
        widths = (self.wing_width, self.wing_width_30_60, self.gauge_width)
        if any(width % self.strike_step for width in widths):
            raise ValueError(
                "`wing_width`, `wing_width_30_60` and `gauge_width` must be multiples of "
                f"`strike_step` {self.strike_step}, got {widths}"
            )
        if not 0 < low <= self.dte_target <= high:
            raise ValueError(
                f"`dte_target` {self.dte_target} must lie inside `dte_range` {low}-{high}"
            )
        if any(credit % self.tick for credit in self.credits):
            raise ValueError(
                f"`credits` must be multiples of `tick` {self.tick}, got {self.credits}"
            )
        return self


class CostSettings(Section):
    """What trading costs."""

    fee_cents: int = Field(
        125, ge=0, description="all-in a leg and contract; Cboe Nov 2024 + broker"
    )
    slippage_min: int = Field(5, ge=0, description="hundredths of a point for four legs; ours")
    slippage_share: float = Field(
        0.10, ge=0, description="of the credit, four legs; ours after 0DTE study"
    )
    slippage_prior: float = Field(
        20.0, gt=0, description="contracts that the configured share weighs against fills; ours"
    )
    slippage_stress: float = Field(2.0, ge=1, description="multiple in the stressed case; ours")
    vix_slippage: int = Field(5, ge=0, description="hundredths a VIX call: one tick; ours")


class SizingSettings(Section):
    """How much may be risked."""

    risk_per_trade: float = Field(0.02, gt=0, le=0.10, description="of equity; Q&A 1-2 %, ours 2 %")
    risk_cap: float = Field(0.10, gt=0, le=1, description="hard cap a condor; Q&A canonical 10 %")
    open_risk_cap: float = Field(0.10, gt=0, le=1, description="sum of open maximum losses; ours")
    kelly_cap: float = Field(
        0.25, gt=0, le=1, description="Kelly is shown, capped at a quarter; ours"
    )
    paper_equity_cents: int = Field(
        25_000_000, gt=0, description="equity of the paper account; ours"
    )


class TimeShiftSettings(Section):
    """Rolling a challenged condor, and ranking what can be done with it."""

    challenged_delta: float = Field(0.30, description="|delta| of a short; ours")
    challenged_mark: float = Field(
        2.0, description="mark as a multiple of the credit; ours, Q&A 2x stop"
    )
    challenged_edr: float = Field(
        0.25, description="spot within this share of EDR of a short; ours"
    )
    edr_trigger: float = Field(0.94, description="EDR in percent; glossary")
    vix_trigger: float = Field(16.0, description="VIX; glossary")
    max_rolls: int = Field(2, description="rolls of one position; ours")
    expiries: tuple[int, int] = Field((1, 7), description="DTE searched going forward; glossary")
    cushion: float = Field(0.20, description="of the debit, on top of debit and fees; Q&A 15-25 %")
    max_short_delta: float = Field(0.18, description="of the new shorts; Q&A")
    max_loss_growth: float = Field(1.5, description="new loss plus realised, of the original; ours")
    cvar_weight: float = Field(0.10, ge=0, description="lambda on CVaR95 in the utility; ours")
    loyalty_cents: int = Field(500, ge=0, description="eta: utility lost by a change of mind; ours")
    resize_steps: tuple[float, ...] = Field((0.75, 0.50, 0.25), description="graded sizes; ours")
    projections: tuple[int, ...] = Field((1, 2, 5), description="sessions ahead shown; ours")


class EdrSettings(Section):
    """The expected daily range in its variants."""

    decision: Literal["edr_cal", "edr_vix", "edr_1d", "edr_blend"] = Field(
        "edr_vix", description="range the strike search starts from; RSAi definition"
    )
    blend_vix9d: float = Field(0.1, description="weight of VIX9D; glossary")
    blend_hv20: float = Field(0.5, description="weight of HV20; glossary")
    blend_m: float = Field(1.0, ge=0.8, le=2.0, description="multiplier; glossary 0.8-2.0")
    quantile: float = Field(0.80, gt=0, lt=1, description="of |r| for edr_cal; explainer '>80 %'")
    window: int = Field(500, ge=50, description="sessions of a band that calibrate edr_cal; ours")
    min_sessions: int = Field(60, ge=10, description="below that edr_cal is null; ours")
    coverage_sessions: int = Field(250, ge=20, description="trailing coverage; ours")


class OddsSettings(Section):
    """Probabilities and expected values on the ticket."""

    touch_first_guess: float = Field(
        2.0, description="touch odds over terminal odds without paths; practice"
    )
    ev_quantile: float = Field(1.645, description="standard errors of the 90 % band; ours")
