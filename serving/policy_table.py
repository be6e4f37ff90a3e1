"""The state-to-action table, as data: section 8 of the method's dossier with rule ids.

A row says for which books and VIX ladders it speaks, when it matches, and what it does. Refusals
come first; all restrictions that match compose by minimum; the last row of each book is the
default. A value written as text is looked up in the settings (``policy.vix_hold``), so that no
number stands here.
"""

from __future__ import annotations

from serving.policy_rows import Clause, Effect, Row

__all__ = ["TABLE"]

_CONDORS = ("condor_1dte", "condor_30_60")
_ALL = (*_CONDORS, "alvh")
_NO_ROLL = ("hold", "resize", "close", "hedge")
_NONE = Effect(tier_cap=0, open_actions=("hold",))


def _refusal(name: str, clause: Clause, why: str) -> Row:
    return Row(name, "refusal", _ALL, (clause,), _NONE, why)


TABLE: tuple[Row, ...] = (
    _refusal("REFUSE_GATE", Clause("gate_missing", "is"), "SPX or VIX close stale or missing"),
    _refusal(
        "REFUSE_MODEL",
        Clause("no_model", "is"),
        "no model is promoted, or its files do not match their hashes",
    ),
    _refusal("REFUSE_INPUT", Clause("bad_input", "is"), "the book or the quotes cannot be used"),
    _refusal(
        "REFUSE_FEATURES",
        Clause("feature_mismatch", "is"),
        "the feature list does not match the model's",
    ),
    _refusal(
        "REFUSE_NOVELTY", Clause("novel", "is"), "the inputs lie beyond what the model has seen"
    ),
    _refusal(
        "REFUSE_EXPIRED",
        Clause("model_age_days", ">", "refusal.model_days"),
        "the model is too old",
    ),
    # --- the VIX ladders -------------------------------------------------------------------
    Row(
        "VIX_NONE",
        "ladder",
        _CONDORS,
        (Clause("vix", ">=", "policy.vix_none"),),
        Effect(tier_cap=0, open_actions=_NO_ROLL),
        "VIX at 25 or above: no trades, no rolls",
        ("glossary", "sub20_5dma"),
    ),
    Row(
        "VIX_HOLD",
        "ladder",
        _CONDORS,
        (Clause("vix", ">=", "policy.vix_hold"),),
        Effect(tier_cap=0, open_actions=("hold", "resize", "time_shift", "close", "hedge")),
        "VIX at 20 or above: no new condors",
        ("glossary", "sub20_5dma"),
    ),
    Row(
        "VIX_NORMAL",
        "ladder",
        _CONDORS,
        (Clause("vix", ">=", "policy.vix_calm"), Clause("vix", "<", "policy.vix_hold")),
        Effect(tier_cap=2),
        "VIX 15 to 20: conservative and balanced",
        ("glossary", "never_stop"),
    ),
    Row(
        "VIX_CALM_GREEN",
        "ladder",
        _CONDORS,
        (Clause("vix", "<", "policy.vix_calm"), Clause("green", "is")),
        Effect(tier_cap=3),
        "VIX below 15 and the term structure green: any tier",
        ("glossary", "never_stop"),
    ),
    Row(
        "VIX_CALM",
        "ladder",
        _CONDORS,
        (Clause("vix", "<", "policy.vix_calm"), Clause("green", "not")),
        Effect(tier_cap=2),
        "VIX below 15 without a green term structure: conservative and balanced",
        ("glossary", "never_stop"),
    ),
    Row(
        "SUB20_FALLING",
        "ladder",
        _CONDORS,
        (Clause("vix", "<", "policy.vix_hold"), Clause("vix_below_sma5", "is")),
        Effect(tier_cap=3),
        "VIX below 20 and below its 5-session mean: all tiers",
        ("sub20_5dma",),
    ),
    Row(
        "SUB20_RISING",
        "ladder",
        _CONDORS,
        (Clause("vix", "<", "policy.vix_hold"), Clause("vix_below_sma5", "not")),
        Effect(tier_cap=1),
        "VIX below 20 but above its 5-session mean: conservative",
        ("sub20_5dma",),
    ),
    Row(
        "NEVER_STOP",
        "ladder",
        _CONDORS,
        (Clause("vix", ">=", "policy.vix_hold"),),
        Effect(tier_cap=1),
        "VIX at 20 or above: conservative, trading goes on",
        ("never_stop",),
    ),
    Row(
        "NEVER_STOP_HALF",
        "ladder",
        _CONDORS,
        (Clause("vix", ">=", "policy.vix_half"),),
        Effect(tier_cap=1, size=0.5),
        "VIX at 28 or above: half size",
        ("never_stop",),
    ),
    # --- restrictions ----------------------------------------------------------------------
    Row(
        "FORECAST_HOLD",
        "restriction",
        _CONDORS,
        (Clause("overlay", ">=", 3),),
        Effect(tier_cap=0, open_actions=("hold", "resize", "time_shift", "close", "hedge")),
        "shift probability above 0.60: no new condor, challenged ones are halved",
    ),
    Row(
        "FORECAST_CONSERVATIVE",
        "restriction",
        _CONDORS,
        (Clause("overlay", ">=", 2),),
        Effect(tier_cap=1, size=0.5),
        "shift probability 0.40 to 0.60: conservative only, half size",
    ),
    Row(
        "FORECAST_DROP",
        "restriction",
        _CONDORS,
        (Clause("overlay", ">=", 1),),
        Effect(tier_drop=1),
        "shift probability 0.20 to 0.40: one tier less",
    ),
    Row(
        "FORECAST_UNKNOWN",
        "restriction",
        _CONDORS,
        (Clause("p_unknown", "is"),),
        Effect(tier_cap=0),
        "the shift head has no probability although it applies: no new condor",
    ),
    Row(
        "DEFENSIVE",
        "restriction",
        _CONDORS,
        (Clause("defensive", "is"),),
        Effect(
            tier_drop=1,
            m="policy.defensive_m",
            m_floor="policy.defensive_edr",
            size="policy.defensive_size",
        ),
        "cascades in a red curve, shift probability from 0.40, or a confirmed cascade",
    ),
    Row(
        "EVENT_MAJOR",
        "restriction",
        _CONDORS,
        (Clause("event_major", "is"),),
        Effect(size="policy.event_size", m="policy.defensive_m"),
        "FOMC or CPI inside the window: half size, further out",
    ),
    Row(
        "EVENT_MINOR",
        "restriction",
        _CONDORS,
        (Clause("event_minor", "is"),),
        Effect(warn="PPI or payrolls inside the window"),
        "PPI or payrolls inside the window: a warning",
    ),
    Row(
        "PREMIUM_FLOOR",
        "restriction",
        ("condor_1dte",),
        (Clause("premium_short", "is"),),
        Effect(tier_cap=0),
        "the premium gauge pays less than its floor: skip",
    ),
    Row(
        "UNREACHABLE",
        "restriction",
        _CONDORS,
        (Clause("unreachable", "is"),),
        Effect(tier_cap=0),
        "no strikes give the tier its credit, or the credit left pays less than its floor: skip",
    ),
    Row(
        "ACCOUNT_SIZE",
        "restriction",
        _CONDORS,
        (Clause("too_small", "is"),),
        Effect(tier_cap=0),
        "the risk limits leave no room for one condor",
    ),
    Row(
        "ONE_PER_EXPIRY",
        "restriction",
        _CONDORS,
        (Clause("same_expiry", "is"),),
        Effect(tier_cap=0),
        "the book already holds a condor of this expiry: one tier an expiry",
    ),
    Row(
        "DIVERGENCE",
        "restriction",
        _CONDORS,
        (Clause("divergence", "is"),),
        Effect(narrower="policy.divergence_w"),
        "a cascade accelerates while breadth holds: narrower wings, or a time-shift",
    ),
    Row(
        "CAPITULATION",
        "relaxation",
        _CONDORS,
        (Clause("capitulation", "is"),),
        Effect(),
        "stewards re-enter while the cash press is on: one tier of the forecast's drop is given "
        "back; off unless the configuration turns it on",
    ),
    # --- the hedge -------------------------------------------------------------------------
    Row(
        "HEDGE_RICH",
        "restriction",
        ("alvh",),
        (Clause("vix", ">", "hedge.rich_vix"),),
        Effect(no_short_layer=True),
        "VIX above 25: near volatility is rich, no buys in layer S; harvest",
    ),
    Row(
        "HEDGE_DEFENSIVE",
        "restriction",
        ("alvh",),
        (Clause("defensive", "is"),),
        Effect(kappa="policy.defensive_kappa"),
        "DEFENSIVE: more hedge",
    ),
    Row(
        "HEDGE_DIVERGENCE",
        "restriction",
        ("alvh",),
        (Clause("divergence", "is"),),
        Effect(kappa="policy.divergence_kappa"),
        "early warning: slightly more hedge",
    ),
    Row(
        "HEDGE_REFRESH",
        "restriction",
        ("alvh",),
        (Clause("vix", "<", "hedge.refresh_vix"),),
        Effect(refresh=True),
        "VIX below 15: top the hedge up to its target",
    ),
    # --- what stands when nothing else matched ---------------------------------------------
    Row(
        "DEFAULT_CONDOR",
        "default",
        _CONDORS,
        (),
        Effect(tier_cap=0),
        "nothing in the table allows a condor, so none is opened",
    ),
    Row(
        "DEFAULT_HEDGE",
        "default",
        ("alvh",),
        (),
        Effect(),
        "the ladder stays on; roll and harvest by its own rules",
    ),
)
