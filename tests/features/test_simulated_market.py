"""The simulated market itself: stocks, cascades and tape as they should be, and no future."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.cascades import price_oi
from features.sessions import calendar
from features.sources import sim_cascades, sim_crypto, sim_equity, sim_tape
from features.sources.expiries import monthly_expiries
from features.sources.sim_curve import autoregressive
from features.sources.sim_macro import event_dates
from features.sources.sim_market import SimulatedMarket, generate

HOUR = pd.Timedelta(hours=1)


@pytest.fixture(scope="module")
def market() -> SimulatedMarket:
    """Three years with crypto, over the change of the liquidation feed of 2021-04-27."""
    return generate(years=3, seed=11, link=0.0, start="2020-01-01")


# ---- the stock market ---------------------------------------------------------------------------


def test_extremes_of_a_bridge_have_their_exact_law() -> None:
    rng = np.random.default_rng(0)
    zero, sigma = np.zeros(200_000), np.full(200_000, 0.02)
    high, low = sim_equity.bridge_extremes(rng, zero, zero, sigma)
    # P(max > m) = exp(-2 m^2 / sigma^2), so the mean is sigma sqrt(pi / 8)
    assert high.mean() == pytest.approx(0.02 * np.sqrt(np.pi / 8.0), rel=0.01)
    assert (high > 0.02).mean() == pytest.approx(np.exp(-2.0), abs=0.003)
    assert low.mean() == pytest.approx(-high.mean(), rel=0.02)


def test_autoregression_has_its_deviation_and_memory() -> None:
    series = pd.Series(autoregressive(np.random.default_rng(1), 200_000, memory=0.9, deviation=2.0))
    assert series.std() == pytest.approx(2.0, rel=0.03)
    assert series.autocorr(1) == pytest.approx(0.9, abs=0.01)


def test_bars_hold_their_open_and_close(market: SimulatedMarket) -> None:
    index = market.files["spx_ohlcv.csv"]
    assert (index["high"] >= index[["open", "close"]].max(axis=1)).all()
    assert (index["low"] <= index[["open", "close"]].min(axis=1)).all()
    assert (index["low"] > 0).all()
    bars = market.files["cboe_vol_indices_ohlc.csv"]
    assert (bars["high"] >= bars[["open", "close"]].max(axis=1)).all()
    perps = market.files["crypto_btc_perp_ohlcv_1h.parquet"]
    assert (perps["high"] >= perps[["open", "close"]].max(axis=1)).all()
    assert (perps["low"] <= perps[["open", "close"]].min(axis=1)).all()


@pytest.mark.parametrize(
    ("day", "why"),
    [
        ("2024-04-17", "30 days before Friday 2024-05-17"),
        ("2024-12-18", "30 days before Friday 2025-01-17"),
        ("2025-03-18", "Friday 2025-04-18 is Good Friday: the session before the Wednesday"),
        ("2008-02-19", "Friday 2008-03-21 is Good Friday"),
        ("2024-06-18", "the Wednesday, 2024-06-19, is a holiday"),
        ("2022-03-15", "Friday 2022-04-15 is Good Friday"),
    ],
)
def test_monthly_futures_expire_by_the_exchange_rule(day: str, why: str) -> None:
    stamp = pd.Timestamp(day)
    around = calendar().sessions(stamp - pd.Timedelta(days=40), stamp + pd.Timedelta(days=60))
    assert stamp in monthly_expiries(around), why


@pytest.mark.real
def test_monthly_expiries_are_those_of_the_real_file(real_data: Path) -> None:
    contracts = pd.read_parquet(real_data / "vix_futures_contracts.parquet")
    real = pd.DatetimeIndex(contracts.loc[contracts["is_monthly"], "expiry"].unique())
    real = real[(real >= "2007-01-01") & (real <= "2024-12-31")].sort_values()
    ours = monthly_expiries(calendar().sessions("2007-01-01", "2025-03-01"))
    assert list(ours[ours <= "2024-12-31"]) == list(real)


def test_releases_fall_on_the_days_of_their_rules() -> None:
    events = event_dates(calendar().sessions("2024-01-01", "2024-03-31"))
    got = {(str(day.date()), event) for day, event in events.itertuples(index=False)}
    assert ("2024-01-05", "NFP") in got
    assert {("2024-01-10", "CPI"), ("2024-01-11", "PPI"), ("2024-01-17", "FOMC")} <= got
    assert ("2024-02-21", "FOMC") not in got
    assert ("2024-03-01", "NFP") in got


def test_futures_settle_at_the_open_on_their_last_day(market: SimulatedMarket) -> None:
    contracts = market.files["vix_futures_contracts.parquet"]
    last = contracts[contracts["date"] == contracts["expiry"]].set_index("date")["settle"]
    opening = pd.Series(market.path.vix_open, index=market.sessions)
    assert len(last) >= 35
    np.testing.assert_allclose(last, opening.reindex(last.index), atol=1e-4)
    assert (contracts.groupby("date").size() == 9).all()


def test_gaps_of_the_real_files_are_there(market: SimulatedMarket) -> None:
    indices = market.files["cboe_vol_indices_close.csv"]
    outside = indices[~indices["date"].isin(market.sessions)]
    assert len(outside) > 5
    assert (outside["date"] >= "2022-01-01").all()
    assert outside["vix3m"].isna().all()
    nyse = market.files["nyse_breadth.csv"]
    assert nyse["date"].max() == pd.Timestamp("2020-02-10")
    assert nyse["new_highs"].isna().all()
    spot = market.files["crypto_btc_spot_ohlcv_1h.parquet"]
    count = spot.groupby("venue", observed=True).size()
    assert count["okx"] == len(market.hours)
    assert 0 < count["okx"] - count["binance"] < 100


# ---- cascades and the tape ----------------------------------------------------------------------


def _hour(market: SimulatedMarket, onset: pd.Timestamp) -> int:
    return int(market.hours.searchsorted(onset, side="right")) - 1


def test_organic_cascades_move_price_and_open_interest(market: SimulatedMarket) -> None:
    interest = market.files["crypto_open_interest_1h.parquet"]
    moves, changes = [], []
    for base in ("BTC", "ETH"):
        perp = market.files[f"crypto_{base.lower()}_perp_ohlcv_1h.parquet"]
        close = np.log(perp.loc[perp["venue"] == "okx", "close"].to_numpy())
        held = np.log(interest.loc[interest["symbol"] == f"{base}USDT", "open_interest"].to_numpy())
        own = market.cascades[(market.cascades["base"] == base) & ~market.cascades["engineered"]]
        for row in own.itertuples():
            hour = _hour(market, row.onset)
            if not 0 < hour < len(close) - 1:
                continue
            sign = -1.0 if row.side == "long" else 1.0
            moves.append(sign * (close[hour] - close[hour - 1]))
            # stamped at the start of its hour: the next stamp holds the change within this bar
            changes.append(held[hour + 1] - held[hour])
    assert len(moves) > 60
    assert np.median(moves) > 0.010
    assert np.median(changes) < -0.02


def test_price_and_open_interest_betray_organic_cascades_alone(market: SimulatedMarket) -> None:
    bars = market.files["crypto_btc_perp_ohlcv_1h.parquet"]
    bars = bars[bars["venue"] == "binance"].astype({"venue": "str"})
    bars = bars.rename(columns={"timestamp": "ts", "volume": "volume_base"}).assign(base="BTC")
    held = market.files["crypto_open_interest_1h.parquet"]
    held = held[held["symbol"] == "BTCUSDT"].rename(columns={"timestamp": "ts"}).assign(base="BTC")
    moment = "datetime64[us, UTC]"
    found = price_oi(
        bars.astype({"ts": moment}), held.astype({"ts": moment}), base="BTC", venue="binance"
    )
    truth = market.cascades[market.cascades["base"] == "BTC"]
    hit = [
        bool(((found["start"] <= row.onset) & (found["end"] > row.onset - HOUR)).any())
        for row in truth.itertuples()
    ]
    share = pd.Series(hit).groupby(truth["engineered"].to_numpy()).mean()
    assert share[False] > 0.55 > 0.15 > share[True]
    true = [
        bool(truth["onset"].between(row.start - HOUR, row.end).any()) for row in found.itertuples()
    ]
    assert np.mean(true) > 0.85


def test_engineered_cascades_wick_one_venue_and_snap_back(market: SimulatedMarket) -> None:
    cascades = market.cascades[market.cascades["engineered"]]
    others_wick, own_wick, kept = [], [], []
    for row in cascades.itertuples():
        perp = market.files[f"crypto_{str(row.base).lower()}_perp_ohlcv_1h.parquet"]
        bars = perp[perp["timestamp"] == market.hours[_hour(market, row.onset)]].set_index("venue")
        body = bars[["open", "close"]]
        if row.side == "long":
            wick = np.log(body.min(axis=1) / bars["low"])
        else:
            wick = np.log(bars["high"] / body.max(axis=1))
        own_wick.append(wick[row.venue])
        others_wick.append(wick.drop(row.venue).median())
        kept.append(abs(np.log(bars["close"] / bars["open"])[row.venue]))
    assert len(own_wick) > 15
    assert np.median(own_wick) > 0.02 > np.median(others_wick)
    assert np.median(kept) < 0.5 * np.median(own_wick)


def test_truth_tells_engineered_from_organic_on_the_tape(market: SimulatedMarket) -> None:
    truth = market.truth["cascades.csv"]
    assert (truth["end"] >= truth["start"]).all()
    assert (truth["start"] >= truth["onset"]).all()
    assert (truth["events_shown"].fillna(0) <= truth["events"]).all()
    tape = market.files["crypto_liquidation_events_okx_hl.parquet"]
    share = {True: [], False: []}  # type: dict[bool, list[float]]
    for row in truth.itertuples():
        inside = tape["timestamp"].between(row.start, row.start + pd.Timedelta(seconds=90))
        ours = tape[inside & (tape["coin"] == row.base)]
        if len(ours) >= 10:
            share[bool(row.engineered)].append(ours["venue"].value_counts(normalize=True).iloc[0])
    assert np.median(share[True]) > 0.85 > 0.75 > np.median(share[False])


def test_the_tape_excites_itself(market: SimulatedMarket) -> None:
    tape = market.files["crypto_liquidation_events_okx_hl.parquet"]
    calm = tape[tape["coin"] == "BTC"]["timestamp"]
    gaps = calm.diff().dt.total_seconds().iloc[1:]
    mean = gaps.mean()
    # a Poisson clock of this rate has 1 - exp(-10 / mean) of its gaps within ten seconds
    assert (gaps <= 10).mean() > 3.0 * (1.0 - np.exp(-10.0 / mean))
    assert gaps.std() > 1.3 * mean


def test_binance_shows_one_order_a_second_once_throttled(market: SimulatedMarket) -> None:
    tape = market.files["crypto_liquidation_events_okx_hl.parquet"]
    binance = tape[tape["venue"] == "binance"]
    twins = binance.assign(second=binance["timestamp"].dt.floor("s")).duplicated(
        ["coin", "second"], keep=False
    )
    since = binance["timestamp"] >= sim_tape.THROTTLED_SINCE
    assert not twins[since].any()
    assert twins[~since].sum() > 100


def test_units_and_sides_of_the_tape_are_each_venues_own(market: SimulatedMarket) -> None:
    tape = market.files["crypto_liquidation_events_okx_hl.parquet"]
    okx_btc = tape[(tape["venue"] == "okx") & (tape["coin"] == "BTC")]
    np.testing.assert_allclose(
        okx_btc["notional_usd"], okx_btc["size_raw"] * 0.01 * okx_btc["price"], rtol=1e-12
    )
    long_word = tape[tape["liquidated_side"] == "long"].groupby("venue")["side_raw"].unique()
    assert {venue: list(words) for venue, words in long_word.items()} == {
        "binance": ["SELL"], "bybit": ["Buy"], "okx": ["sell"],
    }  # fmt: skip


def test_daily_totals_break_where_the_feed_broke(market: SimulatedMarket) -> None:
    totals = market.files["crypto_coinglass_daily.parquet"]
    btc = totals[totals["symbol"] == "BTC"].set_index("timestamp")
    both = btc["liq_long_usd"] + btc["liq_short_usd"]
    assert both[: pd.Timestamp("2020-12-22", tz="UTC")].isna().all()
    tape = market.files["crypto_liquidation_events_okx_hl.parquet"]
    ours = tape[tape["coin"] == "BTC"]
    shown = ours["notional_usd"].groupby(ours["timestamp"].dt.floor("D")).sum()
    ratio = both / shown.reindex(both.index)
    before = ratio[: pd.Timestamp("2021-04-26", tz="UTC")].median()
    after = ratio[pd.Timestamp("2021-04-27", tz="UTC") :].median()
    assert before / after == pytest.approx(4.0, rel=0.15)


# ---- no future ----------------------------------------------------------------------------------


def test_at_link_zero_stocks_are_a_world_of_their_own(market: SimulatedMarket) -> None:
    zeros = np.zeros(len(market.sessions))
    seed = np.random.SeedSequence(11).spawn(11)[1]
    alone = sim_equity.equity_path(
        seed, len(market.sessions), load=zeros, damping=zeros + 1.0, push=zeros
    )
    for field in dataclasses.fields(alone):
        np.testing.assert_array_equal(
            getattr(market.path, field.name), getattr(alone, field.name), err_msg=field.name
        )


def _crypto(path: sim_equity.EquityPath, sessions: pd.DatetimeIndex) -> tuple[dict, pd.DataFrame]:
    """Crypto of the first half of 2022 that feels `path`."""
    known = calendar()
    opens, closes = known.open_utc(sessions), known.close_utc(sessions)
    hours = pd.date_range("2022-01-01", "2022-06-30 23:00", freq="h", tz="UTC").as_unit("us")
    seeds = np.random.SeedSequence(5).spawn(4)
    own = sim_cascades.spontaneous_cascades(seeds[0], hours[0], hours[-1])
    implied = np.concatenate([[np.nan], path.vix[:-1]]) / 100.0 / 252.0**0.5
    felt = sim_cascades.reactive_cascades(seeds[1], opens, closes, path.returns / implied)
    felt = felt[felt["onset"].between(hours[0], hours[-1])]
    cascades = pd.concat([own, felt]).sort_values(["onset", "base"], ignore_index=True)
    cascades["cascade"] = np.arange(len(cascades))
    view = sim_crypto.equity_view(hours, opens, closes, path.returns, path.vix)
    markets = sim_crypto.crypto_markets(seeds[2], hours, view, cascades)
    tape = sim_tape.liquidation_tape(seeds[3], hours, markets, cascades)
    return markets, tape


def test_crypto_up_to_an_hour_ignores_what_stocks_do_later(market: SimulatedMarket) -> None:
    """Change every session from day T on: no hour before the open of T may differ."""
    turn = int(market.sessions.searchsorted(pd.Timestamp("2022-03-15")))
    later = np.arange(len(market.sessions)) >= turn
    other = dataclasses.replace(
        market.path,
        returns=np.where(later, -3.0, 1.0) * market.path.returns,
        vix=np.where(later, 2.0, 1.0) * market.path.vix,
    )
    (ours, our_tape), (theirs, their_tape) = (
        _crypto(path, market.sessions) for path in (market.path, other)
    )
    opening = calendar().open_utc(market.sessions[turn : turn + 1])[0]
    hours = pd.date_range("2022-01-01", "2022-06-30 23:00", freq="h", tz="UTC")
    before = hours + pd.Timedelta(hours=1) <= opening
    for base in ours:
        for name in ("open_", "high", "low", "close", "open_interest", "premium", "activity"):
            a, b = getattr(ours[base], name), getattr(theirs[base], name)
            np.testing.assert_array_equal(a[before], b[before], err_msg=f"{base} {name}")
        # the test can fail: after T the two worlds differ
        assert not np.array_equal(ours[base].close[~before], theirs[base].close[~before])
    until = opening.floor("h")
    columns = ["timestamp", "venue", "coin", "liquidated_side", "price", "notional_usd"]
    pd.testing.assert_frame_equal(
        our_tape.loc[our_tape["timestamp"] < until, columns].reset_index(drop=True),
        their_tape.loc[their_tape["timestamp"] < until, columns].reset_index(drop=True),
    )
    assert len(our_tape) != len(their_tape)


def _upshift_rates(link: float) -> tuple[float, float]:
    """Share of sessions on which the regime rises: in the wake of a cascade, and else."""
    counts = np.zeros((2, 2))
    for seed in range(24):
        seeds = np.random.SeedSequence(seed).spawn(2)
        sessions = calendar().sessions("2018-01-01", "2023-12-31")
        opens, closes = calendar().open_utc(sessions), calendar().close_utc(sessions)
        since = pd.Timestamp("2018-01-01", tz="UTC")
        own = sim_cascades.spontaneous_cascades(seeds[0], since, closes[-1])
        load, damping, push = sim_cascades.equity_lead(own, opens, closes, link=link, since=since)
        wake = sim_cascades.equity_lead(own, opens, closes, link=1.0, since=since)[0] > 0
        path = sim_equity.equity_path(
            seeds[1], len(sessions), load=load, damping=damping, push=push
        )
        rises = np.diff(path.regime) > 0
        able = path.regime[:-1] < 3
        for where in (0, 1):
            mask = able & (wake[1:] == bool(where))
            counts[where] += rises[mask].sum(), mask.sum()
    quiet, loaded = counts[:, 0] / counts[:, 1]
    return float(loaded), float(quiet)


def test_link_raises_the_hazard_after_cascades_and_zero_does_not() -> None:
    loaded, quiet = _upshift_rates(0.0)
    assert 0.8 < loaded / quiet < 1.25
    loaded, quiet = _upshift_rates(2.0)
    assert loaded / quiet > 3.0


def test_a_cascade_counts_from_the_next_open_for_five_sessions() -> None:
    sessions = calendar().sessions("2024-03-04", "2024-03-22")
    opens, closes = calendar().open_utc(sessions), calendar().close_utc(sessions)
    row = {"cascade": 0, "base": "BTC", "side": "long", "size": 1.0, "engineered": False,
           "origin": "spontaneous", "venue": ""}  # fmt: skip

    def lead(moment: str, **changes: object) -> tuple[np.ndarray, ...]:
        onset = pd.Timestamp(moment, tz="UTC").as_unit("us")
        frame = pd.DataFrame([row | {"onset": onset} | changes])
        return sim_cascades.equity_lead(frame, opens, closes, link=1.0, since=opens[0])

    # Saturday 2024-03-09: first session Monday the 11th, the fifth is Friday the 15th
    load, _, push = lead("2024-03-09 12:00")
    assert list(sessions[load > 0]) == list(calendar().sessions("2024-03-11", "2024-03-15"))
    assert list(sessions[push < 0]) == [pd.Timestamp("2024-03-11")]
    # inside Monday's session: from Tuesday on, and no push on a gap that lies before it
    load, _, push = lead("2024-03-11 15:00")
    assert sessions[load > 0][0] == pd.Timestamp("2024-03-12")
    assert not push.any()
    load, _, _ = lead("2024-03-09 12:00", engineered=True)
    assert not load.any()
