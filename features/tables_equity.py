"""The equity tables: volatility indices and futures, the S&P 500, breadth."""

from __future__ import annotations

from features.availability import at_clock
from features.schema import Check, Column, Table
from features.table_parts import BAR_CHECKS, CLOSE_OUTSIDE, DATE, LOW_ABOVE_HIGH, count, ohlc

__all__ = ["BREADTH_PRECEDENCE", "EQUITY_TABLES", "SURVIVORSHIP"]

#: Said wherever a value rests on the S&P 500 breadth universes.
SURVIVORSHIP = (
    "counts over today's index members: survivorship-biased, so ratios only, never levels"
)

#: Universes from the most to the least trusted, per field. Only ratios may cross a change of
#: universe.
BREADTH_PRECEDENCE: dict[str, tuple[str, ...]] = {
    "advances": ("nyse", "sp500_wide", "sp500"),
    "declines": ("nyse", "sp500_wide", "sp500"),
    "unchanged": ("nyse", "sp500"),
    "new_highs": ("nyse", "sp500"),
    "new_lows": ("nyse", "sp500"),
    "up_volume": ("nyse", "sp500"),
    "down_volume": ("nyse", "sp500"),
    "n_above_ma50": ("sp500",),
    "n_above_ma200": ("sp500",),
    "n_ma200": ("sp500",),
}

UNIVERSES = ("nyse", "nasdaq", "sp500", "sp500_wide")
VOL_SYMBOLS = ("vix", "vix1d", "vix9d", "vix3m", "vix6m", "vvix", "skew")

AFTER_EXPIRY = Check(
    "`date` is after `expiry`", lambda rows: (rows["date"] > rows["expiry"]).to_numpy()
)
STILL_MARKET = Check(
    "nothing advances and nothing declines",
    lambda rows: ((rows["advances"] + rows["declines"]) == 0).to_numpy(),
)

EQUITY_TABLES: tuple[Table, ...] = (
    Table(
        name="vol_indices",
        about=(
            "Cboe volatility indices, one row per session and symbol. VVIX and SKEW, and every "
            "index where only closes are published, have no open, high or low. Cboe publishes "
            "some rows on exchange holidays; they are left out, as is VVIX before 2007, whose "
            "first values are implausible as published. Opens outside high and low occur as "
            "published (47 VIX rows, mostly 1992-1993) and are kept. The close file is trusted "
            "before the OHLC file, and both before Yahoo, which only fills keys that Cboe does "
            "not have (VIX3M from 2006-07-17)."
        ),
        key=("date", "symbol"),
        columns=(
            DATE,
            Column("symbol", "text", "", "Index.", required=True, choices=VOL_SYMBOLS),
            *ohlc("index points", required=False, high=500),
        ),
        availability=at_clock("16:20"),
        cadence="session",
        checks=(LOW_ABOVE_HIGH, CLOSE_OUTSIDE),
        precedence=("cboe", "yahoo"),
        fresh_sessions=0,
        essential=("vix",),
    ),
    Table(
        name="vix_futures",
        about=(
            "VIX futures by contract, one row per session and expiry, prices before 2007-03-26 "
            "on today's scale. On the expiry date `settle` is the final settlement (SOQ) and "
            "`is_final_settlement` is true: no price at which anything could be traded that day "
            "after the open. On a day without trades the high and low that some files give are "
            "quotes, and are left empty. Weekly contracts are partial (2018 on)."
        ),
        key=("date", "expiry"),
        columns=(
            DATE,
            Column("expiry", "date", "date", "Final settlement day.", required=True),
            Column(
                "is_monthly", "flag", "", "Whether the contract is a monthly one.", required=True
            ),
            Column(
                "is_final_settlement", "flag", "", "Whether `date` is the expiry.", required=True
            ),
            *(
                Column(name, "number", "index points", "Traded price.", above=0, high=500)
                for name in ("open", "high", "low", "close")
            ),
            Column(
                "settle",
                "number",
                "index points",
                "Daily or final settlement.",
                required=True,
                above=0,
                high=500,
            ),
            count("volume", "Contracts traded.", unit="contracts"),
            count("open_interest", "Open interest after the session.", unit="contracts"),
        ),
        availability=at_clock("17:00"),
        cadence="session",
        checks=(LOW_ABOVE_HIGH, AFTER_EXPIRY),
        fresh_sessions=0,
    ),
    Table(
        name="spx_bars",
        about=(
            "S&P 500 index, one row per session. Open and volume are unknown before 1999 and "
            "where their source has no row; they are never filled."
        ),
        key=("date",),
        columns=(
            DATE,
            Column("open", "number", "index points", "Opening level.", above=0),
            *ohlc("index points")[1:],
            count("volume_shares", "Shares traded in the members.", unit="shares"),
        ),
        availability=at_clock("16:20"),
        cadence="session",
        checks=BAR_CHECKS,
        fresh_sessions=0,
    ),
    Table(
        name="spy_bars",
        about=(
            "The ETF SPY, one row per session: its opening is a price, where the index's own "
            "published opening repeats stale prices until about 2018. `adjusted_close` takes "
            "dividends out, whose ex-days fall on the sessions of quarterly expiries."
        ),
        key=("date",),
        columns=(
            DATE,
            *ohlc("dollars"),
            Column(
                "adjusted_close",
                "number",
                "dollars",
                "Close with dividends taken out.",
                required=True,
                above=0,
            ),
        ),
        availability=at_clock("16:20"),
        cadence="session",
        checks=BAR_CHECKS,
    ),
    Table(
        name="breadth",
        about=(
            "Advances, declines and their like, one row per session and universe. `nyse` has "
            "highs, lows and volumes to 2015-11-11 and nothing between 2015-11-12 and 2017-01-02 "
            "or after 2020-02-10; volumes are in shares throughout (those up to 2002-06-19 are "
            "published in thousands and are converted). `sp500` and `sp500_wide` are "
            f"{SURVIVORSHIP}. Which universe speaks is decided per field (`BREADTH_PRECEDENCE`), "
            "and only ratios may cross a change of universe."
        ),
        key=("date", "universe"),
        columns=(
            DATE,
            Column(
                "universe",
                "text",
                "",
                "Whose issues are counted.",
                required=True,
                choices=UNIVERSES,
            ),
            count("advances", "Issues that closed higher.", required=True),
            count("declines", "Issues that closed lower.", required=True),
            count("unchanged", "Issues that closed unchanged."),
            count("new_highs", "New 52-week highs."),
            count("new_lows", "New 52-week lows."),
            count("up_volume", "Volume in advancing issues.", unit="shares"),
            count("down_volume", "Volume in declining issues.", unit="shares"),
            count("n_above_ma50", "Members above their 50-session average."),
            count("n_above_ma200", "Members above their 200-session average."),
            count("n_ma200", "Members old enough to have that average."),
        ),
        availability=at_clock("17:30"),
        cadence="session",
        checks=(
            Check(
                "nothing advances and nothing declines",
                lambda rows: ((rows["advances"] + rows["declines"]) == 0).to_numpy(),
            ),
        ),
        fresh_sessions=0,
    ),
)
