"""Liquidation cascades where no event tape exists: hourly price with open interest, daily totals.

Both definitions are functions of the past alone. A cascade that lasts several bars is reported as
a series of *versions*, one for each of its bars, each saying what was known when that bar closed.
So the frame of a long history, cut at any moment with `as_known`, is the frame that a run at that
moment would have made.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.cascade_frame import CASCADE_COLUMNS, as_known, finish, need, one_value
from features.cascade_totals import FEED_BREAK, TotalsRule, daily_totals, feed_era
from features.errors import DataError
from features.price_oi import NORMAL_MEDIAN, Moves, PriceOiRule, Versions, moves
from features.price_oi import versions as find_versions

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


def _grids(bars: pd.DataFrame, open_interest: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Bars on consecutive hours, and open interest by hour."""
    need(bars, ["ts", "open", "high", "low", "close"], "bars")
    need(open_interest, ["ts", "open_interest"], "open_interest")
    grid = _hourly(bars, "bars")
    if open_interest.empty:
        return grid, pd.Series(dtype=float, index=grid.index[:0])
    return grid, _hourly(open_interest, "open_interest")["open_interest"]


def _moves(grid: pd.DataFrame, held: pd.Series) -> Moves:
    opened, high, low, close = (
        grid[name].to_numpy(dtype=float) for name in ("open", "high", "low", "close")
    )
    before = held.reindex(grid.index).to_numpy(dtype=float)
    after = held.reindex(grid.index + HOUR).to_numpy(dtype=float)
    return moves(opened, high, low, close, before, after)


def _window(values: pd.Series, rule: PriceOiRule) -> pd.api.typing.Rolling[pd.Series]:
    return values.rolling(rule.window_hours, min_periods=rule.min_hours)


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
    grid, held = _grids(bars, open_interest)
    if grid.empty:
        return pd.DataFrame(
            columns=["side", "move_bps", "move_sigmas", "oi_change_pct", "oi_change_usd",
                     "reversal_share", "severity", "move_threshold_bps", "oi_threshold_pct",
                     "cascade", "available_at"]
        )  # fmt: skip
    m = _moves(grid, held)
    move, change = pd.Series(m.move_bps, index=grid.index), pd.Series(m.oi_change_pct, grid.index)
    moves_before = _window(move, rule)
    sigma = _window(pd.Series(m.hourly, grid.index), rule).median().shift(1) / NORMAL_MEDIAN
    # the rank counts the bar itself; taking it out leaves the share of past bars that were smaller
    rank = moves_before.rank(method="min")
    count = moves_before.count()
    move_floor = moves_before.quantile(rule.move_quantile).shift(1)
    oi_floor = _window(change, rule).quantile(rule.oi_quantile).shift(1)
    out = pd.DataFrame(
        {
            "side": np.where(m.falling, "long", "short"),
            "move_bps": move,
            "move_sigmas": m.size / sigma.where(sigma > 0),
            "oi_change_pct": change,
            "oi_change_usd": m.oi_change_usd,
            "reversal_share": m.reversal_share,
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
    grid, held = _grids(bars, open_interest)
    pieces = []
    if not grid.empty:
        pieces.append(
            _frame(pd.DatetimeIndex(grid.index), find_versions(_moves(grid, held), rule), base)
        )
    frame = finish(pieces, definition="price_oi", base=base, venue=venue)
    if versions or frame.empty:
        return frame
    return as_known(frame, None)


def _frame(hours: pd.DatetimeIndex, v: Versions, base: str) -> pd.DataFrame:
    side = np.where(v.long, "long", "short")
    start, closed = hours[v.start], hours[v.hour] + HOUR
    return pd.DataFrame(
        {
            "cascade_id": [
                f"price_oi:{base}:{s}:{t:%Y-%m-%dT%H}" for s, t in zip(side, start, strict=True)
            ],
            "version": v.version,
            "side": side,
            "start": start,
            "end": closed,
            "available_at": closed,
            "n_bars": v.version,
            "severity": v.severity,
            "move_bps": v.move_bps,
            "move_sigmas": v.move_sigmas,
            "oi_change_pct": v.oi_change_pct,
            "oi_change_usd": v.oi_change_usd,
            "reversal_share": v.reversal_share,
        }
    )
