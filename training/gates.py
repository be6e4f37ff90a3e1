"""The gates before promotion: each a question, an answer, and the numbers behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.scores import ece, ece_band, log_loss_rows
from training.evaluate import gain
from training.settings import TrainingSettings

__all__ = [
    "INTEGRITY_GATES",
    "Gate",
    "baseline_gate",
    "calibration_gate",
    "champion_gate",
    "data_gate",
    "features_gate",
    "look_ahead_gate",
    "stability_gate",
]

# A model that fails one of these must not serve at all, not even as a fallback.
INTEGRITY_GATES = ("look_ahead", "data", "features")


@dataclass(frozen=True)
class Gate:
    """One answer: the gate's name, whether it opened, and why in numbers."""

    gate: str
    passed: bool
    detail: str

    def to_json(self) -> dict[str, Any]:
        """Return the three fields under their contract names."""
        return asdict(self)


def baseline_gate(skill: pd.DataFrame, settings: TrainingSettings) -> Gate:
    """Open when every primary head beats its best baseline with the interval above 0.

    All of them must, so the chance that a model without skill gets through is at most that of a
    single head: half of what the interval leaves out.
    """
    rows = _primary(skill, settings)
    if len(rows) < len(settings.primary):
        missing = sorted(set(settings.primary) - set(rows["id"]))
        return Gate("beats_baseline", False, f"no out-of-sample rows for {', '.join(missing)}")
    parts = [
        f"{r.id} {r.gain:+.4f} [{r.gain_lo:+.4f}, {r.gain_hi:+.4f}] over {r.best_baseline}"
        for r in rows.itertuples()
    ]
    return Gate("beats_baseline", bool((rows["gain_lo"] > 0.0).all()), "; ".join(parts))


def champion_gate(
    oos: pd.DataFrame,
    champion_oos: pd.DataFrame | None,
    settings: TrainingSettings,
    *,
    champion: str | None = None,
    champion_is_fallback: bool = False,
) -> Gate:
    """Open when the challenger is not worse than the champion on rows that both have forecast.

    Closed when, on the primary heads, the mean gain over the champion is below minus the
    tolerance, or its whole interval is below 0. A fallback champion is judged by its prior.
    """
    if champion_oos is None:
        why = "no champion yet" if champion is None else f"{champion} left no out-of-sample rows"
        return Gate("beats_champion", True, why)
    answer = "prior" if champion_is_fallback else "p"
    keys = ["session", "at", "head", "horizon"]
    theirs = champion_oos[[*keys, answer]].rename(columns={answer: "p_champion"})
    common = oos.merge(theirs, on=keys, how="inner")
    passed, parts = True, []
    for name, rows in _primary_rows(common, settings):
        if rows.empty:
            return Gate("beats_champion", False, f"{name}: no common out-of-sample rows")
        y = rows["y"].to_numpy(dtype=float)
        won = gain(
            log_loss_rows(y, rows["p_champion"].to_numpy(dtype=float)),
            log_loss_rows(y, rows["p"].to_numpy(dtype=float)),
            log_loss_rows(y, rows["climatology"].to_numpy(dtype=float)),
            horizon=int(rows["horizon"].iloc[0]),
            settings=settings,
        )
        passed &= won.mean >= -settings.champion_tolerance and won.hi >= 0.0
        parts.append(f"{name} {won.mean:+.4f} [{won.lo:+.4f}, {won.hi:+.4f}] on {len(rows)} rows")
    return Gate("beats_champion", passed, f"against {champion}: {'; '.join(parts)}")


