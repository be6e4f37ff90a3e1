"""What followed cascades, against days that looked the same on the VIX and the day's return.

A look back, not a forecast: events and controls are chosen by what was known at the evening
cut-off, outcomes by what came. Events that follow one another closely count once.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["STUDY_COLUMNS", "cascade_sessions", "event_study", "independent", "match_controls"]

STUDY_COLUMNS = ("outcome", "horizon", "events", "unmatched", "effect", "effect_lo", "effect_hi")
Z_DAY = 2.0
QUIET_SESSIONS = 5
CONTROLS = 3
CALIPER_SD = 0.5
HORIZONS = (1, 2, 5, 10, 21)
MIN_EVENTS = 10
DRAWS = 2000


def cascade_sessions(features: pd.DataFrame) -> pd.Series:
    """Sessions whose evening knows of a cascade within a day; null where nothing could be known.

    Parameters
    ----------
    features : DataFrame
        Evening rows. A cascade began within a day by hourly price and open interest
        (``*_casc_since`` below 1), or the day's totals stood 2 sd above their norm.
    """
    names = [n for n in ("btc_casc_since", "eth_casc_since", "all_liq_day_z") if n in features]
    if not names:
        return pd.Series(np.nan, index=features.index)
    told = features[names]
    since = [n for n in names if n.endswith("_since")]
    happened = (told[since] < 1.0).any(axis=1)
    if "all_liq_day_z" in told:
        happened |= told["all_liq_day_z"] >= Z_DAY
    return happened.astype(float).where(told.notna().any(axis=1))


def independent(event: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Positions of events with a quiet time before them, and of sessions that may be controls.

    Returns
    -------
    (events, quiet) : tuple of ndarray of int
        `quiet` sessions have no event on them nor in the 5 sessions on either side.
    """
    marks = (event == 1.0).to_numpy()
    known = event.notna().to_numpy()
    n = len(marks)
    before = np.array([marks[max(0, i - QUIET_SESSIONS) : i].any() for i in range(n)], dtype=bool)
    after = np.array([marks[i + 1 : i + 1 + QUIET_SESSIONS].any() for i in range(n)], dtype=bool)
    return np.flatnonzero(marks & ~before), np.flatnonzero(known & ~marks & ~before & ~after)


def match_controls(
    events: np.ndarray, quiet: np.ndarray, traits: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest quiet sessions of each event.

    Parameters
    ----------
    events, quiet : ndarray of int
        Positions.
    traits : ndarray, shape (sessions, k)
        What is matched on; scaled by its spread over the quiet sessions.

    Returns
    -------
    (kept, controls) : tuple of ndarray
        Events with three controls within half a spread on every trait, and those controls,
        shape (kept, 3).
    """
    spread = traits[quiet].std(axis=0)
    kept, chosen = [], []
    for event in events:
        apart = np.abs(traits[quiet] - traits[event]) / spread
        near = np.flatnonzero((apart <= CALIPER_SD).all(axis=1))
        if near.size >= CONTROLS:
            order = np.argsort((apart[near] ** 2).sum(axis=1), kind="stable")[:CONTROLS]
            kept.append(int(event))
            chosen.append(quiet[near[order]])
    return np.array(kept, int), np.array(chosen, int).reshape(-1, CONTROLS)


def event_study(features: pd.DataFrame, spine: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Compare what followed cascades with what followed their controls.

    Parameters
    ----------
    features : DataFrame
        Evening rows.
    spine : DataFrame
        SPX and VIX closes by session.

    Returns
    -------
    DataFrame
        `STUDY_COLUMNS` for `vix_change_pct` and `spx_return_pct` (log points in percent from the
        event's close) at 1 to 21 sessions: mean difference to the controls and its 90 % bootstrap
        interval over events. Empty where fewer than ten events have controls.
    """
    index = features.index
    closes = spine.loc[index, ["vix_close", "spx_close"]]
    log_vix, log_spx = (np.log(closes[c].to_numpy(float)) for c in ("vix_close", "spx_close"))
    day = np.append(np.nan, np.diff(log_spx))
    event = cascade_sessions(features).where(np.isfinite(day) & np.isfinite(log_vix))
    events, quiet = independent(event)
    if events.size < MIN_EVENTS or quiet.size < MIN_EVENTS:
        return pd.DataFrame(columns=list(STUDY_COLUMNS))
    kept, controls = match_controls(events, quiet, np.column_stack([log_vix, day]))
    rng = np.random.default_rng(seed)
    records = []
    for outcome, path in (("vix_change_pct", log_vix), ("spx_return_pct", log_spx)):
        for horizon in HORIZONS:
            inside = (kept + horizon < len(path)) & (controls + horizon < len(path)).all(axis=1)
            if inside.sum() < MIN_EVENTS:
                continue
            own = _ahead(path, kept[inside], horizon)
            theirs = _ahead(path, controls[inside], horizon).mean(axis=1)
            apart = 100.0 * (own - theirs)
            apart = apart[np.isfinite(apart)]
            drawn = apart[rng.integers(0, apart.size, (DRAWS, apart.size))].mean(axis=1)
            low, high = np.quantile(drawn, [0.05, 0.95])
            records.append(
                {
                    "outcome": outcome,
                    "horizon": horizon,
                    "events": int(apart.size),
                    "unmatched": int(events.size - kept.size),
                    "effect": float(apart.mean()),
                    "effect_lo": float(low),
                    "effect_hi": float(high),
                }
            )
    return pd.DataFrame(records, columns=list(STUDY_COLUMNS))


def _ahead(path: np.ndarray, at: np.ndarray, horizon: int) -> np.ndarray:
    return np.asarray(path[at + horizon] - path[at])
