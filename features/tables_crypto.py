"""The crypto tables: bars, funding, open interest, liquidations."""

from __future__ import annotations

from features.availability import at_bar_close, at_moment, utc_day_after
from features.schema import Check, Column, Table
from features.table_parts import BAR_CHECKS, ohlc

__all__ = ["CRYPTO_TABLES", "FEED_BREAK"]

#: Binance cut its public liquidation feed to one order per symbol and second on this UTC day.
FEED_BREAK = "2021-04-27"

_VENUE = Column("venue", "text", "", "Exchange, lower case.", required=True)
_BASE = Column("base", "text", "", "Base coin, upper case.", required=True)
_SIDE = Column("liquidated_side", "text", "", "Position closed; empty where unsaid.",
               choices=("long", "short"))  # fmt: skip
_BARS = (
    Column("ts", "moment", "UTC", "Open of the bar.", required=True),
    _VENUE,
    _BASE,
    *ohlc("USD or USDT"),
    Column(
        "volume_base",
        "number",
        "base coin",
        "Traded volume; OKX perpetual contracts are converted.",
        low=0,
    ),
)
OFF_THE_HOUR = Check(
    "`ts` is not the start of an hour",
    lambda rows: (rows["ts"].astype("int64") % 3_600_000_000 != 0).to_numpy(),
)
_DAY = Column("date", "date", "UTC day", "The day that the totals cover.", required=True)


def _usd(name: str, about: str) -> Column:
    return Column(name, "number", "USD", about, low=0)