def calibration_gate(oos: pd.DataFrame, settings: TrainingSettings) -> Gate:
    """Open when every primary head is calibrated.

    Calibrated is an error at or below the horizon's limit, or one that a perfectly calibrated
    forecast with the same overlap would show in nine of ten histories. The other heads are named
    where they are not, without closing the gate.
    """
    passed, parts, others = True, [], []
    for (at, head, horizon), rows in oos.groupby(["at", "head", "horizon"], sort=False):
        y, p = rows["y"].to_numpy(dtype=float), rows["p"].to_numpy(dtype=float)
        steps = int(str(horizon))
        error, limit = ece(y, p), settings.ece_limits.get(steps, 0.05)
        high = limit
        if error > limit:
            high = max(limit, ece_band(p, horizon=steps, seed=settings.seed)[1])
        good, name = error <= high, f"{head}_{horizon}"
        if at == "evening" and name in settings.primary:
            passed &= good
            parts.append(f"{name} {error:.4f} (limit {high:.4f})")
        elif not good:
            others.append(f"{at} {name} {error:.4f} (limit {high:.4f})")
    detail = "; ".join(parts) or "no primary head was scored"
    if others:
        detail += f"; also outside, not gating: {', '.join(others)}"
    return Gate("calibration", passed and bool(parts), detail)


def look_ahead_gate(differences: Sequence[str], *, checked: str) -> Gate:
    """Open when no feature changed after the future was cut away."""
    if differences:
        return Gate("look_ahead", False, f"{len(differences)} differ: {', '.join(differences[:5])}")
    return Gate("look_ahead", True, checked)


def data_gate(spine: pd.DataFrame, until: pd.Timestamp, settings: TrainingSettings) -> Gate:
    """Open when the last closes are those of `until` and none is missing in the recent past."""
    last = spine.index.max()
    if last != until:
        return Gate("data", False, f"last SPX close {last:%Y-%m-%d}, expected {until:%Y-%m-%d}")
    recent = spine[["spx_close", "vix_close"]].tail(settings.unbroken_sessions)
    holes = recent.index[recent.isna().any(axis=1)]
    if len(holes):
        named = ", ".join(f"{day:%Y-%m-%d}" for day in holes[:5])
        return Gate("data", False, f"{len(holes)} of the last {len(recent)} closes miss: {named}")
    return Gate("data", True, f"closes unbroken over {len(recent)} sessions to {until:%Y-%m-%d}")


def features_gate(names: Sequence[str], catalogue: Sequence[str]) -> Gate:
    """Open when serving's catalogue has every feature of the model."""
    missing = sorted(set(names) - set(catalogue))
    if missing:
        detail = f"{len(missing)} features unknown to serving: {', '.join(missing[:5])}"
        return Gate("features", False, detail)
    return Gate("features", True, f"{len(names)} features, all in the catalogue")


def stability_gate(old: pd.DataFrame | None, new: pd.DataFrame, settings: TrainingSettings) -> Gate:
    """Open when the same features matter as before.

    Parameters
    ----------
    old, new : DataFrame, shape (features, primary heads)
        Mean absolute contribution in log odds over the same recent sessions.
    """
    if old is None:
        return Gate("explanations", True, "no champion yet")
    passed, parts = True, []
    for name in [c for c in new.columns if c in old.columns]:
        both = pd.concat([old[name], new[name]], axis=1).fillna(0.0)
        both = both[(both != 0.0).any(axis=1)]
        if len(both) < 3:
            parts.append(f"{name} too few reasons to rank")
            continue
        ranks = both.rank().to_numpy()
        rho = float(np.corrcoef(ranks[:, 0], ranks[:, 1])[0, 1])
        passed &= rho >= settings.stability_floor
        parts.append(f"{name} rank correlation {rho:.2f} (floor {settings.stability_floor:.2f})")
    return Gate("explanations", passed, "; ".join(parts) or "no common head to compare")


def _primary(skill: pd.DataFrame, settings: TrainingSettings) -> pd.DataFrame:
    ids = skill["head"] + "_" + skill["horizon"].astype(str)
    wanted = (skill["at"] == "evening") & ids.isin(settings.primary)
    return skill.assign(id=ids)[wanted]


def _primary_rows(oos: pd.DataFrame, settings: TrainingSettings) -> list[tuple[str, pd.DataFrame]]:
    ids = oos["head"].astype(str) + "_" + oos["horizon"].astype(str)
    evening = oos["at"] == "evening"
    return [(name, oos[evening & (ids == name)]) for name in settings.primary]
