"""What the market did around a cascade: price move, reversal, open interest, funding.

These attributes look at candles after the cascade began and partly after it ended. Each column
that does says so, and `aftermath_known_at` is when the last of them could be known: a feature may
use a row only from then on.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.cascade_frame import need

__all__ = ["REVERSAL_MINUTES", "around"]

REVERSAL_MINUTES = (5, 15, 60)
SIGMA_BARS = 720
# open interest is published some minutes after its stamp
INTEREST_DELAY_US = 5 * 60_000_000


def around(
    cascades: pd.DataFrame,
    *,
    bars: pd.DataFrame | None = None,
    open_interest: pd.DataFrame | None = None,
    funding: pd.DataFrame | None = None,
    bar_minutes: int = 60,
) -> pd.DataFrame:
    """Add what the market did around each cascade of ONE coin.

    Parameters
    ----------
    cascades : DataFrame
        ``start``, ``end``, ``side``, ``available_at``.
    bars : DataFrame, optional
        Candles of one venue: ``ts`` (OPEN), ``open high low close``, every `bar_minutes`.
    open_interest : DataFrame, optional
        ``ts`` (START of its bar), ``open_interest`` of one venue.
    funding : DataFrame, optional
        ``ts`` (settlement), ``rate`` of one venue.

    Returns
    -------
    DataFrame
        The index of `cascades` with ``move_bps`` (worst price from the start's last close, positive
        against the side; over the bars that the cascade touches), ``move_sigmas`` (in robust
        standard deviations of the 720 bars before), ``reversal_5m``, ``reversal_15m``,
        ``reversal_60m`` (share of the move taken back; null where the bars are too coarse to have
        closed in between), ``oi_change_pct`` (from the last figure at the start to the first at
        or after the end), ``funding_before``, ``funding_after``, ``aftermath_known_at``.
        Null wherever the data do not reach.
    """
    out = pd.DataFrame(index=cascades.index)
    bar = pd.Timedelta(minutes=bar_minutes)
    known = [cascades["available_at"]]
    if bars is not None and len(bars):
        need(bars, ["ts", "open", "high", "low", "close"], "bars")
        known.append(_price(out, cascades, bars.sort_values("ts"), bar))
    else:
        for name in ("move_bps", "move_sigmas", *(f"reversal_{m}m" for m in REVERSAL_MINUTES)):
            out[name] = np.nan
    known.append(_interest(out, cascades, open_interest, bar))
    known.append(_funding(out, cascades, funding))
    out["aftermath_known_at"] = pd.concat(known, axis=1).max(axis=1).dt.as_unit("us")
    return out


def _stamps(values: pd.Series) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return pd.DatetimeIndex(values).as_unit("us").asi8


def _pick(values: pd.Series, place: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Take values at places, null where a place is not valid."""
    if values.empty:
        return np.full(len(place), np.nan)
    inside = valid & (place >= 0) & (place < len(values))
    taken = values.to_numpy(dtype=float)[np.clip(place, 0, len(values) - 1)]
    return np.where(inside, taken, np.nan)


