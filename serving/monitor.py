"""Whether to trust tonight's number: age of model and data, drift, calibration, in one document."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from features.errors import DataError, RefusedError
from features.home import Home
from features.sessions import calendar
from serving.alarms import calibration_alarms, drift_rows
from serving.champion import load_champion
from serving.documents import forecast
from serving.evidence import Evidence, gather, open_store
from serving.ledger import Ledger
from serving.pushes import pushes_by_name
from serving.settings import MonitorSettings, ServingSettings, load_settings

if TYPE_CHECKING:
    from models.bundle import Bundle

__all__ = ["health", "health_path", "scored_at", "write_health"]

Progress = Callable[[float, str], None]

_REFERENCE_STEP = 5  # reference forecasts are made every fifth session: they are persistent anyway


def health(
    home: Home,
    *,
    at: str = "evening",
    now: pd.Timestamp,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Judge the state of a home.

    Parameters
    ----------
    home : Home
    at : str
        Moment whose forecasts are judged.
    now : pd.Timestamp
        UTC.
    progress : callable, optional

    Returns
    -------
    dict
        ``trust`` is ``yes``, ``caution`` or ``no``, with ``reasons``; and the sections
        ``model``, ``data``, ``drift``, ``calibration``, ``last``.

    Notes
    -----
    ``no`` is what would make the ticket refuse; ``caution`` is drift, a calibration alarm, a
    fallback model or a missed day.
    """
    settings = load_settings(home)
    reasons: dict[str, list[str]] = {"no": [], "caution": []}
    due = calendar().last_closed(now)
    data = _data(home, due, reasons)
    last = _last(home, at, due, reasons)
    try:
        bundle = load_champion(home)
    except (RefusedError, DataError) as error:
        reasons["no"].append(str(error))
        return _verdict(
            reasons, now, model=None, data=data, drift=None, calibration=None, last=last
        )
    model = _model(bundle, due, settings, reasons)
    drift = calibration = None
    if data["spx_last"] is not None:
        drift = _drift(home, bundle, at, settings.monitor, reasons, progress)
        calibration = calibration_alarms(home, at, settings.monitor)
        reasons["caution"] += [
            f"calibration alarm: {row['head']} {row['horizon']} at {row['last_alarm']}"
            for row in calibration
            if row["alarm"]
        ]
    return _verdict(
        reasons, now, model=model, data=data, drift=drift, calibration=calibration, last=last
    )


def health_path(home: Home) -> Path:
    """File that a user's monitoring reads."""
    return home.scores / "health.json"


def scored_at(home: Home) -> dict[pd.Timestamp, pd.Timestamp]:
    """When each session's evening was first scored (UTC)."""
    with Ledger.of(home) as ledger:
        found = ledger.recorded_at("score", "evening")
    return {pd.Timestamp(session): pd.Timestamp(when) for session, when in found.items()}


def write_health(home: Home, document: Mapping[str, Any]) -> Path:
    """Write the health document beside the ledger, whole or not at all."""
    path = health_path(home)
    home.writable(path.parent)
    beside = path.with_suffix(".json.tmp")
    with beside.open("w", encoding="utf-8") as stream:
        json.dump(document, stream, indent=1, allow_nan=False)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(path)
    return path


def _data(home: Home, due: pd.Timestamp, reasons: dict[str, list[str]]) -> dict[str, Any]:
    out: dict[str, Any] = {"due": f"{due:%Y-%m-%d}", "spx_last": None, "vix_last": None}
    try:
        store = open_store(home)
    except DataError as error:
        reasons["no"].append(str(error))
        return out
    spx = store.read("spx_bars", columns=["close"])
    vix = store.read("vol_indices", columns=["close"], where={"symbol": "vix"})
    for name, frame in (("spx", spx), ("vix", vix)):
        known = frame.dropna(subset=["close"])
        if known.empty:
            reasons["no"].append(f"no {name.upper()} close is stored")
            continue
        last = pd.Timestamp(known["date"].max())
        out[f"{name}_last"] = f"{last:%Y-%m-%d}"
        lag = calendar().count(last, due) - 1 if last < due else 0
        if lag:
            reasons["no"].append(f"{name.upper()} close is {lag} sessions old")
    return out


