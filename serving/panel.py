"""The cross-asset panel: what stood behind the night, by timeframe, with null for unknown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.translation import INPUTS
from serving.ticket_rows import rounded

__all__ = ["PANEL", "TIMEFRAMES", "equity_bias", "panel_of", "timeframes_of"]

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
        "casc_new",
        "casc_new_engineered",
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

# what a ticket shows of the translation score, beside the label
BIAS_KEYS = (
    "score",
    "interval",
    "base_rate",
    "clusters",
    "weak_clusters",
    "beats_base_rate",
    "beats_vix",
    "cascades",
    "reason",
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
    document: Mapping[str, Any], features: Mapping[str, float | None]
) -> dict[str, Any]:
    """Say which way the equity side leans.

    Parameters
    ----------
    document : mapping
        The forecast.
    features : mapping

    Returns
    -------
    dict
        The translation score with its ``label`` (see `serving.translation`); a forecast that was
        recorded without one gives nulls and the reason. ``breach_down`` and its prior: that the
        next session falls more than one implied move. ``inputs``: those of the score.
    """
    told = document.get("translation") or {
        "label": "neutral",
        "reason": "the forecast was recorded without a translation score",
    }
    down: Mapping[str, Any] = next((h for h in document["heads"] if h["head"] == "breach_down"), {})
    return {
        "label": told["label"],
        **{name: told.get(name) for name in BIAS_KEYS},
        "breach_down": down.get("probability"),
        "breach_down_prior": down.get("prior"),
        "inputs": {name: rounded(features.get(name)) for name in INPUTS},
    }