CRYPTO_TABLES: tuple[Table, ...] = (
    Table(
        name="perp_bars",
        about=(
            "Hourly candles of perpetual futures, one row per hour, venue and coin. `ts` is the "
            "OPEN of the bar, so a candle is known an hour after its stamp. Single-venue wicks "
            "are real and kept. Daily candles of aggregators are not stored here: they miss "
            "crash hours (2021-05-19)."
        ),
        key=("ts", "venue", "base"),
        columns=_BARS,
        availability=at_bar_close(60),
        cadence="hour",
        checks=(*BAR_CHECKS, OFF_THE_HOUR),
        fresh_sessions=0,
    ),
    Table(
        name="spot_bars",
        about=(
            "Hourly candles of spot pairs against USDT, laid out like `perp_bars`. Binance "
            "misses 31 hours in 2020-2021 (maintenance), never filled."
        ),
        key=("ts", "venue", "base"),
        columns=_BARS,
        availability=at_bar_close(60),
        cadence="hour",
        checks=(*BAR_CHECKS, OFF_THE_HOUR),
    ),
    Table(
        name="funding",
        about=(
            "Settled funding of perpetuals: the fraction paid per interval, not annualised. `ts` "
            "is the settlement. The interval differs between venues and over time (24, 8 or 1 "
            "hours), so compare rates only per hour or year."
        ),
        key=("ts", "venue", "base"),
        columns=(
            Column("ts", "moment", "UTC", "Settlement.", required=True),
            _VENUE,
            _BASE,
            Column(
                "rate",
                "number",
                "fraction per interval",
                "Longs pay shorts when positive.",
                required=True,
                low=-0.2,
                high=0.2,
            ),
            Column(
                "interval_hours",
                "number",
                "hours",
                "Time since the settlement before.",
                required=True,
                above=0,
                high=24,
            ),
        ),
        availability=at_moment(),
        cadence="event",
        fresh_sessions=0,
        step_hours=8.0,
    ),
    Table(
        name="open_interest",
        about=(
            "Open interest as it stood at `ts`. Venues stamp it at the START of its hour: the "
            "change during the candle stamped t is OI[t + 1h] / OI[t] - 1, known with the stamp "
            "t + 1h. Five minutes are allowed for its publication. `unit` says whether it is in "
            "base coin or USD; never compare levels across units, venues, or the small early "
            "years. Daily series give the day's first value (interval_hours 24)."
        ),
        key=("ts", "venue", "base"),
        columns=(
            Column(
                "ts",
                "moment",
                "UTC",
                "Moment of the reading: the start of its interval.",
                required=True,
            ),
            _VENUE,
            _BASE,
            Column(
                "open_interest",
                "number",
                "see `unit`",
                "Contracts outstanding.",
                required=True,
                above=0,
            ),
            Column(
                "unit",
                "text",
                "",
                "Unit of `open_interest`.",
                required=True,
                choices=("base", "usd"),
            ),
            Column(
                "interval_hours",
                "number",
                "hours",
                "Time to the next reading.",
                required=True,
                above=0,
                high=24,
            ),
        ),
        availability=at_moment(5),
        cadence="event",
        fresh_sessions=0,
    ),
    Table(
        name="liquidation_totals",
        about=(
            "Daily totals per coin over several venues (Coinglass): liquidated USD of long and "
            "short positions, open interest, perpetual volume, funding, taker flow and the "
            "long/short account ratio. Lower bounds. `feed_era` marks the structural break of "
            f"{FEED_BREAK}, when Binance throttled its public feed: never compare levels across "
            "it, normalise within an era."
        ),
        key=("date", "base"),
        columns=(
            _DAY,
            _BASE,
            _usd("long_usd", "Long positions liquidated."),
            _usd("short_usd", "Short positions liquidated."),
            _usd("oi_usd", "Open interest of all exchanges at the end of the day."),
            _usd("perp_volume_usd", "Volume of the Binance perpetual."),
            Column(
                "funding_pct",
                "number",
                "percent per 8 hours",
                "Funding weighted by open interest.",
                low=-20,
                high=20,
            ),
            _usd("taker_buy_usd", "Aggressive buying."),
            _usd("taker_sell_usd", "Aggressive selling."),
            Column(
                "lsr_global",
                "number",
                "ratio",
                "Accounts net long over accounts net short.",
                above=0,
            ),
            Column(
                "feed_era",
                "text",
                "",
                "Side of the break on which the day lies.",
                required=True,
                choices=("pre_2021_04_27", "throttled"),
            ),
        ),
        availability=utc_day_after(5),
        cadence="day",
        fresh_sessions=1,
    ),
    Table(
        name="liquidation_events",
        about=(
            "Single forced orders or fills. The big tape lives in its own files; this table "
            "holds short samples and what a fetcher collects. `completeness` says how much of "
            "the truth the feed shows: a feed throttled to one order per second is a lower "
            "bound, and no message is not zero liquidations."
        ),
        key=("ts", "venue", "symbol", "event_id"),
        columns=(
            Column("ts", "moment", "UTC", "Time of the event.", required=True),
            _VENUE,
            Column("symbol", "text", "", "Instrument as the venue names it.", required=True),
            Column(
                "event_id",
                "text",
                "",
                "Venue's id, or a hash of what identifies the event.",
                required=True,
            ),
            _BASE,
            _SIDE,
            Column(
                "price", "number", "USD or USDT", "Price; see `price_kind`.", required=True, above=0
            ),
            Column(
                "price_kind",
                "text",
                "",
                "What the price is.",
                required=True,
                choices=("avg_fill", "order_limit", "bankruptcy", "mark", "unknown"),
            ),
            Column(
                "qty_base",
                "number",
                "base coin",
                "Size; empty where the contract value is unknown.",
                above=0,
            ),
            Column("notional_usd", "number", "USD", "Size times price.", above=0),
            Column(
                "mechanism",
                "text",
                "",
                "How it was closed.",
                required=True,
                choices=("market", "backstop", "adl", "onchain", "unknown"),
            ),
            Column(
                "completeness",
                "text",
                "",
                "How much the feed shows.",
                required=True,
                choices=("all", "1_per_s", "snapshot", "aggregate", "unknown"),
            ),
        ),
        availability=at_moment(),
        cadence="event",
    ),
    Table(
        name="onchain_liquidations",
        about=(
            "Liquidations on lending protocols: Aave (wBTC and cbBTC collateral) and Compound "
            "v3. Compound rows carry the extractable value that the oracle auction (SVR) "
            "recaptured. Coverage is partial: 22 % of the Aave blocks with a hash hold more than "
            "one liquidation, a third of its rows have no hash."
        ),
        key=("ts", "protocol", "event_id"),
        columns=(
            Column("ts", "moment", "UTC", "Block time.", required=True),
            Column("protocol", "text", "", "Lending protocol and version.", required=True),
            Column("event_id", "text", "", "Hash of what identifies the event.", required=True),
            Column("market", "text", "", "Market or pool.", required=True),
            Column("collateral", "text", "", "Collateral coin where known."),
            Column("borrower", "text", "", "Address of the liquidated account.", required=True),
            Column("liquidator", "text", "", "Address of the liquidator where known."),
            Column("amount_tokens", "number", "tokens", "Collateral seized where known.", low=0),
            Column("notional_usd", "number", "USD", "Value liquidated.", required=True, low=0),
            Column("incentive_usd", "number", "USD", "Value on offer to the liquidator.", low=0),
            Column(
                "recaptured_eth",
                "number",
                "ETH",
                "Extractable value recaptured by the auction.",
                low=0,
            ),
            Column(
                "svr_routed",
                "text",
                "",
                "Whether the auction routed it.",
                choices=("true", "false", "unknown"),
            ),
            Column("tx_hash", "text", "", "Transaction where known."),
        ),
        availability=at_moment(),
        cadence="event",
    ),
)
