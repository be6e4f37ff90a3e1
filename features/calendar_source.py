"""Write ``features/xnys.csv``: every weekday without a session and every early close.

Run ``python -m features.calendar_source > features/xnys.csv`` after an exchange has announced a
change. The package that knows the rules takes more than a second to import, so the run-time
calendar (`features.sessions`) reads this small file instead; a test holds the two equal.
"""

from __future__ import annotations

import sys
from typing import TextIO

import pandas as pd

__all__ = ["FIRST", "LAST", "write_exceptions"]

# Before 1970 the package lacks most holidays (it gives 1965-11-25, Thanksgiving, as a session).
FIRST = pd.Timestamp("1970-01-02")
LAST = pd.Timestamp("2035-12-31")


def write_exceptions(out: TextIO) -> None:
    """Write the exceptions to "Monday to Friday, 09:30 to 16:00 New York" as CSV.

    Parameters
    ----------
    out : text file
        Receives ``date,close``: `close` is the New York clock of an early close, ``closed``, or
        ``unforeseen`` for a day of mourning or disaster that no rule gives. The first and last
        line are marks of the span that the file speaks for.
    """
    import exchange_calendars

    calendar = exchange_calendars.get_calendar("XNYS", start=FIRST, end=LAST)
    closes = calendar.schedule["close"].dt.tz_convert("America/New_York")
    clocks = closes.dt.strftime("%H:%M")
    exceptions = {day: clock for day, clock in clocks.items() if clock != "16:00"}
    exceptions |= dict.fromkeys(pd.bdate_range(FIRST, LAST).difference(clocks.index), "closed")
    by_chance = pd.DatetimeIndex(calendar.adhoc_holidays).tz_localize(None)
    exceptions |= {day: "unforeseen" for day in by_chance if day in exceptions}
    out.write("date,close\n")
    out.write(f"{FIRST:%Y-%m-%d},first\n")
    for day in sorted(exceptions):
        out.write(f"{day:%Y-%m-%d},{exceptions[day]}\n")
    out.write(f"{LAST:%Y-%m-%d},last\n")


if __name__ == "__main__":
    write_exceptions(sys.stdout)
