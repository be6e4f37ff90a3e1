"""Engineered or organic: a score with visible components, never a claim about anybody.

There is no public ground truth for centralised venues. The score is the mean of the weak signals
that the data at hand support, each between 0 and 1 and shown beside it; the more there are, the
more it is worth (`engineered_signals` counts them). On chain three classes can be told apart:
``triggered`` (a transaction that moved the price it then liquidated at), ``extracted`` (somebody
captured the value of an organic liquidation) and ``plain``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["SIGNALS", "classify_onchain", "score"]

SIGNALS = {
    "single_venue": "share of the tape's USD on one venue beyond an even half",
    "venue_deviation": "how far one venue's extreme lay beyond the median venue's; 1 at 3 %",
    "sharp_reversal": "share of the move taken back within the hour",
    "interest_kept": "open interest stayed although price moved; 0 at a fall of 10 %",
    "no_spot_lead": "how much further the perpetual moved than spot; 1 at half its move",
    "front_loaded": "the tape's USD came at the start instead of building up",
}
HOUR_US = 3_600_000_000
FULL_DEVIATION = 0.03
FULL_INTEREST_LOSS_PCT = 10.0


def score(
    cascades: pd.DataFrame, *, bars: pd.DataFrame | None = None, spot: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Score the cascades of ONE coin.

    Parameters
    ----------
    cascades : DataFrame
        ``start``, ``end``, ``side``, and where known ``top_venue_share``, ``n_venues``,
        ``reversal_60m`` or ``reversal_share``, ``oi_change_pct``, ``acceleration``.
    bars : DataFrame, optional
        Hourly perpetual candles of several venues: ``ts`` (OPEN), ``venue``, ``open high low``.
    spot : DataFrame, optional
        Hourly spot candles of one venue.

    Returns
    -------
    DataFrame
        ``engineered_<signal>`` in [0, 1] for each of `SIGNALS` (null where the data are missing),
        ``engineered_score`` (their mean; null with fewer than two), ``engineered_signals``.

    Notes
    -----
    *Timing:* known with the aftermath of the cascade, not at its end.
    """
    out = pd.DataFrame(index=cascades.index)
    nothing = pd.Series(np.nan, index=cascades.index)
    top = cascades.get("top_venue_share", nothing)
    # a tape of one venue cannot show concentration
    several = cascades.get("n_venues", nothing) > 1
    out["single_venue"] = (2.0 * top - 1.0).where(several)
    deviation, gap = _extremes(cascades, bars, spot)
    out["venue_deviation"] = deviation / FULL_DEVIATION
    reversal = cascades.get("reversal_60m", nothing)
    out["sharp_reversal"] = reversal.fillna(cascades.get("reversal_share", nothing))
    loss = -cascades.get("oi_change_pct", nothing)
    out["interest_kept"] = 1.0 - loss / FULL_INTEREST_LOSS_PCT
    out["no_spot_lead"] = 2.0 * gap
    out["front_loaded"] = (1.0 - cascades.get("acceleration", nothing)) / 2.0
    out = out[list(SIGNALS)].astype(float).clip(0.0, 1.0)
    count = out.notna().sum(axis=1)
    mean = out.mean(axis=1).where(count >= 2)
    out = out.add_prefix("engineered_")
    out["engineered_score"] = mean
    out["engineered_signals"] = count
    return out


