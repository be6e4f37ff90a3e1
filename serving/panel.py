"""The cross-asset panel: what stood behind the night, by timeframe, with null for unknown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serving.ticket_rows import rounded

__all__ = ["PANEL", "TIMEFRAMES", "TRANSLATION_INPUTS", "equity_bias", "panel_of", "timeframes_of"]

# section of the ticket's panel: the features it shows
PANEL: dict[str, tuple[str, ...]] = {
    "cascades": (
        "btc_casc_n_7d",
        "eth_casc_n_7d",
        "btc_casc_long_n_7d",
        "btc_casc_severity",
        "btc_casc_since",
        "all_liq_z",
        "all_liq_long_share",
        "all_capitulation",
        "all_tape_engineered",
    ),
    "breadth": ("advance_share_5", "ad_holds", "ad_confirm", "ad_div_bear", "ad_div_days"),
    "crypto_technicals": (
        "btc_macd_expand_1h",
        "btc_macd_expand_4h",
        "btc_macd_expand_1d",
        "btc_exhaustion_1d",
        "btc_rsi_1d",
        "confirmation_window",
    ),
    "term_structure": ("vix_vix3m", "vx_contango", "contango_light", "bw_f", "bw_c", "rsi_vx30"),
    "conjunctions": ("divergence_ew", "confirmed", "casc_rel_rsi"),
    "cash_press": ("cash_press", "cash_press_on", "vrp_points"),
    "positioning": ("promoter_market", "steward_market", "positioning_state", "btc_funding_z"),
    "stress_and_value": ("wacc", "wacc_stress_z", "usd_z", "usd_chg20", "pcf_z", "cape"),
}

# the three clocks of the False Binary rule: feature, and which sign of it is stress
TIMEFRAMES: dict[str, tuple[tuple[str, float], ...]] = {
    "1h crypto": (("btc_macd_exhaustion_1h", 1.0), ("btc_exhaustion_1h", 1.0)),
    "1d equity and volatility": (("bw_c", 1.0), ("bw_f", 1.0), ("ad_confirm", 1.0)),
    "1m macro": (("wacc_stress", 1.0), ("dollar_squeeze", 1.0)),
}

# 3.14 of the dossier: what decides whether a cascade becomes equity weakness
TRANSLATION_INPUTS = (
    "all_liq_z",
    "all_liq_long_share",
    "bw_c",
    "ad_confirm",
    "wacc_stress_z",
    "usd_chg20",
    "pcf_z",
    "all_tape_engineered",
)


def panel_of(features: Mapping[str, float | None]) -> dict[str, dict[str, float | None]]:
    """Show the panel's features; null where the catalogue or the data has none."""
    return {
        section: {name: rounded(features.get(name)) for name in names}
        for section, names in PANEL.items()
    }


def timeframes_of(features: Mapping[str, float | None]) -> list[dict[str, Any]]:
    """Let each clock vote ``stress``, ``calm``, or abstain where all its features are null."""
    out = []
    for name, clauses in TIMEFRAMES.items():
        known = [(features.get(key), sign) for key, sign in clauses]
        seen = [value * sign for value, sign in known if value is not None]
        vote = None if not seen else ("stress" if any(value > 0 for value in seen) else "calm")
        out.append({"timeframe": name, "vote": vote, "known": len(seen), "of": len(clauses)})
    return out


def equity_bias(
    features: Mapping[str, float | None], p_down: float | None, p_down_prior: float | None
) -> dict[str, Any]:
    """Say which way the equity side leans.

    Parameters
    ----------
    features : mapping
    p_down, p_down_prior : float or None
        Model and prior probability that the next session falls more than one implied move.

    Returns
    -------
    dict
        ``label`` compares the two probabilities; ``inputs`` are those of the translation score.
        Its ``score`` is null: no coefficients have been fitted, and none are invented.
    """
    label = None
    if p_down is not None and p_down_prior is not None:
        label = "down" if p_down > p_down_prior else "neutral"
    return {
        "score": None,
        "label": label,
        "breach_down": p_down,
        "breach_down_prior": p_down_prior,
        "inputs": {name: rounded(features.get(name)) for name in TRANSLATION_INPUTS},
    }