def _price(
    out: pd.DataFrame, cascades: pd.DataFrame, bars: pd.DataFrame, bar: pd.Timedelta
) -> pd.Series:
    opened = _stamps(bars["ts"])
    width = int(bar / pd.Timedelta(microseconds=1))
    start, end = _stamps(cascades["start"]), _stamps(cascades["end"])
    first = np.searchsorted(opened, start, side="right") - 1
    last = np.searchsorted(opened, end, side="left") - 1
    last = np.maximum(last, first)
    touched = (first >= 0) & (start < opened[np.clip(first, 0, None)] + width)
    low, high = bars["low"].to_numpy(), bars["high"].to_numpy()
    # inside its first bar the price at the start is unknown: the bar's open stands for it
    before = _pick(bars["open"], first, touched)
    worst = np.full(len(cascades), np.nan)
    long_side = (cascades["side"] == "long").to_numpy()
    for i in np.flatnonzero(touched):
        span = slice(first[i], last[i] + 1)
        worst[i] = low[span].min() if long_side[i] else high[span].max()
    sign = np.where(long_side, -1.0, 1.0)
    move = sign * (worst / before - 1.0)
    out["move_bps"] = move * 1e4
    change = np.log(bars["close"]).diff().abs()
    sigma = change.rolling(SIGMA_BARS, min_periods=SIGMA_BARS // 3).median().shift(1) / 0.6745
    spread = _pick(sigma, first, touched)
    with np.errstate(divide="ignore", invalid="ignore"):
        out["move_sigmas"] = np.abs(np.log(worst / before)) / np.where(spread > 0, spread, np.nan)
        for minutes in REVERSAL_MINUTES:
            until = end + minutes * 60_000_000
            # the newest bar that has closed by then, provided it closed after the cascade's end
            place = np.searchsorted(opened, until - width, side="right") - 1
            closes = opened[np.clip(place, 0, None)] + width
            valid = touched & (place >= 0) & (closes > end) & (move > 0)
            back = sign * (worst - _pick(bars["close"], place, valid))
            out[f"reversal_{minutes}m"] = back / np.abs(worst - before)
    reach = end + (60 * 60_000_000 if len(cascades) else 0)
    return pd.Series(pd.to_datetime(reach, unit="us", utc=True), index=cascades.index)


def _interest(
    out: pd.DataFrame,
    cascades: pd.DataFrame,
    open_interest: pd.DataFrame | None,
    bar: pd.Timedelta,
) -> pd.Series:
    if open_interest is None or open_interest.empty:
        out["oi_change_pct"] = np.nan
        return cascades["available_at"]
    rows = open_interest.sort_values("ts")
    stamped = _stamps(rows["ts"])
    width = int(bar / pd.Timedelta(microseconds=1))
    start, end = _stamps(cascades["start"]), _stamps(cascades["end"])
    first = np.searchsorted(stamped, start, side="right") - 1
    last = np.searchsorted(stamped, end, side="left")
    fresh = (first >= 0) & (start - stamped[np.clip(first, 0, None)] < width)
    safe = np.clip(last, 0, len(stamped) - 1)
    near = (last < len(stamped)) & (stamped[safe] - end <= width)
    before = _pick(rows["open_interest"], first, fresh)
    after = _pick(rows["open_interest"], last, near)
    with np.errstate(divide="ignore", invalid="ignore"):
        out["oi_change_pct"] = (after / np.where(before > 0, before, np.nan) - 1.0) * 100.0
    reach = np.where(near, stamped[safe] + INTEREST_DELAY_US, end)
    return pd.Series(pd.to_datetime(reach, unit="us", utc=True), index=cascades.index)


def _funding(out: pd.DataFrame, cascades: pd.DataFrame, funding: pd.DataFrame | None) -> pd.Series:
    if funding is None or funding.empty:
        out["funding_before"] = out["funding_after"] = np.nan
        return cascades["available_at"]
    rows = funding.sort_values("ts")
    settled = _stamps(rows["ts"])
    start, end = _stamps(cascades["start"]), _stamps(cascades["end"])
    day = 86_400_000_000
    first = np.searchsorted(settled, start, side="right") - 1
    last = np.searchsorted(settled, end, side="left")
    safe = np.clip(last, 0, len(settled) - 1)
    near = (last < len(settled)) & (settled[safe] - end <= day)
    recent = (first >= 0) & (start - settled[np.clip(first, 0, None)] <= day)
    out["funding_before"] = _pick(rows["rate"], first, recent)
    out["funding_after"] = _pick(rows["rate"], last, near)
    reach = np.where(near, settled[safe], end)
    return pd.Series(pd.to_datetime(reach, unit="us", utc=True), index=cascades.index)
