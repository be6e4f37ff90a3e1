"""Crypto technicals on 1-hour, 4-hour and 1-day bars: MACD, exhaustion, divergence, RSI, ATR."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from features.bars import BASES, Bars, coarse, newest_bar, reference
from features.declare import Feature, family
from features.technical import MACD_ROWS, WILDER_ROWS, atr_pct, macd_histogram, rsi
from features.view import View
from features.windows import (
    Array,
    Flags,
    change,
    lag,
    on_observed,
    quiet,
    rolling_any,
    rolling_max,
    rolling_min,
    rolling_rank,
)

__all__ = ["FEATURES", "FRAMES", "compute", "divergence", "exhaustion", "expansion", "signal_hours",
           "signals"]  # fmt: skip

FRAMES = {"1h": 1, "4h": 4, "1d": 24}
EXPAND_DAYS, EXPAND_SHARE, RISING_BARS = 90, 0.95, 3
EXTREME_BARS, JOIN_BARS, EVENT_BARS = 20, 6, 6
OVERSOLD, OVERBOUGHT = 20.0, 80.0
BARS_OF_DAY = {name: 24 // length for name, length in FRAMES.items()}

IN = ("perp_bars",)
TIMING = (
    "the last bar of that length that had closed at the cut-off; null after 3 hours without bars"
)

_f = partial(family, group="crypto technicals", inputs=IN, timing=TIMING, clock="hours")


def _frame(name: str, rows: int, **text: str) -> list[Feature]:
    """Declare one definition on every coin and bar length; the look-back is in hours."""
    out: list[Feature] = []
    for frame, length in FRAMES.items():
        more = EXPAND_DAYS * BARS_OF_DAY[frame] if text.get("ranked") else 0
        out += _f(
            name,
            definition=text["definition"],
            unit=text["unit"],
            reference=text["reference"],
            lookback=(rows + more) * length,
            recursive=True,
            b=("btc", "eth"),
            frame=(frame,),
        )
    return out


FEATURES: list[Feature] = [
    *_frame("{b}_macd_{frame}", MACD_ROWS,
        definition="MACD(12,26,9) histogram of the log price over ATR14 %, {frame} bars",
        unit="ATR", reference="domain 3.16: hn"),
    *_frame("{b}_macd_expand_{frame}", MACD_ROWS + RISING_BARS, ranked="yes",
        definition="sign of hn where abs(hn) is at or above its 95th percentile of 90 days and "
            "has risen 3 bars, else 0; {frame} bars", unit="-1, 0, 1",
        reference="domain 3.16: macd_expand"),
    *_frame("{b}_exhaustion_{frame}", WILDER_ROWS + EXTREME_BARS,
        definition="+1 where a fall is exhausted, -1 where a rise is (2 of 3: new 20-bar extreme "
            "that closes in the other half of its bar; price progress per volume in the last "
            "third of 6 bars under half of the first third's; RSI14 beyond 20 / 80 and turning), "
            "{frame} bars", unit="-1, 0, 1",
        reference="domain 3.16; volume stands in for liquidated dollars"),
    *_frame("{b}_macd_exhaustion_{frame}", MACD_ROWS + RISING_BARS + JOIN_BARS, ranked="yes",
        definition="1 where expansion and exhaustion both occurred within 6 {frame} bars",
        unit="flag", reference="domain 3.16: signal"),
    *_frame("{b}_divergence_{frame}", MACD_ROWS + EXTREME_BARS + JOIN_BARS,
        definition="+1 where within 6 {frame} bars the price made a 20-bar low and the MACD "
            "histogram a higher low than its own of 20 bars, -1 for the mirror", unit="-1, 0, 1",
        reference="domain 3.16: classic divergence"),
    *_frame("{b}_rsi_{frame}", WILDER_ROWS, definition="RSI14 (Wilder), {frame} bars",
        unit="0..100", reference="Wilder 1978"),
    *_frame("{b}_atr_{frame}", WILDER_ROWS,
        definition="ATR14 (Wilder) over the close, {frame} bars", unit="fraction",
        reference="Wilder 1978"),
]  # fmt: skip


def expansion(hn: Array, bars_of_day: int) -> Array:
    """Sign of a normalised histogram where it expands.

    Parameters
    ----------
    hn : array
        MACD histogram over ATR without holes.
    bars_of_day : int
        Bars in a day; the percentile runs over 90 days of them.

    Returns
    -------
    array
        1 or -1 where ``abs(hn)`` is at or above its trailing 95th percentile and has risen three
        bars running, else 0.
    """
    size = np.abs(hn)
    rank = rolling_rank(size, EXPAND_DAYS * bars_of_day, min_count=EXPAND_DAYS * bars_of_day)
    rising = np.ones(len(hn), dtype=bool)
    for k in range(RISING_BARS):
        rising &= lag(size, k) > lag(size, k + 1)
    hit = (rank >= EXPAND_SHARE) & rising
    return np.where(np.isfinite(rank), np.where(hit, np.sign(hn), 0.0), np.nan)


def exhaustion(high: Array, low: Array, close: Array, volume: Array) -> Array:
    """Tell where a fall (+1) or a rise (-1) has run out of force, by two signs of three.

    Parameters
    ----------
    high, low, close, volume : array
        Bars without holes.
    """
    span = np.where(high > low, high - low, np.nan)
    place = (close - low) / span
    index = rsi(close)
    turn = change(index, 1)
    third = EVENT_BARS // 3
    log_close = np.log(close)
    late = change(log_close, third) / _traded(volume, third)
    early = lag(change(log_close, third), EVENT_BARS - third) / lag(
        _traded(volume, third), EVENT_BARS - third
    )
    slowing = np.abs(late) < 0.5 * np.abs(early)
    whole = change(log_close, EVENT_BARS)

    def votes(extreme: Flags, far: Flags, falling: Flags, beyond: Flags, turning: Flags) -> Array:
        return (
            (extreme & far).astype(float)
            + (falling & slowing).astype(float)
            + (beyond & turning).astype(float)
        )

    down = votes(
        low <= rolling_min(low, EXTREME_BARS), place >= 0.5, whole < 0,
        lag(index, 1) < OVERSOLD, turn > 0,
    )  # fmt: skip
    up = votes(
        high >= rolling_max(high, EXTREME_BARS), place <= 0.5, whole > 0,
        lag(index, 1) > OVERBOUGHT, turn < 0,
    )  # fmt: skip
    known = np.isfinite(turn) & np.isfinite(whole)
    return np.where(known, (down >= 2).astype(float) - (up >= 2).astype(float), np.nan)


def _traded(volume: Array, n: int) -> Array:
    total = np.zeros(len(volume))
    for k in range(n):
        total = total + lag(volume, k)
    return np.where(total > 0, total, np.nan)


def divergence(high: Array, low: Array, histogram: Array) -> Array:
    """Tell where price makes a new 20-bar extreme that the histogram does not confirm.

    Returns
    -------
    array
        +1 at a lower low with a higher histogram, -1 at a higher high with a lower one, else 0.
    """
    bottom = (low <= rolling_min(low, EXTREME_BARS)) & (
        histogram > rolling_min(histogram, EXTREME_BARS)
    )
    top = (high >= rolling_max(high, EXTREME_BARS)) & (
        histogram < rolling_max(histogram, EXTREME_BARS)
    )
    known = np.isfinite(rolling_min(histogram, EXTREME_BARS))
    return np.where(known, bottom.astype(float) - top.astype(float), np.nan)


def _within(flags: Array, n: int) -> Array:
    """Sign of the newest flag of the last `n` bars, 0 where there was none."""
    out = np.where(np.isfinite(lag(flags, n - 1)), 0.0, np.nan)
    for k in range(n):
        then = lag(flags, k)
        out = np.where((out == 0) & (then != 0) & np.isfinite(then), then, out)
    return out


def signals(bars: Bars, bars_of_day: int) -> dict[str, Array]:
    """Compute every signal of one coin on one bar length, on the clock of the bars."""
    log_close = np.log(bars.close)
    histogram = on_observed(macd_histogram, log_close, rows=MACD_ROWS)
    atr = on_observed(atr_pct, bars.high, bars.low, bars.close, rows=WILDER_ROWS)
    hn = histogram / atr
    window = EXPAND_DAYS * bars_of_day + RISING_BARS
    expand = on_observed(partial(expansion, bars_of_day=bars_of_day), hn, rows=window)
    tired = on_observed(
        exhaustion, bars.high, bars.low, bars.close, bars.volume, rows=WILDER_ROWS + 1
    )
    apart = on_observed(divergence, bars.high, bars.low, histogram, rows=EXTREME_BARS)
    both = on_observed(
        lambda e, x: rolling_any(np.abs(e), JOIN_BARS) * rolling_any(np.abs(x), JOIN_BARS),
        expand,
        tired,
        rows=JOIN_BARS,
    )
    return {
        "macd": hn,
        "macd_expand": expand,
        "exhaustion": tired,
        "macd_exhaustion": both,
        "divergence": on_observed(partial(_within, n=JOIN_BARS), apart, rows=JOIN_BARS),
        "rsi": on_observed(rsi, bars.close, rows=WILDER_ROWS),
        "atr": atr,
    }


def signal_hours(view: View, base: str, frame: str) -> dict[str, Array]:
    """Signals of one coin on one bar length, shown on the hours from each bar's close on."""

    def make() -> dict[str, Array]:
        bars, ends = coarse(view, reference(view, base), FRAMES[frame])
        skip = _unseen(view, ends, BARS_OF_DAY[frame])
        with quiet():
            made = signals(bars.since(skip), BARS_OF_DAY[frame])
        shown = newest_bar(view, ends[skip:])
        return {name: np.append(values, np.nan)[shown] for name, values in made.items()}

    return view.make(("signals", base, frame), make)


def _unseen(view: View, ends: NDArray[np.int64], bars_of_day: int) -> int:
    """Count the first bars, which no signal of the sessions wanted looks at.

    A signal is looked at from two weeks before the first cut-off on, and looks back over its
    windows, which holes stretch by a tenth each.
    """
    rows = view.hour_of_cutoff()
    if not (rows >= 0).any():
        return 0
    longest = MACD_ROWS + EXPAND_DAYS * bars_of_day + RISING_BARS + EXTREME_BARS + JOIN_BARS
    first = int(np.searchsorted(ends, rows[rows >= 0].min()))
    return max(0, first - 14 * bars_of_day - int(1.25 * longest))


def compute(view: View) -> dict[str, Array]:
    """Compute the indicator part of the group.

    Notes
    -----
    *Timing:* a bar counts once it has closed; the bar that is still open at the cut-off does not.
    """
    return {
        f"{base.lower()}_{name}_{frame}": view.at_cutoff(values)
        for base in BASES
        for frame in FRAMES
        for name, values in signal_hours(view, base, frame).items()
    }
