"""The schedule of simulated liquidation cascades, and what of it reaches the stock market.

Spontaneous cascades come from a Poisson clock of their own that knows nothing of equities;
reactive ones follow a fall of stocks inside the same session. Only spontaneous organic cascades
lead volatility, and only by `link`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["LEAD_SESSIONS", "equity_lead", "reactive_cascades", "spontaneous_cascades"]

Floats = npt.NDArray[np.float64]

LEAD_SESSIONS = 5
_ORGANIC_A_YEAR, _ENGINEERED_A_YEAR = 14.0, 12.0
_PULL = 1.8  # log hazard ratio a unit of cascade mass and of link
_PUSH = 0.45  # daily standard deviations on the opening gap a unit of mass and of link
_COLUMNS = ["cascade", "onset", "base", "side", "size", "engineered", "origin", "venue"]
_VENUES = ("binance", "bybit", "okx")


def spontaneous_cascades(
    seed: np.random.SeedSequence, start: pd.Timestamp, end: pd.Timestamp
) -> pd.DataFrame:
    """Draw the cascades that crypto brings forth by itself between `start` and `end` (UTC).

    Returns
    -------
    DataFrame
        One row a cascade and coin, by onset: cascade (number), onset (UTC), base, side of the
        positions that are liquidated, size (1 is typical), engineered, origin, venue (the only
        venue of an engineered one, else empty).
    """
    rng = np.random.default_rng(seed)
    days = (end - start) / pd.Timedelta(days=1)
    rows = []
    for engineered, rate in ((False, _ORGANIC_A_YEAR), (True, _ENGINEERED_A_YEAR)):
        count = int(rng.poisson(rate * days / 365.25))
        for day in np.sort(rng.random(count)) * days:
            hour = start + pd.Timedelta(hours=int(day * 24))
            # a pushed wick is over within its hour; an organic one starts at any minute
            minute = 5.0 + 35.0 * rng.random() if engineered else 50.0 * rng.random()
            onset = (hour + pd.Timedelta(minutes=minute)).floor("ms")
            size = float(np.exp(0.40 * rng.standard_normal()))
            side = "long" if rng.random() < 0.75 else "short"
            coins = ("BTC", "ETH") if rng.random() < 0.6 else ("ETH", "BTC")
            venue = _VENUES[int(rng.integers(3))] if engineered else ""
            rows.append((onset, coins[0], side, size, engineered, "spontaneous", venue))
            if not engineered:
                echo = onset + pd.Timedelta(seconds=int(rng.integers(5, 60)))
                rows.append((echo, coins[1], side, 0.7 * size, engineered, "spontaneous", venue))
    return _numbered(rows)


def reactive_cascades(
    seed: np.random.SeedSequence,
    opens: pd.DatetimeIndex,
    closes: pd.DatetimeIndex,
    surprise: Floats,
) -> pd.DataFrame:
    """Draw the cascades that a fall of stocks sets off, inside the session of the fall.

    Parameters
    ----------
    seed : numpy.random.SeedSequence
        Three draws a session, whether a cascade comes or not.
    opens, closes : DatetimeIndex
        UTC open and close of each session.
    surprise : float array
        Log return of the session over the daily move that VIX implied at the close before.
    """
    draws = np.random.default_rng(seed).random((len(surprise), 3))
    rows = []
    for i in np.flatnonzero((surprise < -1.3) & (draws[:, 0] < 0.5)).tolist():
        # in the second half of the session, at least an hour before its end
        share = 0.5 + 0.3 * draws[i, 1]
        onset = (opens[i] + share * (closes[i] - opens[i])).floor("ms")
        size = float(0.5 * -surprise[i] * (0.6 + 0.8 * draws[i, 2]))
        for coin, part in (("BTC", 1.0), ("ETH", 0.8)):
            rows.append((onset, coin, "long", part * size, False, "equity", ""))
    return _numbered(rows)


def _numbered(rows: Sequence[tuple[object, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=_COLUMNS[1:])
    frame["onset"] = pd.to_datetime(frame["onset"], utc=True).astype("datetime64[us, UTC]")
    frame = frame.sort_values(["onset", "base"], ignore_index=True)
    frame.insert(0, "cascade", np.arange(len(frame)))
    return frame


def equity_lead(
    cascades: pd.DataFrame,
    opens: pd.DatetimeIndex,
    closes: pd.DatetimeIndex,
    *,
    link: float,
    since: pd.Timestamp,
) -> tuple[Floats, Floats, Floats]:
    """Turn spontaneous organic cascades into what moves the stock market's hazards.

    Parameters
    ----------
    cascades : DataFrame
        From `spontaneous_cascades`.
    opens, closes : DatetimeIndex
        UTC open and close of each session.
    link : float
        0 for the null world: load and push are zero and damping is one, exactly.
    since : Timestamp
        Start of the cascades; before it the hazard is not damped.

    Returns
    -------
    tuple of float array
        Load (log hazard ratio), damping (factor on the hazard), push (on the opening gap, in
        daily standard deviations), one element a session.

    Notes
    -----
    *Timing:* a cascade counts from the first session that opens after it, for five sessions.
    """
    size = len(opens)
    mass, push = np.zeros(size), np.zeros(size)
    leading = cascades[~cascades["engineered"]].drop_duplicates("onset")
    # the echo in the other coin is the same cascade: only its larger half counts
    leading = leading[leading["size"] >= 0.3]
    seen: pd.Timestamp | None = None
    for onset, side, weight in zip(leading["onset"], leading["side"], leading["size"], strict=True):
        if seen is not None and onset - seen < pd.Timedelta(minutes=2):
            continue
        seen = onset
        first = int(opens.searchsorted(onset, side="right"))
        heavy = float(np.clip(weight, 0.5, 2.0))
        mass[first : first + LEAD_SESSIONS] += heavy
        if 0 < first < size and onset >= closes[first - 1]:
            push[first] -= heavy if side == "long" else -heavy
    load = _PULL * link * np.minimum(mass, 2.0)
    expected = _ORGANIC_A_YEAR * LEAD_SESSIONS / 252.0
    # mean of exp(load) over a Poisson number of typical cascades, cut at two
    none, one = np.exp(-expected), expected * np.exp(-expected)
    mean = none + one * np.exp(_PULL * link) + (1.0 - none - one) * np.exp(2.0 * _PULL * link)
    damping = np.where(opens >= since, 1.0 / mean, 1.0)
    return load, damping, _PUSH * link * np.clip(push, -2.0, 2.0)
