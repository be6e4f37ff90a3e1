"""Daily sources: Cboe, VIX futures, FRED, a breadth sheet, in their documented formats."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.errors import UsageError
from features.sessions import calendar
from features.sources.fetch import fetch
from features.sources.fetchers.settings import FetchSettings
from features.store import MarketStore

NOW = pd.Timestamp("2025-01-02 23:30", tz="UTC")  # 18:30 in New York
DAYS = calendar().sessions("2024-12-02", "2025-01-02")
PRICES = "/api/global/us_indices/daily_prices"
CHART = "/api/global/delayed_quotes/charts/historical/_SPX.json"


@pytest.fixture
def settings(provider: Any) -> FetchSettings:
    quick = {"base_url": provider.url, "per_second": 10_000.0}
    return FetchSettings.model_validate(
        {
            "wait_initial_seconds": 0.001,
            "timeout_seconds": 5.0,
            "attempts": 2,
            "cboe": quick,
            "fred": quick,
            "sheet": {"url": provider.url + "/breadth.csv", "per_second": 10_000.0},
        }
    )


def _bars(days: pd.DatetimeIndex, level: float) -> str:
    rows = [f"{day:%m/%d/%Y},{level},{level + 1},{level - 1},{level + 0.5}" for day in days]
    return "DATE,OPEN,HIGH,LOW,CLOSE\n" + "\n".join(rows) + "\n"


def _closes(symbol: str, days: pd.DatetimeIndex, level: float) -> str:
    return f"DATE,{symbol}\n" + "".join(f"{day:%m/%d/%Y},{level:.6f}\n" for day in days)


def _serve_cboe(provider: Any, days: pd.DatetimeIndex = DAYS) -> None:
    for place, symbol in enumerate(("VIX", "VIX1D", "VIX9D", "VIX3M", "VIX6M")):
        provider.on(f"{PRICES}/{symbol}_History.csv", provider.csv(_bars(days, 15.0 + place)))
    provider.on(f"{PRICES}/VVIX_History.csv", provider.csv(_closes("VVIX", days, 95.0)))
    provider.on(f"{PRICES}/SKEW_History.csv", provider.csv(_closes("SKEW", days, 140.0)))
    provider.on(f"{PRICES}/SPX_History.csv", provider.csv(_closes("SPX", days, 5900.0)))
    chart = [
        {"date": str(day.date()), "open": "5890.0", "high": "5950.0", "low": "5880.0",
         "close": "5900.0", "volume": "0.0"}
        for day in days
    ]  # fmt: skip
    provider.on(CHART, provider.doc({"timestamp": "2025-01-02 18:00:00", "data": chart}))


def test_cboe_indices_and_spx_are_stored(
    provider: Any, store: MarketStore, settings: FetchSettings
) -> None:
    holiday = pd.DatetimeIndex([pd.Timestamp("2024-12-25")])
    _serve_cboe(provider, DAYS.union(holiday))
    report = fetch(store, ["cboe"], now=NOW, settings=settings)
    assert report.exit_code == 0
    assert report.sources[0].outcome == "fetched"
    assert report.sources[0].stale == {}
    rows = store.read("vol_indices", where={"symbol": "vix"})
    assert list(rows["date"]) == list(DAYS)  # the row of Christmas is left out
    assert rows.loc[0, ["open", "high", "low", "close"]].tolist() == [15.0, 16.0, 14.0, 15.5]
    assert store.read("vol_indices", where={"symbol": "vvix"})["high"].isna().all()
    # available by the table's rule, not by the hour of the fetch
    assert rows["available_at"].iloc[-1] == pd.Timestamp("2025-01-02 21:20", tz="UTC")
    spx = store.read("spx_bars")
    assert spx["close"].tolist() == [5900.0] * len(DAYS)
    assert spx["open"].tolist() == [5890.0] * len(DAYS)


def test_an_unchanged_document_is_not_sent_again(
    provider: Any, store: MarketStore, settings: FetchSettings
) -> None:
    _serve_cboe(provider)

    def vix(ask: Any) -> Any:
        if ask.headers.get("if-none-match") == '"1"':
            return provider.csv("", status=304)
        return provider.csv(_bars(DAYS, 15.0), headers={"ETag": '"1"'})

    provider.on(f"{PRICES}/VIX_History.csv", vix)
    fetch(store, ["cboe"], now=NOW, settings=settings)
    before = store.data_hash()
    report = fetch(store, ["cboe"], now=NOW + pd.Timedelta(hours=1), settings=settings)
    assert report.sources[0].outcome == "unchanged"
    assert store.data_hash() == before
    assert provider.asked_for(f"{PRICES}/VIX_")[-1].headers["if-none-match"] == '"1"'


def test_a_correction_becomes_a_version_known_from_the_fetch_on(
    provider: Any, store: MarketStore, settings: FetchSettings
) -> None:
    _serve_cboe(provider)
    fetch(store, ["cboe"], now=NOW, settings=settings)
    text = _bars(DAYS, 15.0).replace(
        "12/31/2024,15.0,16.0,14.0,15.5", "12/31/2024,15.0,16.0,14.0,15.7"
    )
    provider.on(f"{PRICES}/VIX_History.csv", provider.csv(text))
    later = NOW + pd.Timedelta(hours=12)
    report = fetch(store, ["cboe"], now=later, settings=settings)
    assert report.sources[0].tables["vol_indices"]["revised"] == 1
    day = {"start": "2024-12-31", "end": "2024-12-31", "where": {"symbol": "vix"}}
    assert store.read("vol_indices", as_of=NOW, **day)["close"].tolist() == [15.5]
    assert store.read("vol_indices", as_of=later, **day)["close"].tolist() == [15.7]


@pytest.mark.parametrize(
    ("path", "wrong", "words"),
    [
        ("VIX", "DATE,OPEN,HIGH,LOW,LAST\n12/31/2024,1,2,1,2\n", "has no column CLOSE"),
        ("VIX", "DATE,OPEN,HIGH,LOW,CLOSE\n", "has no rows"),
        ("VIX", "DATE,OPEN,HIGH,LOW,CLOSE\n2024-12-31,1,2,1,2\n", "for a date"),
        ("VIX", "DATE,OPEN,HIGH,LOW,CLOSE\n12/31/2024,1,2,1,n/a\n", "where a number was expected"),
        ("VIX", "DATE,OPEN,HIGH,LOW,CLOSE\n12/30/2024,1,2,1,2\n12/31/2024,1,2", "is cut"),
        ("VIX", "DATE,OPEN,HIGH,LOW,CLOSE\n12/31/2024,1,2,1,2\n12/31/2024,1,2,1,3\n", "came twice"),
        ("VVIX", "DATE,VXV\n12/31/2024,90\n", "has no column VVIX"),
        ("SPX", "DATE,SPX\n12/31/2024,5905.0\n", "differ on 1 of the last 1"),
    ],
)  # fmt: skip
def test_a_wrong_document_leaves_the_store_as_it_was_and_names_what_is_stale(
    provider: Any, store: MarketStore, settings: FetchSettings, path: str, wrong: str, words: str
) -> None:
    stored = pd.DataFrame({"date": DAYS[:-2], "open": 5.0, "high": 6.0, "low": 4.0, "close": 5.5})
    with store.transaction(now=NOW - pd.Timedelta(days=3)) as transaction:
        transaction.append("vol_indices", stored.assign(symbol="vix"), source="cboe")
        transaction.append("spx_bars", stored, source="cboe")
    before = store.data_hash()
    _serve_cboe(provider)
    provider.on(f"{PRICES}/{path}_History.csv", provider.csv(wrong))
    report = fetch(store, ["cboe"], now=NOW, settings=settings)
    assert report.exit_code == 3
    failed = report.sources[0]
    assert failed.outcome == "failed"
    assert words in str(failed.reason)
    assert failed.stale == {"vol_indices": "2024-12-30", "spx_bars": "2024-12-30"}
    assert store.data_hash() == before


def test_a_later_fetch_mends_what_a_failed_one_left(
    provider: Any, store: MarketStore, settings: FetchSettings
) -> None:
    _serve_cboe(provider)
    tagged = provider.csv(_bars(DAYS, 15.0), headers={"ETag": '"1"'})
    provider.on(f"{PRICES}/VIX_History.csv", tagged)
    provider.on(CHART, provider.HTML)
    failed = fetch(store, ["cboe"], now=NOW, settings=settings).sources[0]
    assert failed.stale == {"vol_indices": None, "spx_bars": None}
    _serve_cboe(provider)
    provider.on(f"{PRICES}/VIX_History.csv", tagged)
    assert fetch(store, ["cboe"], now=NOW, settings=settings).sources[0].stale == {}
    # nothing of the failed fetch is remembered: VIX was asked for whole
    assert "if-none-match" not in provider.asked_for(f"{PRICES}/VIX_")[-1].headers


def test_an_imported_history_is_gone_on_with_not_taken_over(
    provider: Any, store: MarketStore, settings: FetchSettings
) -> None:
    imported = pd.DataFrame(
        {"date": DAYS[:-3], "open": 5891.0, "high": 5951.0, "low": 5879.0, "close": 5900.0}
    )
    store.append("spx_bars", imported, source="spx_ohlcv", now=NOW - pd.Timedelta(days=3))
    _serve_cboe(provider)
    report = fetch(store, ["cboe"], now=NOW, settings=settings)
    assert report.sources[0].tables["spx_bars"] == {"new": 3, "revised": 0, "same": 0, "held": 0}
    assert store.read("spx_bars")["open"].tolist() == [5891.0] * len(DAYS[:-3]) + [5890.0] * 3


def test_a_stub_that_ends_early_is_refused(
    provider: Any, store: MarketStore, settings: FetchSettings
) -> None:
    _serve_cboe(provider)
    fetch(store, ["cboe"], now=NOW, settings=settings)
    provider.on(f"{PRICES}/VIX3M_History.csv", provider.csv(_bars(DAYS[:3], 17.0)))
    report = fetch(store, ["cboe"], now=NOW, settings=settings)
    assert "ends 2024-12-04, before the stored 2025-01-02" in str(report.sources[0].reason)


def test_a_day_that_still_runs_is_left_out(
    provider: Any, store: MarketStore, settings: FetchSettings
) -> None:
    _serve_cboe(provider)
    noon = pd.Timestamp("2025-01-02 17:00", tz="UTC")
    fetch(store, ["cboe"], now=noon, settings=settings)
    assert store.read("vol_indices")["date"].max() == pd.Timestamp("2024-12-31")
    assert store.read("spx_bars")["date"].max() == pd.Timestamp("2024-12-31")


def test_one_failing_source_does_not_stop_the_others(
    provider: Any, store: MarketStore, settings: FetchSettings
) -> None:
    _serve_cboe(provider)
    provider.on("/graph/fredgraph.csv", provider.HTML)
    report = fetch(store, ["fred", "cboe"], now=NOW, settings=settings)
    assert [one.outcome for one in report.sources] == ["failed", "fetched"]
    assert report.sources[0].stale == {"rates": None, "dollar": None}
    assert report.exit_code == 3


def test_unknown_sources_are_a_wrong_call(store: MarketStore, settings: FetchSettings) -> None:
    with pytest.raises(UsageError, match="no source is called 'yahoo'"):
        fetch(store, ["yahoo"], now=NOW, settings=settings)


# ---- VIX futures --------------------------------------------------------------------------------

HEADER = "Trade Date,Futures,Open,High,Low,Close,Settle,Change,Total Volume,EFP,Open Interest"


def _contract(days: pd.DatetimeIndex, level: float) -> str:
    prices = f"{level},{level + 1},{level - 1},{level},{level}"
    rows = [f"{day:%Y-%m-%d},F (Jan 2025),{prices},0,100,0,500" for day in days]
    return "\n".join([HEADER, *rows]) + "\n"


def _serve_futures(provider: Any) -> None:
    def answer(ask: Any) -> Any:
        expiry = pd.Timestamp(ask.path.rsplit("VX_", 1)[1].removesuffix(".csv"))
        if expiry > pd.Timestamp("2025-06-30"):
            return provider.csv("<Error>AccessDenied</Error>", status=403)
        return provider.csv(
            _contract(DAYS[: DAYS.searchsorted(expiry, side="right")], 18.0 + expiry.month / 10)
        )

    provider.on("/data/us/futures/", answer)


def test_futures_are_fetched_by_contract_until_none_is_listed(
    provider: Any, store: MarketStore, settings: FetchSettings
) -> None:
    _serve_futures(provider)
    since = pd.Timestamp("2024-12-02")
    report = fetch(store, ["vx"], since=since, now=NOW, settings=settings)
    assert report.exit_code == 0, report.sources[0].reason
    rows = store.read("vix_futures")
    assert sorted({str(day.date()) for day in rows["expiry"]}) == [
        "2024-12-18", "2025-01-22", "2025-02-19", "2025-03-18", "2025-04-16", "2025-05-21",
        "2025-06-18",
    ]  # fmt: skip
    last = rows[(rows["date"] == "2024-12-18") & (rows["expiry"] == "2024-12-18")]
    assert last["is_final_settlement"].tolist() == [True]
    assert rows["is_monthly"].all()


def test_a_near_contract_must_exist(
    provider: Any, store: MarketStore, settings: FetchSettings
) -> None:
    provider.on("/data/us/futures/", provider.csv("gone", status=404))
    report = fetch(store, ["vx"], now=NOW, settings=settings)
    assert "refused" in str(report.sources[0].reason)
    assert report.sources[0].stale == {"vix_futures": None}


def test_zeros_quotes_and_a_disclaimer_are_no_prices(
    provider: Any, store: MarketStore, settings: FetchSettings
) -> None:
    text = (
        "CFE data is compiled for the convenience of site visitors.\n" + HEADER + ",\n"
        "2024-12-30,F,0,18.5,17.5,0,18.1,0,0,0,500,\n"  # no trade: quotes
        "2024-12-31,F,18.0,18.5,17.5,18.2,18.2,0,10,0,500,\n"
        "2025-01-02,F,0,0,0,0,0,0,0,0,0,\n"  # no settlement at all
    )
    provider.on("/data/us/futures/", provider.csv(text))
    fetch(store, ["vx"], since=pd.Timestamp("2024-12-27"), now=NOW, settings=settings)
    rows = store.read("vix_futures", where={"expiry": pd.Timestamp("2025-01-22")})
    assert list(rows["date"]) == [pd.Timestamp("2024-12-30"), pd.Timestamp("2024-12-31")]
    assert rows.loc[0, ["open", "high", "low", "close"]].isna().all()
    assert rows["settle"].tolist() == [18.1, 18.2]


def test_strategy_indices_are_levels(
    provider: Any, store: MarketStore, settings: FetchSettings
) -> None:
    for symbol, level in (("CNDR", 900.0), ("PUT", 2500.0), ("VXTH", 300.0)):
        provider.on(f"{PRICES}/{symbol}_History.csv", provider.csv(_closes(symbol, DAYS, level)))
    assert fetch(store, ["cboe_strategy"], now=NOW, settings=settings).exit_code == 0
    rows = store.read("strategy_indices")
    assert rows.groupby("index")["level"].first().to_dict() == {
        "cndr": 900.0, "put": 2500.0, "vxth": 300.0,
    }  # fmt: skip


# ---- FRED ---------------------------------------------------------------------------------------


def _fred(provider: Any, head: str = "observation_date", **special: str) -> None:
    def answer(ask: Any) -> Any:
        code = ask.query["id"]
        if code in special:
            return provider.csv(special[code])
        if code in ("AAA", "BAA"):
            return provider.csv(f"{head},{code}\n2024-11-01,4.8\n2024-12-01,4.9\n")
        value = {"DGS10": "4.50", "T10Y3M": "0.20", "DTWEXBGS": "129.3"}.get(code, "2.00")
        return provider.csv(
            f"{head},{code}\n2024-12-24,{value}\n2024-12-25,.\n2024-12-26,\n2024-12-27,{value}\n"
            f"2024-12-28,{value}\n"
        )

    provider.on("/graph/fredgraph.csv", answer)


@pytest.mark.parametrize("head", ["observation_date", "DATE"])
def test_fred_series_holidays_weekends_and_both_headers(
    provider: Any, store: MarketStore, settings: FetchSettings, head: str
) -> None:
    _fred(provider, head)
    report = fetch(store, ["fred"], now=NOW, settings=settings)
    assert report.exit_code == 0, report.sources[0].reason
    rates = store.read("rates", where={"series": "dgs10"})
    assert [str(day.date()) for day in rates["date"]] == ["2024-12-24", "2024-12-27"]
    bills = store.read("rates", where={"series": "dgs3mo"})
    np.testing.assert_allclose(bills["value_pct"], 4.30)
    assert store.read("rates", where={"series": "hy_oas"})["value_pct"].tolist() == [2.0, 2.0]
    assert store.read("dollar")["value_index"].tolist() == [129.3, 129.3]
    assert len(store.read("rates", where={"series": "baa"})) == 2


def test_fred_goes_on_from_what_is_stored(
    provider: Any, store: MarketStore, settings: FetchSettings
) -> None:
    _fred(provider)
    fetch(store, ["fred"], now=NOW, settings=settings)
    assert "cosd" not in provider.asked[0].query
    fetch(store, ["fred"], now=NOW, settings=settings)
    again = [ask.query["cosd"] for ask in provider.asked[13:] if ask.query["id"] == "DGS10"]
    assert again == ["2024-11-17"]  # forty days of overlap


def test_a_renamed_or_empty_fred_series_stores_nothing_of_fred(
    provider: Any, store: MarketStore, settings: FetchSettings
) -> None:
    _fred(provider, BAA="observation_date,DBAA\n2024-12-01,5\n")
    report = fetch(store, ["fred"], now=NOW, settings=settings)
    assert "FRED BAA has no column BAA" in str(report.sources[0].reason)
    assert store.read("rates").empty
    _fred(provider, DGS2="observation_date,DGS2\n2024-12-24,.\n2024-12-25,.\n")
    report = fetch(store, ["fred"], now=NOW, settings=settings)
    assert "no value at all" in str(report.sources[0].reason)
    assert store.read("rates").empty


# ---- a sheet ------------------------------------------------------------------------------------


def test_breadth_comes_from_a_sheet(
    provider: Any, store: MarketStore, settings: FetchSettings
) -> None:
    rows = "".join(
        f"{day.date()},1800,1100,{150 if i else ''},note\n" for i, day in enumerate(DAYS)
    )
    provider.on("/breadth.csv", provider.csv("date,advances,declines,new_highs,remark\n" + rows))
    report = fetch(store, ["sheet"], now=NOW, settings=settings)
    assert report.exit_code == 0, report.sources[0].reason
    stored = store.read("breadth")
    assert len(stored) == len(DAYS)
    assert stored["universe"].unique().tolist() == ["nyse"]
    assert stored["new_highs"].isna().tolist() == [True] + [False] * (len(DAYS) - 1)


def test_a_sheet_of_other_days_is_refused(
    provider: Any, store: MarketStore, settings: FetchSettings
) -> None:
    days = pd.date_range("2024-12-02", "2024-12-31")  # every day, weekends too
    rows = "".join(f"{day.date()},1800,1100\n" for day in days)
    provider.on("/breadth.csv", provider.csv("date,advances,declines\n" + rows))
    report = fetch(store, ["sheet"], now=NOW, settings=settings)
    assert "without a session" in str(report.sources[0].reason)
    assert store.read("breadth").empty


def test_a_sheet_without_an_address_says_so(store: MarketStore) -> None:
    report = fetch(store, ["sheet"], now=NOW, settings=FetchSettings())
    assert report.exit_code == 2
    assert "fetch.sheet.url is not set" in str(report.sources[0].reason)
