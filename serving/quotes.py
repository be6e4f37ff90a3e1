"""Chain quotes from the user's CSV: the best source of marks, when there is one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from features.errors import DataError
from serving.pricing import implied_vol
from serving.smile import Marks

__all__ = ["COLUMNS", "ChainQuotes", "read_quotes"]

COLUMNS = ("quoted_at", "root", "expiry", "strike", "right", "bid", "ask")
_ROOTS = ("SPX", "SPXW", "VIX", "VIXW")
_EPS = 1e-9


@dataclass(frozen=True)
class ChainQuotes:
    """Quotes of options, a row a quote: `COLUMNS`, checked and sorted.

    Attributes
    ----------
    frame : pd.DataFrame
        `quoted_at` is ``datetime64[us, UTC]``, `expiry` a tz-naive session, `right` C or P.
    name : str
        Where they come from, for messages.
    """

    frame: pd.DataFrame
    name: str = "the quotes"

    def known(self, since: pd.Timestamp, cutoff: pd.Timestamp) -> ChainQuotes:
        """Keep what was quoted from `since` to `cutoff`, the newest quote of each option.

        Raises
        ------
        DataError
            If nothing was, or the quotes that are left could be traded against each other for a
            sure profit: they are not of one moment, or of different things.
        """
        made = self.frame["quoted_at"]
        seen = self.frame[(made >= since) & (made <= cutoff)]
        if seen.empty:
            span = f"run from {made.min()} to {made.max()}" if len(made) else "are none"
            raise DataError(
                f"{self.name} holds no quote of this ticket: its quotes {span}, expected some from "
                f"{since} to the cut-off {cutoff}. Give a newer file, or leave the chain out."
            )
        key = ["root", "expiry", "right", "strike"]
        newest = seen.sort_values([*key, "quoted_at"]).drop_duplicates(key, keep="last")
        for _, options in newest.groupby(key[:3], sort=True):
            _refuse_arbitrage(self.name, options)
        return ChainQuotes(newest.reset_index(drop=True), self.name)

    def ladder(self, root: str, expiry: pd.Timestamp) -> pd.DataFrame:
        """Give the strikes of one expiry that have both a put and a call.

        Returns
        -------
        pd.DataFrame
            Index strike, rising; columns ``put_bid, put_ask, call_bid, call_ask``.
        """
        rows = self.frame[(self.frame["root"] == root) & (self.frame["expiry"] == expiry)]
        sides = {
            name: rows[rows["right"] == right].set_index("strike")[["bid", "ask"]]
            for name, right in (("put", "P"), ("call", "C"))
        }
        both = [side.add_prefix(f"{name}_") for name, side in sides.items()]
        return both[0].join(both[1], how="inner").sort_index()

    def mark(
        self,
        *,
        root: str,
        expiry: pd.Timestamp,
        strikes: ArrayLike,
        call: ArrayLike,
        forward: float,
        tau: float,
        discount: float = 1.0,
    ) -> Marks | None:
        """Mark options from their quotes.

        Parameters
        ----------
        root : str
            SPX, SPXW, VIX or VIXW.
        expiry : pd.Timestamp
            Expiry session.
        strikes, call : ArrayLike
            The options.
        forward, tau, discount : float
            For the implied volatility only; the prices are the quotes'.

        Returns
        -------
        Marks or None
            Mid between bid and ask, with bid and ask as the band; `None` when any of the
            options has no quote, so a package is never marked from two sources.
        """
        strikes_, call_ = np.broadcast_arrays(np.asarray(strikes, dtype=float), np.asarray(call))
        rows = self.frame[(self.frame["root"] == root) & (self.frame["expiry"] == expiry)]
        book = rows.set_index(["strike", "right"])[["bid", "ask"]]
        wanted = [
            (float(k), "C" if c else "P") for k, c in zip(strikes_.flat, call_.flat, strict=True)
        ]
        if not all(key in book.index for key in wanted):
            return None
        found: NDArray[np.float64] = book.loc[wanted].to_numpy(dtype=float)
        bid, ask = found[:, 0].reshape(strikes_.shape), found[:, 1].reshape(strikes_.shape)
        mid = (bid + ask) / 2
        vol = implied_vol(mid, forward, strikes_, tau, call=call_, discount=discount)
        source = np.broadcast_to(np.asarray("quotes"), mid.shape)
        return Marks(mid=mid, low=bid, high=ask, vol=vol, source=source)


def read_quotes(path: Path) -> ChainQuotes:
    """Read a chain snapshot from CSV.

    Parameters
    ----------
    path : Path
        CSV with the columns of `COLUMNS`: `quoted_at` ISO 8601 with a zone, `expiry` ISO date,
        `right` C or P, prices in index points. Further columns are ignored.

    Returns
    -------
    ChainQuotes

    Raises
    ------
    DataError
        If a column is missing, a value cannot be read, a bid exceeds its ask, a price is
        negative, an option is quoted twice at one moment, or a time has no zone. The message
        names the first line.
    """
    try:
        frame = pd.read_csv(path, dtype=str)
    except (OSError, pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read quotes from {path}: {error}. Expected a CSV file.") from error
    missing = [name for name in COLUMNS if name not in frame]
    if missing:
        raise DataError(
            f"{path} lacks the columns {', '.join(missing)}. Expected {', '.join(COLUMNS)}."
        )
    zoned = frame["quoted_at"].str.contains(r"(?:Z|[+-]\d\d:?\d\d)$", regex=True, na=False)
    _refuse(path, ~zoned, "`quoted_at` must be ISO 8601 with a zone, such as 2026-11-23T20:10:00Z")
    quoted_at = pd.to_datetime(frame["quoted_at"], utc=True, errors="coerce", format="ISO8601")
    expiry = pd.to_datetime(frame["expiry"], errors="coerce", format="%Y-%m-%d")
    out = pd.DataFrame(
        {
            "quoted_at": quoted_at.dt.as_unit("us"),
            "root": frame["root"].str.strip(),
            "expiry": expiry.dt.as_unit("us"),
            "right": frame["right"].str.strip(),
            **{
                name: pd.to_numeric(frame[name], errors="coerce")
                for name in ("strike", "bid", "ask")
            },
        }
    )[list(COLUMNS)]
    _refuse(path, out["quoted_at"].isna(), "`quoted_at` must be a time")
    _refuse(path, out["expiry"].isna(), "`expiry` must be a date such as 2026-11-24")
    _refuse(path, ~out["root"].isin(_ROOTS), f"`root` must be one of {', '.join(_ROOTS)}")
    _refuse(path, ~out["right"].isin(["C", "P"]), "`right` must be C or P")
    _refuse(path, ~(out["strike"] > 0), "`strike` must be a positive number")
    _refuse(path, ~(out["bid"] >= 0), "`bid` must be a number, not negative")
    _refuse(path, ~(out["ask"] >= out["bid"]), "`ask` must be a number, not below the bid")
    key = ["root", "expiry", "strike", "right", "quoted_at"]
    _refuse(path, out.duplicated(key), "an option may be quoted once at a moment")
    return ChainQuotes(out.sort_values(key).reset_index(drop=True), str(path))


def _refuse_arbitrage(name: str, options: pd.DataFrame) -> None:
    """Refuse one expiry's calls or puts where a spread pays for sure, at the quotes themselves."""
    # as seen from the dearest option down: calls by rising strike, puts by falling strike
    order = options if options["right"].iloc[0] == "C" else options.iloc[::-1]
    strike, bid, ask = (order[c].to_numpy(dtype=float) for c in ("strike", "bid", "ask"))
    cheapest = np.minimum.accumulate(ask)[:-1]
    free = bid[1:] > cheapest + _EPS  # sells for more than a better option costs
    wide = bid[:-1] - ask[1:] > np.abs(np.diff(strike)) + _EPS  # pays more than it can ever owe
    if (free | wide).any():
        place = int(np.flatnonzero(free | wide)[0]) + 1
        one = order.iloc[place]
        raise DataError(
            f"{name} quotes {one['root']} {one['expiry']:%Y-%m-%d} {one['strike']:g}{one['right']} "
            f"at {one['bid']:g}/{one['ask']:g}, which against the strikes beside it is a sure "
            "profit. Expected quotes of one moment without arbitrage; mend or leave out that line."
        )


def _refuse(path: Path, bad: pd.Series[bool], rule: str) -> None:
    if bad.any():
        line = int(np.flatnonzero(bad.to_numpy())[0]) + 2  # the header is line 1
        raise DataError(f"{path} line {line}: {rule}. Mend that line.")
