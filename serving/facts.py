"""From the market state and the forecast to the facts that the policy's rows compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from serving.policy import Facts, Forecast, held_level
from serving.settings import PolicySettings, ServingSettings
from serving.state import MarketState

__all__ = ["RULE_FEATURES", "Signals", "gather_facts", "read_signals", "term_light"]

# Features that carry each signal of the policy: the first group that is wholly known is summed. A
# null signal switches its rules off, and is listed on the ticket.
RULE_FEATURES: dict[str, tuple[tuple[str, ...], ...]] = {
    "cascades_7d": (
        ("btc_tape_weighted_n_7d", "eth_tape_weighted_n_7d"),
        ("btc_casc_n_7d", "eth_casc_n_7d"),
    ),
    "confirmed": (("confirmed",),),
    "divergence": (("divergence_ew",),),
    "cash_press": (("cash_press",),),
    "steward_reentry": (("btc_steward_reentry",),),
}


@dataclass(frozen=True)
class Signals:
    """Cross-asset signals of one session; None where a feature is null."""

    cascades_7d: float | None = None
    confirmed: float | None = None
    divergence: float | None = None
    cash_press: float | None = None
    steward_reentry: float | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """Signals that are null."""
        return tuple(name for name in RULE_FEATURES if getattr(self, name) is None)


def read_signals(state: MarketState) -> Signals:
    """Read the signals from the feature row."""
    return Signals(**{name: _first(state, groups) for name, groups in RULE_FEATURES.items()})


def _first(state: MarketState, groups: Iterable[tuple[str, ...]]) -> float | None:
    for names in groups:
        values = [state.features.get(name) for name in names]
        known = [value for value in values if value is not None]
        if len(known) == len(values):
            return sum(known)
    return None


def term_light(state: MarketState, settings: PolicySettings) -> str:
    """Traffic light of the VIX term structure (3.8 of the dossier).

    Returns
    -------
    str
        ``green`` when contango and VIX/VIX3M both say so, ``red`` when either does, ``yellow``
        otherwise, also where an input is unknown.
    """
    contango, ivts = state.contango, state.ivts
    if (contango is not None and contango < 0) or (ivts is not None and ivts >= settings.ivts_red):
        return "red"
    if contango is None or ivts is None:
        return "yellow"
    good = contango >= settings.contango_green and ivts < settings.ivts_green
    return "green" if good else "yellow"


def gather_facts(
    state: MarketState,
    forecast: Forecast,
    settings: ServingSettings,
    *,
    windows: Mapping[str, tuple[pd.Timestamp, pd.Timestamp]],
    found: Mapping[str, Mapping[str, bool]] | None = None,
) -> dict[str, Facts]:
    """Give the facts of each book.

    Parameters
    ----------
    state : MarketState
    forecast : Forecast
    settings : ServingSettings
    windows : mapping
        For each condor book, the session before the fill and the last session whose events count.
    found : mapping, optional
        By book, what strike search and sizing found: `premium_short`, `unreachable`,
        `too_small`, `same_expiry`.

    Returns
    -------
    dict of str to Facts
    """
    policy = settings.policy
    signals = read_signals(state)
    light = term_light(state, policy)
    level = held_level(forecast, policy)
    clustered = (signals.cascades_7d or 0.0) >= policy.cascades_7d
    contango = state.contango
    stressed = light == "red" or (contango is not None and contango < 0)
    defensive = (
        (clustered and stressed)
        or bool(signals.confirmed)
        or (policy.overlay and (forecast.p_shift or 0.0) >= policy.p_conservative)
        or level >= 2
    )
    common: dict[str, Any] = {
        "vix": state.vix,
        "vix_below_sma5": state.vix < state.vix_sma5,
        "green": light == "green",
        "overlay": level,
        "p_unknown": policy.overlay and forecast.p_applies and forecast.p_shift is None,
        "defensive": defensive,
        "divergence": bool(signals.divergence),
        "capitulation": policy.capitulation
        and bool(signals.steward_reentry)
        and (signals.cash_press or 0.0) >= policy.cash_press_on,
        "feature_mismatch": forecast.feature_mismatch,
        "novel": forecast.novel and settings.refusal.novelty,
        "model_age_days": forecast.model_age_days,
    }
    facts = {"alvh": Facts(**common)}
    for book, (after, until) in windows.items():
        inside = {e.event for e in state.events_between(after, until)}
        facts[book] = Facts(
            **common,
            event_major=bool(inside & {"FOMC", "CPI"}),
            event_minor=bool(inside & {"PPI", "NFP"}),
            **(found or {}).get(book, {}),
        )
    return facts
