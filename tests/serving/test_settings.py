"""Every key of the settings is read: changing it changes a ticket, or what the monitor says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import cache, lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel

from features.home import Home
from features.sessions import calendar
from models.touches import OpenPaths
from serving.alarms import calibration_alarms, drift_rows
from serving.book import Book, HedgeLayer, OpenCondor, paper_book
from serving.compose import Inputs, compose
from serving.edr import edr_table
from serving.ledger import Ledger
from serving.monitor import health
from serving.records import Fill
from serving.score import run_scores
from serving.settings import MonitorSettings, ServingSettings
from serving.state import Event, Future, MarketState
from serving.vix_curve import listed_expiries

SESSION = pd.Timestamp("2024-06-18")  # the 19th is a holiday
SPOT = 5400.0


def leaves(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from leaves(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def changed(settings: ServingSettings, values: dict[str, Any]) -> ServingSettings:
    document = settings.model_dump()
    for key, value in values.items():
        *path, last = key.split(".")
        at: Any = document
        for part in path:
            at = at[int(part)] if part.isdigit() else at[part]
        at[last] = value
    return ServingSettings.model_validate(document)


def market(vix: float, *, slope: float = 0.04, **change: Any) -> MarketState:
    days = calendar()
    following = days.next(SESSION)
    futures = tuple(
        Future(expiry, vix * (1 + slope * (i + 1)), SESSION)
        for i, expiry in enumerate(listed_expiries(following, months=8))
    )
    known: dict[str, Any] = {
        "session": SESSION, "ticket_session": following,
        "cutoff": pd.Timestamp("2024-06-18 22:00", tz="UTC"), "spx": SPOT, "vix": vix,
        "vix1d": None, "vix9d": vix - 1, "vix3m": vix * (1 + 3 * slope), "vix6m": vix * 1.2,
        "vvix": 90.0, "skew": 130.0, "vix_sma5": vix + 0.5, "vix_max20": vix * 1.1,
        "typical": SPOT + 5, "futures": futures, "rate": None, "events": (), "features": {},
    }  # fmt: skip
    return MarketState(**{**known, **change})


def document(p: float, *, until: str = "2024-05-31", novelty: float = 1.0) -> dict[str, Any]:
    heads = [
        {
            "head": head, "horizon": h, "probability": q, "prior": 0.2, "climatology": 0.2,
            "interval": [0.1, 0.4], "base_log_odds": -1.0,
            "contributions": [{"feature": f"{head}_{h}", "value": 1.0, "log_odds": 0.2}],
        }
        for head, h, q in (
            ("shift_up", 5, p), ("shift_up", 10, p + 0.2), ("shift_up", 21, 0.5),
            ("expansion", 5, 0.7), ("breach_down", 1, 0.1),
        )
    ]  # fmt: skip
    return {
        "session": "2024-06-18", "at": "evening", "ticket_session": "2024-06-20",
        "model_version": "m", "regime": "normal", "data_quality": [], "heads": heads,
        "until": until, "novelty": novelty, "novelty_threshold": 2.0, "missing_features": [],
    }  # fmt: skip


def condor(name: str, expiry: date, put: int, call: int, **change: Any) -> OpenCondor:
    values: dict[str, Any] = {
        "id": name, "book": "condor_30_60", "expiry": expiry, "put_long": put - 25,
        "put_short": put, "call_short": call, "call_long": call + 25, "quantity": 4,
        "credit": 500, "opened": date(2024, 6, 3),
    }  # fmt: skip
    return OpenCondor(**{**values, **change})


HEDGES = (
    HedgeLayer(layer="S", expiry=date(2024, 7, 17), strike=17, quantity=4, cost=60),
    HedgeLayer(layer="M", expiry=date(2024, 8, 21), strike=19, quantity=4, cost=200),
    HedgeLayer(layer="L", expiry=date(2024, 12, 18), strike=20, quantity=2, cost=250),
)
HELD = Book(
    equity_cents=100_000_000, hedges=HEDGES, hedge_spent_252_cents=500_000,
    condor_credit_63_cents=400_000, hedge_proceeds_held_cents=90_000,
    condors=(
        condor("tested", date(2024, 6, 21), 5380, 5600, credit=300),
        condor("near delta", date(2024, 7, 19), 5300, 5800),
        condor("shifted", date(2024, 6, 28), 5100, 5425, rolls_used=1, credit=700),
        condor("rolled twice", date(2024, 6, 21), 5380, 5600, rolls_used=2),
    ),
)  # fmt: skip
RICH = Book(equity_cents=400_000_000)
EVENTS = (Event(pd.Timestamp("2024-06-20"), "FOMC"), Event(pd.Timestamp("2024-06-24"), "CPI"))
FILLS = (Fill("f", "s", "condor_1dte", "2024-06-17T20:10:00+00:00", 5, 50, 75),)
CASCADES = {"btc_casc_n_7d": 2.0, "eth_casc_n_7d": 0.5, "divergence_ew": 1.0}
REENTRY = {"btc_steward_reentry": 1.0, "cash_press": 2.0}

# name: state, probability, earlier probabilities, book
SCENES: dict[str, tuple[MarketState, float, tuple[float, ...], Book | None]] = {
    "calm": (market(13.0), 0.10, (0.1, 0.1), None),
    "calm, curve not quite steep": (market(13.0, slope=0.034), 0.10, (0.1, 0.1), RICH),
    "calm, re-entry": (market(13.0, features=REENTRY), 0.25, (0.1, 0.1), RICH),
    "normal": (market(17.0), 0.22, (0.1, 0.65), RICH),
    "events": (market(17.0, events=EVENTS), 0.10, (0.1, 0.1), RICH),
    "cascades": (market(17.0, slope=-0.02, features=CASCADES), 0.10, (0.1, 0.1), RICH),
    "forecast": (market(17.0), 0.45, (0.1, 0.1), RICH),
    "forecast hold": (market(17.0), 0.62, (0.1, 0.1), HELD),
    "above 20": (market(22.0), 0.10, (0.1, 0.1), HELD),
    "above 25": (market(29.0), 0.10, (0.1, 0.1), RICH),
    "held": (market(17.0, vix_max20=21.0), 0.10, (0.1, 0.1), HELD),
    "held, calm": (market(13.5, vix_max20=19.0), 0.10, (0.1, 0.1), HELD),
    "no paths": (market(17.0), 0.10, (0.1, 0.1), None),
    "poor": (market(17.0), 0.10, (0.1, 0.1), Book(equity_cents=12_000_000)),
}


@lru_cache(maxsize=1)
def ways() -> OpenPaths:
    returns = np.cumsum(np.random.default_rng(3).normal(0, 0.009, (400, 45)), axis=1)
    return OpenPaths(returns, np.full(returns.shape, 0.007), None, (1.25, 1.25))


@lru_cache(maxsize=1)
def history() -> pd.DataFrame:
    days = calendar().sessions("2020-01-02", SESSION)
    rng = np.random.default_rng(4)
    vix = 17 + 6 * np.sin(np.arange(len(days)) / 40)
    close = SPOT * np.exp(np.cumsum(rng.normal(0, vix / 100 / np.sqrt(252) * 1.3)))
    return pd.DataFrame({"spx": close, "vix": vix, "vix9d": vix - 1, "vix1d": np.nan}, index=days)


@lru_cache(maxsize=2)
def edrs_of(edr: str) -> Any:
    settings = ServingSettings().edr.model_validate_json(edr)
    return edr_table(history(), [SESSION], settings=settings)[SESSION]


def ticket_of(name: str, settings: ServingSettings, **change: Any) -> dict[str, Any]:
    state, p, earlier, book = SCENES[name]
    edrs = edrs_of(settings.edr.model_dump_json())
    inputs = Inputs(
        document=document(p, **change), earlier=tuple(document(q) for q in earlier), evening=None,
        state=state, edrs=edrs, settings=settings, fills=FILLS,
        ways=None if name == "no paths" else ways(),
        book=book if book is not None else paper_book(settings.sizing),
    )  # fmt: skip
    ticket = compose(inputs)
    del ticket["config_hash"]
    return ticket


# key: a value that differs from its default; where needed, what else must be set for it to matter
CHANGED: dict[str, tuple[Any, dict[str, Any]]] = {
    "primary_book": ("condor_30_60", {}),
    "condor.strike_step": (25, {"condor.wing_width": 25, "condor.gauge_width": 25,
                                "policy.divergence_w": 25}),
    "condor.tick": (10, {"condor.credits": (70, 110, 160)}),
    "condor.credits": ((60, 100, 140), {}),
    "condor.wing_width": (15, {}),
    "condor.wing_width_30_60": (50, {}),
    "condor.deltas_30_60": ((0.08, 0.10, 0.12), {}),
    "condor.dte_target": (35, {}),
    "condor.dte_range": ((44, 60), {}),
    "condor.max_short_delta": (0.02, {}),
    "condor.m_start": (2.0, {}),
    "condor.premium_floor": (0.10, {}),
    "condor.gauge_width": (10, {}),
    "condor.chain_reach": (0.02, {}),
    "condor.rate": (0.08, {}),
    "costs.fee_cents": (200, {}),
    "costs.slippage_min": (30, {}),
    "costs.slippage_share": (0.2, {}),
    "costs.slippage_prior": (1.0, {}),
    "costs.slippage_stress": (4.0, {}),
    "sizing.risk_per_trade": (0.01, {}),
    "sizing.risk_cap": (0.01, {}),
    "sizing.open_risk_cap": (0.01, {}),
    "sizing.kelly_cap": (0.001, {}),
    "sizing.paper_equity_cents": (50_000_000, {}),
    "policy.name": ("never_stop", {}),
    "policy.overlay": (False, {}),
    "policy.vix_calm": (12.0, {}),
    "policy.vix_hold": (16.0, {}),
    "policy.vix_none": (21.0, {}),
    "policy.vix_half": (30.0, {"policy.name": "never_stop"}),
    "policy.p_drop": (0.05, {}),
    "policy.p_conservative": (0.21, {}),
    "policy.p_hold": (0.44, {}),
    "policy.p_head": ("expansion", {}),
    "policy.p_horizon": (10, {}),
    "policy.hysteresis_sessions": (2, {}),
    "policy.contango_green": (0.02, {}),
    "policy.ivts_green": (0.90, {"policy.contango_green": 0.02}),
    "policy.ivts_red": (0.80, {}),
    "policy.cascades_7d": (4.0, {}),
    "policy.defensive_m": (2.0, {}),
    "policy.defensive_edr": (1.6, {"condor.premium_floor": 0.001}),
    "policy.defensive_size": (0.25, {}),
    "policy.defensive_kappa": (0.3, {}),
    "policy.event_size": (0.25, {}),
    "policy.event_entry_sessions": (3, {}),
    "policy.divergence_w": (0, {}),
    "policy.divergence_kappa": (0.3, {"policy.defensive_kappa": 0.0}),
    "policy.cash_press_on": (3, {"policy.capitulation": True}),
    "policy.capitulation": (True, {}),
    "time_shift.challenged_delta": (0.05, {}),
    "time_shift.challenged_mark": (0.5, {}),
    "time_shift.challenged_edr": (3.0, {}),
    "time_shift.edr_trigger": (2.0, {}),
    "time_shift.vix_trigger": (40.0, {"time_shift.edr_trigger": 3.0}),
    "time_shift.max_rolls": (5, {}),
    "time_shift.expiries": ((5, 6), {}),
    "time_shift.cushion": (0.0, {}),
    "time_shift.max_short_delta": (0.30, {}),
    "time_shift.max_loss_growth": (0.1, {"time_shift.cushion": 0.0}),
    "time_shift.cvar_weight": (1.0, {}),
    "time_shift.loyalty_cents": (50_000, {}),
    "time_shift.resize_steps": ((0.5,), {}),
    "time_shift.projections": ((1,), {}),
    "edr.decision": ("edr_cal", {}),
    "edr.blend_vix9d": (0.5, {}),
    "edr.blend_hv20": (0.1, {}),
    "edr.blend_m": (1.5, {}),
    "edr.quantile": (0.6, {}),
    "edr.window": (60, {}),
    "edr.min_sessions": (5000, {}),
    "edr.coverage_sessions": (40, {}),
    "hedge.layers": (None, {}),  # by field, below
    "hedge.dte_tolerance": (0.001, {}),
    "hedge.kappa": (0.9, {}),
    "hedge.kappa_range": ((0.35, 0.5), {}),
    "hedge.kappa_shift": (1.0, {}),
    "hedge.kappa_backwardation": (0.3, {"policy.defensive_kappa": 0.0}),
    "hedge.kappa_calm": (0.0, {}),
    "hedge.shock_floor": (45.0, {}),
    "hedge.shock_multiple": (3.0, {}),
    "hedge.shock_days": (10, {}),
    "hedge.shock_vols": ((0.5, 0.4, 0.3), {}),
    "hedge.shocks": ((25.0, 50.0), {}),
    "hedge.budget": (0.001, {}),
    "hedge.budget_stop": (0.05, {}),
    "hedge.credit_share_warn": (0.9, {}),
    "hedge.lean_delta": (0.15, {"hedge.budget": 0.0001}),
    "hedge.harvest_multiple": (9.0, {}),
    "hedge.harvest_share": (0.25, {}),
    "hedge.redeploy_share": (0.9, {}),
    "hedge.redeploy_pullback": (0.5, {}),
    "hedge.redeploy_sessions": (20, {}),
    "hedge.refresh_vix": (13.2, {}),
    "hedge.rich_vix": (16.0, {}),
    "hedge.theta_sessions": (5, {}),
    "hedge.vxth_delta": (0.15, {}),
    "hedge.vxth_bands": (((15.0, 0.005), (30.0, 0.02), (50.0, 0.01)), {}),
    "odds.touch_first_guess": (3.0, {}),
    "odds.ev_quantile": (3.0, {}),
    "refusal.model_days": (10, {}),
    "refusal.novelty": (False, {}),
}  # fmt: skip
MONITOR = {f"monitor.{name}" for name in MonitorSettings.model_fields}
BACKTEST = {"costs.vix_slippage"}  # what the back-test's desk pays beyond the mark


def test_no_key_is_left_out() -> None:
    assert set(leaves(ServingSettings)) == set(CHANGED) | MONITOR | BACKTEST


@cache
def usual(name: str, settings: str) -> dict[str, Any]:
    return ticket_of(name, ServingSettings.model_validate_json(settings))


def differs(settings: ServingSettings, other: ServingSettings, **change: Any) -> bool:
    known = settings.model_dump_json()
    return any(
        (ticket_of(name, settings, **change) if change else usual(name, known))
        != ticket_of(name, other, **change)
        for name in SCENES
    )


@pytest.mark.parametrize("key", sorted(set(CHANGED) - {"hedge.layers", "refusal.novelty"}))
def test_a_changed_key_changes_a_ticket(key: str) -> None:
    value, given = CHANGED[key]
    base = changed(ServingSettings(), given)
    assert differs(base, changed(base, {key: value})), key


def test_the_novelty_refusal_can_be_switched_off() -> None:
    off = changed(ServingSettings(), {"refusal.novelty": False})
    assert differs(ServingSettings(), off, novelty=3.0)
    assert ticket_of("calm", ServingSettings(), novelty=3.0)["refusals"][0]["id"] == (
        "REFUSE_NOVELTY"
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [("dte", 60), ("contracts", 6), ("delta", 0.3), ("roll_at", 2), ("beta", 0.9)],
)
def test_each_number_of_a_layer_matters(field: str, value: float) -> None:
    layer = 1 if field == "roll_at" else 0
    if field == "roll_at":
        value = 70
    other = changed(ServingSettings(), {f"hedge.layers.{layer}.{field}": value})
    assert differs(ServingSettings(), other), field


def alarms_home(tmp: Any) -> Home:
    """A ledger whose forecast of 0.10 is right for 200 sessions, then wrong for 30."""
    home = Home(tmp)
    days = calendar().sessions("2022-01-03", "2023-06-01")[:230]
    rng = np.random.default_rng(6)
    hits = np.concatenate([rng.uniform(size=200) < 0.1, rng.uniform(size=30) < 0.9])
    head = {"head": "breach", "horizon": 1, "probability": 0.1, "prior": 0.1, "climatology": 0.1}
    with Ledger.of(home) as ledger:
        for day in days:
            ledger.record(
                kind="score", session=f"{day:%Y-%m-%d}", at="evening", model_version="m",
                inputs_hash="h", in_sample=False, document={"heads": [head]}, reason="", now="n",
            )  # fmt: skip
        rows = [
            (f"{d:%Y-%m-%d}", "breach", 1, int(y), "x") for d, y in zip(days, hits, strict=True)
        ]
        ledger.record_outcomes(rows, now="n")
    return home


def test_each_number_of_the_monitor_matters(home: Home, tmp_path: Any) -> None:
    read = set()
    quiet = alarms_home(tmp_path / "alarms")
    for key, value in (("adwin_delta", 1e-300), ("calibration_min", 301), ("live_sessions", 6)):
        told = calibration_alarms(quiet, "evening", MonitorSettings())
        assert told != calibration_alarms(quiet, "evening", MonitorSettings(**{key: value})), key
        read.add(f"monitor.{key}")
    assert told[0]["alarm"], "and the calibration that broke is alarmed"
    rng = np.random.default_rng(7)
    old = pd.DataFrame({f"f{i}": rng.normal(size=500) for i in range(3)})
    new = pd.DataFrame({f"f{i}": rng.normal(0.6 * i, size=80) for i in range(3)})
    before = drift_rows(old, new, MonitorSettings())
    assert [row["drifted"] for row in before] == [False, True, True]
    for key, value in (("psi_alarm", 9.0), ("psi_bins", 3), ("fdr", 1e-30)):
        assert drift_rows(old, new, MonitorSettings(**{key: value})) != before, key
        read.add(f"monitor.{key}")
    run_scores(home, calendar().sessions("2023-01-03", "2023-02-10"))
    counts = set()
    for sessions in (60, 250):
        text = f"[serving.monitor]\nreference_sessions = {sessions}\n"
        (home.root / "stormpetrel.toml").write_text(text, encoding="utf-8")
        drift = health(home, now=pd.Timestamp("2023-02-11", tz="UTC"))["drift"]
        counts.add(drift["reference_sessions"])
    assert len(counts) == 2
    assert read | {"monitor.reference_sessions"} == MONITOR
