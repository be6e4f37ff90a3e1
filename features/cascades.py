"""Liquidation cascades where no event tape exists: hourly price with open interest, daily totals.

Both definitions are functions of the past alone. A cascade that lasts several bars is reported as
a series of *versions*, one for each of its bars, each saying what was known when that bar closed.
So the frame of a long history, cut at any moment with `as_known`, is the frame that a run at that
moment would have made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.cascade_frame import CASCADE_COLUMNS, as_known, finish, need, one_value
from features.cascade_totals import FEED_BREAK, TotalsRule, daily_totals, feed_era
from features.errors import DataError

__all__ = [
    "CASCADE_COLUMNS",
    "FEED_BREAK",
    "PriceOiRule",
    "TotalsRule",
    "as_known",
    "daily_totals",
    "feed_era",
    "price_oi",
    "price_oi_bars",
]

HOUR = pd.Timedelta(hours=1)


@dataclass(frozen=True)
class PriceOiRule:
    """When an hourly bar is a cascade bar, and when two of them are one cascade.

    Parameters
    ----------
    min_move_bps : float
        Absolute floor of the excursion from the open: a quantile alone picks noise in quiet months.
    move_quantile : float
        The excursion must also reach this quantile of the trailing window.
    max_oi_change_pct : float
        Open interest must fall at least this much (a negative number), whatever the quantile says.
    oi_quantile : float
        ... and lie at or under this quantile of its own trailing window.
    window_hours, min_hours : int
        Length of the trailing window, and how many bars it needs before anything is flagged.
    merge_hours : int
        Cascade bars of one side whose opens lie at most this far apart are one cascade.
    """

    min_move_bps: float = 150.0
    move_quantile: float = 0.98
    max_oi_change_pct: float = -2.0
    oi_quantile: float = 0.02
    window_hours: int = 90 * 24
    min_hours: int = 30 * 24
    merge_hours: int = 2


def _hourly(frame: pd.DataFrame, what: str) -> pd.DataFrame:
    """Index by hour on a full grid, so that a trailing window is a span of time."""
    out = frame.assign(ts=pd.to_datetime(frame["ts"], utc=True).dt.as_unit("us")).set_index("ts")
    out = out.sort_index()
    if out.index.has_duplicates:
        twice = out.index[out.index.duplicated()][0]
        raise DataError(f"{what} has {twice} twice. Expected one row an hour; deduplicate it.")
    if len(out) and (out.index.to_series().dt.floor("h") != out.index).any():
        raise DataError(f"{what} has stamps inside an hour. Expected the open of hourly bars.")
    if out.empty:
        return out
    return out.reindex(pd.date_range(out.index[0], out.index[-1], freq="h", unit="us", name="ts"))


def price_oi_bars(
    bars: pd.DataFrame, open_interest: pd.DataFrame, *, rule: PriceOiRule | None = None
) -> pd.DataFrame:
    """Measure every hourly bar and flag those that look like a cascade.

    Parameters
    ----------
    bars : DataFrame
        Hourly candles of one venue and base: ``ts`` (bar OPEN), ``open high low close``.
    open_interest : DataFrame
        ``ts`` (START of the bar), ``open_interest`` in base coin, one venue and base.
    rule : PriceOiRule, optional
        Thresholds.

    Returns
    -------
    DataFrame
        Indexed by bar open: ``side`` (the side the move hurts), ``move_bps`` (excursion from the
        open, positive), ``move_sigmas``, ``oi_change_pct``, ``oi_change_usd``,
        ``reversal_share``, ``severity``, ``move_threshold_bps``, ``oi_threshold_pct``,
        ``cascade`` (bool), ``available_at``.

    Raises
    ------
    DataError
        On missing columns, mixed keys, repeated or non-hourly stamps.

    Notes
    -----
    *Timing:* the bar opened at t is known at t + 1 h. Its open-interest change is
    ``OI[t+1h] / OI[t] - 1``, whose last figure is stamped, and known, at t + 1 h as well.
    Thresholds, sigma and severity use bars opened before t. Sigma is the median absolute hourly
    close-to-close return over 0.6745, so that it does not depend on how far back the file goes.
    """
    rule = rule or PriceOiRule()
    need(bars, ["ts", "open", "high", "low", "close"], "bars")
    need(open_interest, ["ts", "open_interest"], "open_interest")
    grid = _hourly(bars, "bars")
    if grid.empty:
        return pd.DataFrame(
            columns=["side", "move_bps", "move_sigmas", "oi_change_pct", "oi_change_usd",
                     "reversal_share", "severity", "move_threshold_bps", "oi_threshold_pct",
                     "cascade", "available_at"]
        )  # fmt: skip
    held = _hourly(open_interest, "open_interest")["open_interest"] if len(open_interest) else (
        pd.Series(dtype=float, index=grid.index[:0])
    )  # fmt: skip
    before = held.reindex(grid.index)
    after = pd.Series(held.reindex(grid.index + HOUR).to_numpy(), index=grid.index)
    change = (after / before.where(before > 0) - 1.0) * 100.0

    down = (1.0 - grid["low"] / grid["open"]) * 1e4
    up = (grid["high"] / grid["open"] - 1.0) * 1e4
    falling = down >= up
    move = down.where(falling, up)
    extreme = grid["low"].where(falling, grid["high"])
    span = (grid["open"] - extreme).abs()

    moves = move.rolling(rule.window_hours, min_periods=rule.min_hours)
    move_floor = moves.quantile(rule.move_quantile).shift(1)
    oi_floor = (
        change.rolling(rule.window_hours, min_periods=rule.min_hours)
        .quantile(rule.oi_quantile)
        .shift(1)
    )
    log_return = np.log(grid["close"]).diff().abs()
    sigma = (
        log_return.rolling(rule.window_hours, min_periods=rule.min_hours).median().shift(1) / 0.6745
    )
    # the rank counts the bar itself; taking it out leaves the share of past bars that were smaller
    rank = moves.rank(method="min")
    count = moves.count()
    out = pd.DataFrame(
        {
            "side": np.where(falling, "long", "short"),
            "move_bps": move,
            "move_sigmas": np.log1p(np.where(falling, -1, 1) * move / 1e4).abs()
            / sigma.where(sigma > 0),
            "oi_change_pct": change,
            "oi_change_usd": (after - before) * grid["close"],
            "reversal_share": (grid["close"] - extreme).abs() / span.where(span > 0),
            "severity": (rank - 1) / (count - 1).where(count > 1),
            "move_threshold_bps": move_floor.clip(lower=rule.min_move_bps),
            "oi_threshold_pct": oi_floor.clip(upper=rule.max_oi_change_pct),
        },
        index=grid.index,
    )
    out["cascade"] = (out["move_bps"] >= out["move_threshold_bps"]) & (
        out["oi_change_pct"] <= out["oi_threshold_pct"]
    )
    out["available_at"] = out.index.to_series() + HOUR
    return out[grid["open"].notna()]


def price_oi(
    bars: pd.DataFrame,
    open_interest: pd.DataFrame,
    *,
    rule: PriceOiRule | None = None,
    base: str | None = None,
    venue: str | None = None,
    versions: bool = False,
) -> pd.DataFrame:
    """Cascades from hourly price and open interest (definition ``price_oi``).

    Parameters
    ----------
    bars, open_interest, rule
        As for `price_oi_bars`.
    base, venue : str, optional
        Names for the output where `bars` has no such column.
    versions : bool
        One row for every bar of a cascade, saying what was known when that bar closed, instead of
        one row a cascade. A feature builder takes this and `as_known`.

    Returns
    -------
    DataFrame
        `CASCADE_COLUMNS`, sorted by ``available_at``. ``notional_usd`` is null: this definition
        sees no liquidation. ``oi_change_usd`` is the fall of the venue's own open interest, a
        noisy proxy (liquidations plus voluntary exits minus entries).

    Notes
    -----
    *Timing:* a row uses bars opened before ``available_at`` only; ``available_at`` is the close
    of the newest bar it counts. `rule.merge_hours` joins bars backwards, never forwards.
    """
    rule = rule or PriceOiRule()
    base = base or one_value(bars, "base", "bars")
    venue = venue or one_value(bars, "venue", "bars")
    measured = price_oi_bars(bars, open_interest, rule=rule)
    found = measured[measured["cascade"].astype(bool)] if len(measured) else measured
    pieces: list[pd.DataFrame] = []
    for side in ("long", "short"):
        part = found[found["side"] == side]
        if part.empty:
            continue
        opened = part.index.to_series()
        gap = opened.diff()
        group = (gap.isna() | (gap > rule.merge_hours * HOUR)).cumsum()
        start = opened.groupby(group).transform("first")
        # the largest excursion stands for the cascade; its neighbours keep their own versions
        by = part.groupby(group)
        kept = 1.0 + part["oi_change_pct"] / 100.0
        piece = pd.DataFrame(
            {
                "cascade_id": [f"price_oi:{base}:{side}:{t:%Y-%m-%dT%H}" for t in start],
                "version": by.cumcount() + 1,
                "side": side,
                "start": start,
                "end": opened + HOUR,
                "available_at": part["available_at"],
                "n_bars": by.cumcount() + 1,
                "severity": by["severity"].cummax(),
                "move_bps": by["move_bps"].cummax(),
                "move_sigmas": by["move_sigmas"].cummax(),
                "oi_change_pct": (kept.groupby(group).cumprod() - 1.0) * 100.0,
                "oi_change_usd": by["oi_change_usd"].cumsum(),
                "reversal_share": part["reversal_share"],
            }
        )
        pieces.append(piece)
    frame = finish(pieces, definition="price_oi", base=base, venue=venue)
    if versions or frame.empty:
        return frame
    return as_known(frame, None)