def _extremes(
    cascades: pd.DataFrame, bars: pd.DataFrame | None, spot: pd.DataFrame | None
) -> tuple[pd.Series, pd.Series]:
    """Worst venue against the median venue, and the perpetual against spot, per cascade."""
    deviation, gap = np.full(len(cascades), np.nan), np.full(len(cascades), np.nan)
    if bars is None or bars.empty:
        return pd.Series(deviation, index=cascades.index), pd.Series(gap, index=cascades.index)
    hours_known, prices = _by_venue(bars)
    opened = hours_known.as_unit("us").asi8
    cash = _on_hours(spot, hours_known)
    starts = pd.DatetimeIndex(cascades["start"]).as_unit("us").asi8
    ends = pd.DatetimeIndex(cascades["end"]).as_unit("us").asi8
    first = np.searchsorted(opened, starts - HOUR_US, side="right")
    last = np.searchsorted(opened, np.maximum(ends, starts + 1), side="left")
    falling = (cascades["side"] == "long").to_numpy()
    for i in np.flatnonzero(last > first).tolist():
        hours = slice(first[i], last[i])
        moves = _moves({n: p[hours] for n, p in prices.items()}, falls=bool(falling[i]))
        if len(moves) >= 3:
            deviation[i] = max(float(moves.max() - np.median(moves)), 0.0)
        if cash is None or not len(moves):
            continue
        there = np.isfinite(cash["open"][hours])
        perp_move = float(np.median(moves))
        if there.any() and perp_move > 0:
            same = {name: values[hours][there][:, None] for name, values in cash.items()}
            spot_moves = _moves(same, falls=bool(falling[i]))
            if len(spot_moves):
                gap[i] = max(1.0 - float(spot_moves[0]) / perp_move, 0.0)
    return pd.Series(deviation, index=cascades.index), pd.Series(gap, index=cascades.index)


def _by_venue(bars: pd.DataFrame) -> tuple[pd.DatetimeIndex, dict[str, np.ndarray]]:
    """Hours that any venue opened in, and the prices by hour and venue, NaN where there is none."""
    bars = bars[bars["open"].notna()]
    stamps = pd.DatetimeIndex(bars["ts"])
    hours = stamps.unique().sort_values()
    row, (column, venues) = hours.get_indexer(stamps), pd.factorize(bars["venue"])
    prices = {n: np.full((len(hours), len(venues)), np.nan) for n in ("open", "high", "low")}
    for name, table in prices.items():
        table[row, column] = bars[name].to_numpy(dtype=float, na_value=np.nan)
    return hours, prices


def _on_hours(spot: pd.DataFrame | None, hours: pd.DatetimeIndex) -> dict[str, np.ndarray] | None:
    if spot is None or spot.empty:
        return None
    laid = spot.set_index("ts").sort_index().reindex(hours)
    return {name: laid[name].to_numpy(dtype=float) for name in ("open", "high", "low")}


def _moves(prices: dict[str, np.ndarray], *, falls: bool) -> np.ndarray:
    """Worst move of each venue from its first open, positive against the side."""
    known = np.isfinite(prices["open"][0])
    edge = prices["low" if falls else "high"][:, known]
    known[known] = np.isfinite(edge).any(axis=0)
    edge = edge[:, np.isfinite(edge).any(axis=0)]
    first = prices["open"][0, known]
    return 1.0 - np.nanmin(edge, axis=0) / first if falls else np.nanmax(edge, axis=0) / first - 1.0


def classify_onchain(rows: pd.DataFrame) -> pd.Series:
    """Tell triggered, extracted and plain on-chain liquidations apart.

    Parameters
    ----------
    rows : DataFrame
        On-chain liquidations with any of: ``flash_loan`` and ``oracle_swap`` (bool: the same
        transaction took a flash loan and swapped in the pool that the oracle reads),
        ``svr_routed`` (``true``, ``false``, ``unknown``: an auction recaptured the oracle's value),
        ``block_number``, ``tx_hash`` and ``liquidator``.

    Returns
    -------
    Series
        ``triggered``, ``extracted``, ``plain``, or null where the record does not decide.

    Notes
    -----
    A liquidation counts as extracted where an auction or an order-flow searcher took its value:
    routed through the auction, or one of several liquidations that one liquidator made in one
    block. The last is a sign of a professional searcher, not proof. Nothing is called triggered
    unless the transaction itself shows both steps.
    """
    label = pd.Series(pd.NA, index=rows.index, dtype="object")
    if "block_number" in rows and "liquidator" in rows:
        known = rows["block_number"].notna()
        together = rows.groupby(["block_number", "liquidator"])["liquidator"].transform("size")
        label[known] = np.where(together[known] > 1, "extracted", "plain")
    if "svr_routed" in rows:
        routed = rows["svr_routed"].astype("str").str.lower()
        label[routed == "true"] = "extracted"
        label[routed == "false"] = "plain"
    if {"flash_loan", "oracle_swap"} <= set(rows.columns):
        both = rows["flash_loan"].fillna(False) & rows["oracle_swap"].fillna(False)
        label[both.astype(bool)] = "triggered"
    return label.rename("onchain_class")
