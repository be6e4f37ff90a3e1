"""The simulated liquidation tape: a marked Hawkes process with known cascades in it.

Written as a branching process, generation by generation: immigrants come with the hour's
activity and its price move, each sets off a Poisson number of children soon after. A cascade is a
burst of immigrants that is nearly critical (organic) or hardly breeds (engineered: pushed from
outside on one venue, and swept back from the other side).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.sources.sim_crypto import BASES, Market

__all__ = ["THROTTLED_SINCE", "VENUES", "liquidation_tape", "throttle"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

VENUES = ("binance", "bybit", "okx")
THROTTLED_SINCE = pd.Timestamp("2021-04-27", tz="UTC")
_SHARE = np.array([0.45, 0.25, 0.30])
_HOUR = 3600.0
_GENERATIONS = 60


@dataclass
class _Events:
    """Events as parallel arrays: seconds since the first hour, coin, side, venue, size, lineage."""

    time: Floats
    base: Ints
    short: npt.NDArray[np.bool_]
    venue: Ints
    notional: Floats
    lineage: Ints  # number of the cascade it belongs to, -1 for none
    branching: Floats
    pace: Floats  # mean seconds to a child

    def __len__(self) -> int:
        return len(self.time)


def liquidation_tape(
    seed: np.random.SeedSequence,
    hours: pd.DatetimeIndex,
    markets: dict[str, Market],
    cascades: pd.DataFrame,
) -> pd.DataFrame:
    """Draw every liquidation of both coins on three venues.

    Returns
    -------
    DataFrame
        By time: timestamp (UTC, microseconds that are whole milliseconds), venue, coin,
        liquidated_side, price, notional_usd, cascade (number in `cascades`, -1 for none).

    Notes
    -----
    *Timing:* what happens up to an hour's end depends on that hour and those before it.
    """
    parts = [_background(seed, hours, markets), _bursts(seed, hours, cascades)]
    events = [_breed(child, part) for child, part in zip(seed.spawn(2), parts, strict=True)]
    frame = pd.concat(
        [_frame(seed, k, part, hours, markets) for k, part in enumerate(events)], ignore_index=True
    )
    return frame.sort_values(["timestamp", "coin", "venue"], kind="stable", ignore_index=True)


def _streams(seed: np.random.SeedSequence, *names: int) -> list[np.random.Generator]:
    # one stream an attribute: what comes later never changes the draws of what came before
    return [np.random.default_rng([*_entropy(seed), name]) for name in names]


def _entropy(seed: np.random.SeedSequence) -> list[int]:
    entropy = seed.entropy if isinstance(seed.entropy, int) else 0
    return [entropy, *seed.spawn_key]


def _marks(rng: np.random.Generator, count: int) -> Floats:
    return np.asarray(4_000.0 * np.exp(1.3 * rng.standard_normal(count)))


def _background(
    seed: np.random.SeedSequence, hours: pd.DatetimeIndex, markets: dict[str, Market]
) -> _Events:
    """Immigrants of ordinary trading: more when price moves, on the side that it moves against."""
    counts, times, sides, venues, marks = _streams(seed, 10, 11, 12, 13, 14)
    moves = np.column_stack([markets[base].returns / 0.0055 for base in BASES])
    swings = np.column_stack(
        [np.log(markets[base].high / markets[base].low) / 0.0115 for base in BASES]
    )
    rate = 2.4 * (0.12 + 0.88 * np.minimum(0.4 * np.abs(moves) + 0.6 * swings, 9.0)) ** 1.5
    number = counts.poisson(rate)
    cell = np.repeat(np.arange(number.size), number.ravel())
    count = len(cell)
    hour, base = np.divmod(cell, len(BASES))
    move = moves.ravel()[cell]
    return _Events(
        time=hour * _HOUR + _HOUR * times.random(count),
        base=base,
        short=sides.random(count) < 1.0 / (1.0 + np.exp(-1.6 * move)),
        venue=np.searchsorted(np.cumsum(_SHARE)[:-1], venues.random(count), side="right"),
        notional=_marks(marks, count),
        lineage=np.full(count, -1),
        branching=np.full(count, 0.5),
        pace=np.full(count, 20.0),
    )


def _bursts(
    seed: np.random.SeedSequence, hours: pd.DatetimeIndex, cascades: pd.DataFrame
) -> _Events:
    """Immigrants of the cascades: the push that starts each of them."""
    start = ((cascades["onset"] - hours[0]) / pd.Timedelta(seconds=1)).to_numpy(dtype=np.float64)
    columns: list[tuple[Floats, ...]] = []
    for i, row in enumerate(cascades.itertuples(index=False)):
        # each cascade draws from its own stream, so that none depends on how many others there are
        rng = np.random.default_rng([int(start[i] * 1000.0), *_entropy(seed), 21])
        size = float(row.size)  # type: ignore[arg-type]
        count = max(4, round((55.0 if row.engineered else 26.0) * size))
        time = start[i] + rng.exponential(25.0 if row.engineered else 15.0, count)
        short = np.full(count, row.side == "short")
        venue = np.searchsorted(np.cumsum(_SHARE)[:-1], rng.random(count), side="right")
        if row.engineered:
            only = VENUES.index(str(row.venue))
            venue = np.where(rng.random(count) < 0.95, only, venue)
            if rng.random() < 0.5:  # the snap-back liquidates the other side minutes later
                back = max(2, count // 5)
                time = np.concatenate([time, start[i] + 120.0 + 400.0 * rng.random(back)])
                short = np.concatenate([short, ~short[:back]])
                venue = np.concatenate([venue, np.full(back, only)])
                count += back
        flat = np.ones(count)
        columns.append(
            (
                time, flat * BASES.index(str(row.base)), short, venue, 6.0 * _marks(rng, count),
                flat * int(row.cascade),  # type: ignore[arg-type]
                flat * (0.30 if row.engineered else 0.80), flat * 8.0,
            )
        )  # fmt: skip
    if not columns:
        columns = [tuple(np.empty(0) for _ in range(8))]
    time, base, short, venue, notional, lineage, branching, pace = (
        np.concatenate(column) for column in zip(*columns, strict=True)
    )
    return _Events(
        time, base.astype(np.int64), short.astype(bool), venue.astype(np.int64), notional,
        lineage.astype(np.int64), branching, pace,
    )  # fmt: skip


def _breed(seed: np.random.SeedSequence, first: _Events) -> _Events:
    """Add every generation of children to the immigrants."""
    generations, parents = [first], first
    for generation in range(1, _GENERATIONS + 1):
        # a stream an attribute and generation: see `_streams`
        streams = _streams(seed, *range(100 * generation, 100 * generation + 6))
        births = streams[0].poisson(parents.branching)
        of = np.repeat(np.arange(len(parents)), births)
        count = len(of)
        if not count:
            break
        slow = np.where(streams[1].random(count) < 0.25, 6.0, 0.6)
        other = streams[4].random(count) > np.where(parents.lineage[of] >= 0, 0.98, 0.93)
        moved = streams[5].random((count, 2))
        elsewhere = np.searchsorted(np.cumsum(_SHARE)[:-1], moved[:, 1], side="right")
        lineage = parents.lineage[of]
        parents = _Events(
            time=parents.time[of] + parents.pace[of] * slow * streams[2].exponential(1.0, count),
            base=parents.base[of],
            short=parents.short[of] ^ other,
            venue=np.where(moved[:, 0] < 0.45, elsewhere, parents.venue[of]),
            notional=_marks(streams[3], count) * np.where(lineage >= 0, 6.0, 1.0),
            lineage=lineage,
            branching=parents.branching[of],
            pace=parents.pace[of],
        )
        generations.append(parents)
    fields = _Events.__dataclass_fields__
    return _Events(*(np.concatenate([getattr(g, name) for g in generations]) for name in fields))


def _frame(
    seed: np.random.SeedSequence,
    part: int,
    events: _Events,
    hours: pd.DatetimeIndex,
    markets: dict[str, Market],
) -> pd.DataFrame:
    """Give every event its price inside the bar of its hour, and names for the codes."""
    inside = events.time < len(hours) * _HOUR
    hour = np.minimum((events.time // _HOUR).astype(np.int64), len(hours) - 1)
    within = events.time / _HOUR - hour
    stack = {
        name: np.stack([np.log(getattr(markets[base], name)) for base in BASES])
        for name in ("open_", "high", "low", "close")
    }
    opened, high, low, close = (
        values[events.base, hour]
        for values in (stack[n] for n in ("open_", "high", "low", "close"))
    )
    path = opened + np.clip(within, 0.0, 1.0) * (close - opened)
    # a forced order trades between the path and the extreme on its own side
    lean = np.abs(np.sin(events.time * 12.9898 + events.notional)) * 0.8
    price = np.exp(np.where(events.short, path + lean * (high - path), path + lean * (low - path)))
    names = np.array(BASES), np.array(VENUES)
    stamp = hours[0].value // 1_000 + (events.time * 1e3).astype(np.int64) * 1_000
    frame = pd.DataFrame(
        {
            "timestamp": pd.to_datetime(stamp, unit="us", utc=True),
            "venue": names[1][events.venue],
            "coin": names[0][events.base],
            "liquidated_side": np.where(events.short, "short", "long"),
            "price": np.round(price, 2),
            "notional_usd": events.notional,
            "cascade": events.lineage,
        }
    )
    return frame[inside]


def throttle(tape: pd.DataFrame) -> pd.DataFrame:
    """Leave what the public feeds show: from 2021-04-27 Binance's last order a second and coin."""
    bound = (tape["venue"] == "binance") & (tape["timestamp"] >= THROTTLED_SINCE)
    second = tape["timestamp"].dt.floor("s")
    hidden = bound & pd.DataFrame(
        {"second": second, "coin": tape["coin"], "bound": bound}
    ).duplicated(keep="last")
    # duplicated() marks a later twin; the row that stays is the last of its second
    return tape[~hidden].reset_index(drop=True)
