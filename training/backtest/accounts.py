"""The account of a replay: integer cents that close every day."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from features.errors import StormpetrelError

__all__ = ["BOOKS", "Account", "Trade", "interest_cents"]

BOOKS = ("condor_1dte", "condor_30_60", "alvh", "cash")


@dataclass(frozen=True)
class Trade:
    """One cash movement.

    Attributes
    ----------
    session, book, what : str
        ISO date, one of `BOOKS`, and what happened: open, close, settle, buy, sell, interest.
    cents : int
        Cash received (negative: paid), fees included.
    fees_cents : int
        Of that, fees.
    rule : str
        Policy row that decided.
    position : str
        Id of the position.
    """

    session: str
    book: str
    what: str
    cents: int
    fees_cents: int
    rule: str
    position: str


@dataclass
class Account:
    """Cash and the record that explains every cent of it.

    Parameters
    ----------
    start_cents : int
        Cash at the beginning.
    """

    start_cents: int
    cash_cents: int = field(init=False)
    trades: list[Trade] = field(init=False, default_factory=list)
    _equity: int = field(init=False)
    _marks: dict[str, int] = field(init=False)
    _booked: int = field(init=False, default=0)
    _recorded: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.cash_cents = self._equity = self.start_cents
        self._marks = dict.fromkeys(BOOKS, 0)

    def post(
        self,
        session: str,
        book: str,
        what: str,
        cents: int,
        *,
        fees: int = 0,
        rule: str = "",
        position: str = "",
    ) -> None:
        """Book one cash movement; `cents` already has `fees` taken off."""
        self.cash_cents += cents
        self.trades.append(Trade(session, book, what, cents, fees, rule, position))

    def close_day(self, marks: dict[str, int]) -> dict[str, int]:
        """Close the session and give each book's profit of the day, cents.

        Parameters
        ----------
        marks : dict of str to int
            Market value of what each book holds: negative for a short condor.

        Returns
        -------
        dict of str to int
            Profit by book, and `equity`.

        Raises
        ------
        StormpetrelError
            If the books do not add up to the last cent: cash against the recorded trades, and
            the change of equity against the profits of the books.
        """
        today = self.trades[self._booked :]
        self._booked = len(self.trades)
        profit = {
            book: marks.get(book, 0)
            - self._marks[book]
            + sum(trade.cents for trade in today if trade.book == book)
            for book in BOOKS
        }
        equity = self.cash_cents + sum(marks.values())
        self._recorded += sum(trade.cents for trade in today)
        recorded = self.start_cents + self._recorded
        if recorded != self.cash_cents or equity - self._equity != sum(profit.values()):
            raise StormpetrelError(
                f"the accounts do not close: cash {self.cash_cents} against {recorded} recorded, "
                f"equity moved {equity - self._equity} against profits of {sum(profit.values())} "
                "cents. This is a defect; please report it with the span."
            )
        self._equity = equity
        self._marks = {book: marks.get(book, 0) for book in BOOKS}
        return {**profit, "equity": equity}

    @property
    def fees_cents(self) -> int:
        """All fees so far."""
        return sum(trade.fees_cents for trade in self.trades)


def interest_cents(cash: int, rate: float, days: int) -> int:
    """Interest on cash over calendar days at a continuous rate, rounded to the cent."""
    return int(np.rint(cash * np.expm1(rate * days / 365.0)))
