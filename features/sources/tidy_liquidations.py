"""Layouts of the liquidation files: event tapes and lending protocols."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pandas as pd

from features.sources.layout import Field, Layout, Part, numbers, ts_field
from features.sources.tidy_crypto import OKX_CONTRACT, base_of
from features.tables import FEED_BREAK

__all__ = ["LAYOUTS"]

PRICE_KIND = {
    "okx": "bankruptcy",
    "bybit": "bankruptcy",
    "binance": "avg_fill",
    "hyperliquid": "avg_fill",
}


def _event_ids(rows: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Hash what identifies an event; equal ones are numbered in the order of the file."""
    plain = (rows[name].astype("int64") if name == "timestamp" else rows[name] for name in columns)
    texts = (values.astype("str").to_list() for values in plain)
    identities = ["|".join(cells) for cells in zip(*texts, strict=True)]
    seen: dict[str, int] = {}
    ids = []
    for identity in identities:
        number = seen.get(identity, 0)
        seen[identity] = number + 1
        ids.append(hashlib.sha256(f"{identity}#{number}".encode()).hexdigest()[:20])
    return ids


def _completeness(rows: pd.DataFrame) -> pd.Series:
    """Say how much of the truth each venue's feed shows; Binance throttled its own in 2021."""
    shown = (
        rows["venue"]
        .astype("str")
        .map(dict.fromkeys(("okx", "bybit", "binance"), "all"))
        .fillna("unknown")
    )
    throttled = rows["timestamp"] >= pd.Timestamp(FEED_BREAK, tz="UTC")
    return shown.mask((rows["venue"] == "binance") & throttled, "1_per_s")


def _events(rows: pd.DataFrame) -> list[Part]:
    base = base_of(rows["coin"])
    contract = base.astype("str").map(OKX_CONTRACT).where(rows["size_unit"] == "contracts", 1.0)
    identity = ("timestamp", "venue", "coin", "side_raw", "price", "size_raw")
    named = rows.rename(columns={"timestamp": "ts", "coin": "symbol"}).assign(
        base=base,
        qty_base=rows["size_raw"] * contract,
        price_kind=rows["venue"].astype("str").map(PRICE_KIND).fillna("unknown"),
        mechanism="unknown",
        completeness=_completeness(rows),
        event_id=_event_ids(rows, identity),
    )
    return [Part("liquidation_events", named, "crypto_liquidation_events_okx_hl")]


def _aave(rows: pd.DataFrame) -> list[Part]:
    identity = (
        "timestamp",
        "market_name",
        "collateral_symbol",
        "liquidator",
        "liquidatee",
        "amount_tokens",
    )
    names = {
        "timestamp": "ts",
        "market_name": "market",
        "collateral_symbol": "collateral",
        "liquidatee": "borrower",
    }
    named = rows.rename(columns=names).assign(
        protocol="aave_" + rows["aave_version"].astype("str").str.lower(),
        event_id=_event_ids(rows, identity),
    )
    return [Part("onchain_liquidations", named, "the_graph")]


def _compound(rows: pd.DataFrame) -> list[Part]:
    names = {
        "timestamp": "ts",
        "value_liquidated_usd": "notional_usd",
        "available_incentive_usd": "incentive_usd",
        "gross_recaptured_eth": "recaptured_eth",
    }
    named = rows.rename(columns=names).assign(
        protocol="compound_v3",
        market=rows["chain"].astype("str") + " " + rows["comet"].astype("str"),
        svr_routed=rows["svr_routed"].astype("str").str.lower(),
        event_id=_event_ids(
            rows, ("timestamp", "chain", "comet", "tx_hash", "borrower", "value_liquidated_usd")
        ),
    )
    return [Part("onchain_liquidations", named, "compound_svr_tracker")]


def _texts(names: str) -> tuple[Field, ...]:
    return tuple(Field(name, "text") for name in names.split())


LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "crypto_liquidation_events_okx_hl",
        "Two short windows of single liquidations (OKX, Hyperliquid).",
        (
            ts_field(),
            *_texts("venue coin side_raw liquidated_side"),
            *numbers("price", "USD or USDT"),
            *numbers("size_raw", "see size_unit"),
            Field("size_unit", "text", "coin or contracts"),
            *numbers("notional_usd", "USD"),
        ),
        _events,
        ("liquidation_events",),
    ),
    Layout(
        "crypto_aave_btc_collateral_liquidations",
        "Aave liquidations of wBTC and cbBTC collateral.",
        (
            ts_field(),
            *_texts("aave_version market_name collateral_symbol liquidator liquidatee"),
            *numbers("amount_tokens", "tokens"),
            *numbers("notional_usd", "USD"),
            Field("tx_hash", "text"),
        ),
        _aave,
        ("onchain_liquidations",),
    ),
    Layout(
        "crypto_compound_svr_liquidations",
        "Compound v3 liquidations and the value its oracle auction recaptured.",
        (
            ts_field(),
            *_texts("chain comet tx_hash borrower"),
            *numbers("value_liquidated_usd", "USD"),
            *numbers("available_incentive_usd", "USD"),
            Field("svr_routed", "text", "true, false, unknown"),
            *numbers("gross_recaptured_eth", "ETH"),
        ),
        _compound,
        ("onchain_liquidations",),
    ),
)
