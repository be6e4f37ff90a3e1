"""The one shape of a cascade, whichever definition found it."""

from __future__ import annotations

import pandas as pd

from features.errors import DataError

__all__ = ["CASCADE_COLUMNS", "STAMP", "as_known", "finish", "need", "one_value"]

STAMP = "datetime64[us, UTC]"

CASCADE_COLUMNS: dict[str, str] = {
    "cascade_id": "str",
    "version": "int64",
    "definition": "str",
    "base": "str",
    "venue": "str",
    "side": "str",
    "start": STAMP,
    "end": STAMP,
    "available_at": STAMP,
    "n_bars": "int64",
    "notional_usd": "float64",
    "long_usd": "float64",
    "short_usd": "float64",
    "imbalance": "float64",
    "one_sidedness": "float64",
    "severity": "float64",
    "z": "float64",
    "move_bps": "float64",
    "move_sigmas": "float64",
    "oi_change_pct": "float64",
    "oi_change_usd": "float64",
    "reversal_share": "float64",
    "feed_era": "str",
    "throttled": "bool",
}


def need(frame: pd.DataFrame, columns: list[str], what: str) -> None:
    """Refuse a frame without these columns."""
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        raise DataError(f"{what} lacks {missing}. Expected the columns {columns}.")


def one_value(frame: pd.DataFrame, column: str, what: str) -> str:
    """Return the single value of a column, or an empty text where there is no such column."""
    if column not in frame.columns or frame.empty:
        return ""
    values = frame[column].unique()
    if len(values) != 1:
        raise DataError(
            f"{what} mixes {column} {sorted(map(str, values))}. Expected one; pass each on its own."
        )
    return str(values[0])


def as_known(versions: pd.DataFrame, cutoff: pd.Timestamp | None) -> pd.DataFrame:
    """Keep, of every cascade, the newest version that was available at `cutoff` (None: of all)."""
    seen = versions if cutoff is None else versions[versions["available_at"] <= cutoff]
    return seen.drop_duplicates("cascade_id", keep="last").reset_index(drop=True)


def finish(
    pieces: list[pd.DataFrame], *, definition: str, base: str | None, venue: str
) -> pd.DataFrame:
    """Put pieces into one frame with every canonical column and dtype."""
    kept = [p for p in pieces if len(p)]
    frame = pd.concat(kept, ignore_index=True) if kept else pd.DataFrame()
    frame["definition"] = definition
    frame["venue"] = venue
    if base is not None:
        frame["base"] = base
    if "feed_era" not in frame:
        frame["feed_era"] = ""
    if "throttled" not in frame:
        frame["throttled"] = False
    out = frame.reindex(columns=list(CASCADE_COLUMNS))
    out = out.astype(CASCADE_COLUMNS)
    return out.sort_values(["available_at", "cascade_id", "version"]).reset_index(drop=True)