def _model(
    bundle: Bundle, due: pd.Timestamp, settings: ServingSettings, reasons: dict[str, list[str]]
) -> dict[str, Any]:
    age = (due - pd.Timestamp(bundle.until)).days
    if age > settings.refusal.model_days:
        reasons["no"].append(f"the model is {age} days old, at most {settings.refusal.model_days}")
    if bundle.fallback:
        reasons["caution"].append("the model is a fallback: it answers with the path prior")
    return {
        "model_version": bundle.model_version,
        "until": bundle.until,
        "age_days": age,
        "fallback": bundle.fallback,
    }


def _last(home: Home, at: str, due: pd.Timestamp, reasons: dict[str, list[str]]) -> dict[str, Any]:
    with Ledger.of(home) as ledger:
        seen = ledger.last_session("score", at)
        ticket = ledger.last_session("ticket", at)
    if seen is None:
        reasons["caution"].append(f"nothing was scored at {at} yet")
    elif pd.Timestamp(seen) < due:
        missed = calendar().count(pd.Timestamp(seen), due) - 1
        reasons["caution"].append(f"{missed} sessions since {seen} were not scored")
    return {"score": seen, "ticket": ticket, "at": at}


def _drift(
    home: Home,
    bundle: Bundle,
    at: str,
    settings: MonitorSettings,
    reasons: dict[str, list[str]],
    progress: Progress | None,
) -> dict[str, Any] | None:
    with Ledger.of(home) as ledger:
        entries = [e for e in ledger.entries("score", at=at, first_only=True) if not e.in_sample]
    recent = entries[-settings.live_sessions :]
    if len(recent) < settings.live_sessions // 3:
        return None
    live = _tables([entry.body for entry in recent])
    until = pd.Timestamp(bundle.until)
    days = calendar().sessions(
        until - pd.Timedelta(days=settings.reference_sessions * 7 // 5), until
    )
    try:
        found = gather(home, days[::_REFERENCE_STEP], at, progress=progress).evidence
    except DataError:
        return None
    old = _tables(forecast(bundle, found, at))
    sessions = pd.DatetimeIndex([entry.session for entry in recent])
    now = gather(home, sessions, at).evidence
    names = list(bundle.manifest["feature_names"].get(at, []))
    features = drift_rows(_features(found, names), _features(now, names), settings)
    probabilities = drift_rows(old["p"], live["p"].reindex(columns=old["p"].columns), settings)
    shared = old["why"].reindex(columns=sorted(set(old["why"]) | set(live["why"])), fill_value=0.0)
    why = drift_rows(shared, live["why"].reindex(columns=shared.columns, fill_value=0.0), settings)
    sections = {"features": features, "probabilities": probabilities, "reasons": why}
    for name, rows in sections.items():
        moved = [row["name"] for row in rows if row["drifted"]]
        if moved:
            reasons["caution"].append(f"drift in {len(moved)} {name}: {', '.join(moved[:3])}")
    return {
        "live_sessions": len(recent),
        "reference_sessions": len(found),
        **{
            name: {
                "tested": len(rows),
                "drifted": [row for row in rows if row["drifted"]],
            }
            for name, rows in sections.items()
        },
    }


def _features(evidence: list[Evidence], names: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame([item.features for item in evidence])
    return frame.reindex(columns=names)


def _tables(documents: list[dict[str, Any]]) -> dict[str, pd.DataFrame]:
    """Probabilities by head, and the push of each feature on the heads' mean."""
    p = [{f"{h['head']}_{h['horizon']}": h["probability"] for h in d["heads"]} for d in documents]
    why: list[dict[str, float]] = []
    for document in documents:
        total: dict[str, float] = {}
        for head in document["heads"]:
            for name, push in pushes_by_name(head["contributions"]).items():
                total[name] = total.get(name, 0.0) + push
        why.append(total)
    return {"p": pd.DataFrame(p, dtype=float), "why": pd.DataFrame(why).fillna(0.0)}


def _verdict(reasons: dict[str, list[str]], now: pd.Timestamp, **sections: Any) -> dict[str, Any]:
    trust = "no" if reasons["no"] else ("caution" if reasons["caution"] else "yes")
    return {
        "trust": trust,
        "reasons": [*reasons["no"], *reasons["caution"]],
        "checked_at": now.isoformat(),
        **sections,
    }
