"""What the definitions find on the real files, beside the counts of earlier work.

python benchmarks/tape_real.py ../shared/data
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from features.cascades import daily_totals, feed_era, price_oi, price_oi_bars
from features.engineered import classify_onchain
from features.hawkes import branching_ratio
from features.tape import run, sessions
from features.tape_cascades import select
from features.tape_engine import connect

COINS = ("BTC", "ETH")
SHOWN = ["base", "side", "start", "n_bars", "move_bps", "oi_change_pct", "reversal_share"]


def bars_of(data: Path, base: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    bars = pd.read_parquet(data / f"crypto_{base.lower()}_perp_ohlcv_1h.parquet")
    bars = bars.rename(columns={"timestamp": "ts"}).astype({"venue": "str"})
    held = pd.read_parquet(data / "crypto_open_interest_1h.parquet")
    held = held[held["symbol"] == f"{base}USDT"].rename(columns={"timestamp": "ts"})
    return bars[bars["venue"] == "binance"], held


def totals_of(data: Path) -> pd.DataFrame:
    rows = pd.read_parquet(data / "crypto_coinglass_daily.parquet").rename(
        columns={
            "timestamp": "date", "symbol": "base", "liq_long_usd": "long_usd",
            "liq_short_usd": "short_usd", "oi_total_close_usd": "oi_usd",
        }
    )  # fmt: skip
    return rows[rows["base"].isin(COINS) & rows["long_usd"].notna()]


def okx_tape(data: Path) -> pd.DataFrame:
    rows = pd.read_parquet(data / "crypto_liquidation_events_okx_hl.parquet")
    rows = rows[(rows["venue"] == "okx") & rows["notional_usd"].notna()]
    ts = pd.DatetimeIndex(rows["timestamp"]).as_unit("us").asi8
    return pd.DataFrame(
        {
            "ts_us": ts, "known_us": ts + 1_000_000, "base": rows["coin"].to_numpy(dtype=object),
            "side": rows["liquidated_side"].to_numpy(dtype=object), "venue": "okx",
            "cents": (rows["notional_usd"] * 100).round().astype("int64").to_numpy(),
            "price_e8": (rows["price"] * 1e8).round().astype("int64").to_numpy(), "throttled": 1,
        }
    )  # fmt: skip


def sessions_of(events: pd.DataFrame, gap_seconds: int) -> pd.DataFrame:
    connection = connect()
    connection.con.register("events", events)
    made = sessions(
        connection.table("events"),
        gap_seconds=gap_seconds,
        origin_us=int(events["ts_us"].min()) // 1_000_000 * 1_000_000,
    )
    return run(made, order=("start_us", "base", "side"))


def by_year(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(year=frame["start"].dt.year).pivot_table(
        index="year", columns=["base", "side"], values="cascade_id", aggfunc="size", fill_value=0
    )


def price_report(data: Path) -> pd.DataFrame:
    print(
        "\nFixed thresholds on hourly bars (move >= 3 %; interest -5 % in logs; both), 2020..2024"
    )
    found = []
    for base in COINS:
        bars, held = bars_of(data, base)
        measured = price_oi_bars(bars, held)
        move = measured["move_bps"] >= 300
        fell = np.log1p(measured["oi_change_pct"] / 100) <= -0.05
        year = measured.index.year
        for name, flag in (("move", move), ("interest", fell), ("both", move & fell)):
            print(f"  {base} {name:9s} {flag.groupby(year).sum().tolist()}")
        down = measured[move & fell & (measured["side"] == "long")]
        print(f"  {base} median share recovered by the close of falls: "
              f"{down['reversal_share'].median():.2f}")  # fmt: skip
        found.append(price_oi(bars, held, base=base))
    cascades = pd.concat(found, ignore_index=True)
    print("\nprice_oi cascades (trailing quantiles and floors) by year")
    print(by_year(cascades))
    print("\nten largest moves")
    print(cascades.nlargest(10, "move_bps")[SHOWN].to_string(index=False))
    return cascades


def totals_report(data: Path) -> pd.DataFrame:
    rows = totals_of(data)
    found = daily_totals(rows)
    print("\ntotals cascades by year")
    print(by_year(found))
    print("\nten largest (USD; the feed changed on 2021-04-27, so compare within an era)")
    shown = ["base", "side", "start", "notional_usd", "z", "one_sidedness", "oi_change_pct"]
    print(found.nlargest(10, "notional_usd")[shown].to_string(index=False))
    print("\ndays with z >= 3 and z >= 2 of log(liquidations / volume), 90 days before")
    for base in COINS:
        mine = rows[rows["base"] == base].sort_values("date")
        ratio = np.log((mine["long_usd"] + mine["short_usd"]) / mine["perp_volume_usd"])
        eras = feed_era(mine["date"])
        past = ratio.rolling(90, min_periods=60)
        across = (ratio - past.mean().shift(1)) / past.std().shift(1)
        within = pd.concat(
            [
                (part - part.rolling(90, min_periods=20).mean().shift(1))
                / part.rolling(90, min_periods=20).std().shift(1)
                for _, part in ratio.groupby(eras)
            ]
        )
        print(f"  {base} across the eras {int((across >= 3).sum())}, {int((across >= 2).sum())}; "
              f"within {int((within >= 3).sum())}, {int((within >= 2).sum())}")  # fmt: skip
    return found


def agreement(price: pd.DataFrame, totals: pd.DataFrame) -> None:
    print("\nagreement by UTC day and coin, from the first day that both cover")
    days = pd.date_range("2021-01-12", "2024-12-31", freq="D", tz="UTC")
    for base in COINS:
        hit = {}
        for name, frame in (("price_oi", price), ("totals", totals)):
            mine = frame[frame["base"] == base]
            hit[name] = days.isin(mine["start"].dt.floor("D"))
        both = hit["price_oi"] & hit["totals"]
        p, t = hit["price_oi"].mean(), hit["totals"].mean()
        chance = p * t + (1 - p) * (1 - t)
        kappa = ((hit["price_oi"] == hit["totals"]).mean() - chance) / (1 - chance)
        print(
            f"  {base}: price_oi {hit['price_oi'].sum()} days, totals {hit['totals'].sum()}, "
            f"both {both.sum()}; totals days that price_oi sees "
            f"{both.sum() / hit['totals'].sum():.2f} against {p:.2f} by chance; kappa {kappa:.2f}"
        )
        sides = price[price["base"] == base].merge(
            totals[totals["base"] == base].assign(day=totals["start"]),
            left_on=price[price["base"] == base]["start"].dt.floor("D"),
            right_on="day",
        )
        print(f"      same side on shared days: {(sides['side_x'] == sides['side_y']).mean():.2f} "
              f"of {len(sides)} cascades")  # fmt: skip


def tape_report(data: Path) -> None:
    events = okx_tape(data)
    btc = events[events["base"] == "BTC"].sort_values("ts_us")
    gaps = btc["ts_us"].diff().dropna() / 1e6
    print(f"\nOKX tape: {len(btc)} BTC orders, {btc['cents'].sum() / 1e8:.1f} million USD, "
          f"median gap {gaps.median():.2f} s, {(gaps <= 1).mean():.0%} within 1 s")  # fmt: skip
    one_side = btc.assign(side="long")
    for gap in (10, 30, 60, 300):
        plain, sided = sessions_of(one_side, gap), sessions_of(btc, gap)
        print(f"  gap {gap:3d} s: {len(plain):3d} sessions, largest {plain['n'].max()} orders; "
              f"by side {len(sided)}, {sided['n'].max()}")  # fmt: skip
    plain5 = int((gaps > 5).sum() + 1)
    print(f"  gap   5 s: {plain5} sessions (counted directly: the stage takes 10 s and more)")
    found = select(sessions_of(events, 60))
    print(f"  cascades (floor 100,000 USD, one-sided): {len(found)}")
    shown = ["base", "side", "start", "n", "notional_usd", "duration_s", "peak_10s_usd"]
    print(found.nlargest(10, "notional_usd")[shown].to_string(index=False))
    start, end = int(btc["ts_us"].min()), int(btc["ts_us"].max()) + 1
    for name, flag in (("as it is", False), ("as if throttled", True)):
        made = branching_ratio(
            btc["ts_us"].to_numpy(), btc["cents"].to_numpy(dtype=float),
            start_us=start, end_us=end, throttled=flag,
        )  # fmt: skip
        print(f"  branching ratio {name}: {made.ratio:.2f}, by delay 1/10/100 s "
              f"{[round(x, 2) for x in made.by_delay]}")  # fmt: skip


def chain_report(data: Path) -> None:
    aave = pd.read_parquet(data / "crypto_aave_btc_collateral_liquidations.parquet")
    label = classify_onchain(aave)
    known = aave[aave["block_number"].notna()]
    crowded = known.groupby("block_number").size()
    top = aave["liquidator"].value_counts(normalize=True)
    print(f"\nAave: {len(aave)} liquidations, {len(top)} liquidators, "
          f"top 3 {top.iloc[:3].sum():.0%}; "
          f"blocks with more than one {(crowded > 1).mean():.0%}")  # fmt: skip
    print(f"  classes {label.value_counts(dropna=False).to_dict()}")
    comp = pd.read_csv(data / "crypto_compound_svr_liquidations.csv")
    print(f"Compound: {classify_onchain(comp).value_counts(dropna=False).to_dict()}")


def report(data: Path) -> None:
    price = price_report(data)
    totals = totals_report(data)
    agreement(price, totals)
    tape_report(data)
    chain_report(data)


if __name__ == "__main__":
    report(Path(sys.argv[1]))
