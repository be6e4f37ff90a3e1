"""Columns and checks that several tables share."""

from __future__ import annotations

from features.schema import Check, Column

__all__ = ["BAR_CHECKS", "CLOSE_OUTSIDE", "DATE", "LOW_ABOVE_HIGH", "count", "ohlc"]

DATE = Column("date", "date", "date", "The session or day of the row.", required=True)

LOW_ABOVE_HIGH = Check(
    "`low` is above `high`", lambda rows: (rows["low"] > rows["high"]).to_numpy()
)
CLOSE_OUTSIDE = Check(
    "`close` lies outside `low` to `high`",
    lambda rows: ((rows["close"] > rows["high"]) | (rows["close"] < rows["low"])).to_numpy(),
)
OPEN_OUTSIDE = Check(
    "`open` lies outside `low` to `high`",
    lambda rows: ((rows["open"] > rows["high"]) | (rows["open"] < rows["low"])).to_numpy(),
)
BAR_CHECKS = (LOW_ABOVE_HIGH, CLOSE_OUTSIDE, OPEN_OUTSIDE)

_WORDS = {"open": "First", "high": "Highest", "low": "Lowest", "close": "Last"}


def ohlc(unit: str, *, required: bool = True, high: float | None = None) -> tuple[Column, ...]:
    """Declare open, high, low and close above 0; `close` is required in any case."""
    return tuple(
        Column(
            name, "number", unit, f"{word} value.", required or name == "close", above=0, high=high
        )
        for name, word in _WORDS.items()
    )


def count(name: str, about: str, *, unit: str = "issues", required: bool = False) -> Column:
    """Declare a count that is not negative."""
    return Column(name, "number", unit, about, required, low=0)
