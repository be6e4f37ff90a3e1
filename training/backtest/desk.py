"""The condor desk of a replay: fills orders on the design's clock and books every cent."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.errors import DataError
from serving.book import Book, OpenCondor
from serving.policy import Allowance
from serving.proposal import Plan, price_best_tier, size_condor
from serving.settings import ServingSettings
from serving.state import MarketState
from training.backtest.accounts import Account
from training.backtest.holdings import CENTS, Held, close_cents, mark_condors, settle_cents
from training.backtest.shelf import Shelf, Tonight
from training.backtest.shifts import rolled
from training.backtest.states import Tape
from training.backtest.variants import Variant

__all__ = ["Desk"]

_TAKE_PROFIT, _STOP, _OUT_DTE = 0.5, 2.0, 21  # exit policy tp50_sl2x_21dte of the ticket


class Desk:
    """Condors and pending exits of one replay.

    Parameters
    ----------
    tape, settings, shelf, account
        What it reads, decides with, and books to.
    book : Book
        Positions at the start.
    """

    def __init__(
        self, tape: Tape, settings: ServingSettings, shelf: Shelf, account: Account, book: Book
    ) -> None:
        self.tape, self.settings, self.shelf, self.account = tape, settings, shelf, account
        self.condors = [Held(position, "BOOK") for position in book.condors]
        self._exits: dict[str, str] = {}
        self._count = 0
        self._session = tape.market.sessions
        self._close = tape.market.column("close")

    def given(self, book: str, plan: Plan | Tonight) -> dict[str, bool]:
        """Give what the policy must know of a plan before the strike search."""
        own = self.settings.condor
        floor = own.premium_floor * own.gauge_width
        same = any(
            h.position.book == book and h.position.expiry == plan.expiry.date()
            for h in self.condors
        )
        return {
            "premium_short": plan.gauge is not None and plan.gauge < floor,
            "same_expiry": same,
        }

    def at_open(
        self, place: int, allowances: Mapping[str, Allowance], variant: Variant, equity: int
    ) -> None:
        """Fill the orders of the evening before at this opening: exits, rolls, then new condors."""
        state = self.tape.at_open(place)
        if state is None:
            raise DataError(f"no opening level for {self._session[place].date()}. Import the bar.")
        own = [h for h in self.condors if h.position.book == "condor_30_60"]
        leaving = [h for h in own if h.position.id in self._exits]
        inputs = self.shelf.inputs(state)
        prices = mark_condors(
            leaving,
            today=self._session[place],
            spot=state.spx,
            inputs=inputs,
            rate=state.rate or 0.0,
            after_open=True,
        )
        for held, price in zip(leaving, prices, strict=True):
            cost, fees = close_cents(float(price), held.position, self.settings.costs)
            self._leave(place, held, "close", -cost, fees, self._exits[held.position.id])
        self._exits = {}
        if variant.time_shift:
            self._shift(place, state, allowances["condor_1dte"])
        if "condor_30_60" in variant.books:
            self._open("condor_30_60", place, state, place - 1, allowances, equity)

    def at_close(
        self, place: int, allowances: Mapping[str, Allowance], variant: Variant, equity: int
    ) -> None:
        """Settle what expires on this close, then fill the 1 DTE book at 15:10 Chicago."""
        today = self._session[place].date()
        close = float(self._close[place])
        if not close > 0:
            raise DataError(f"no SPX close on {today}: what expires cannot settle. Import the bar.")
        for held in [h for h in self.condors if h.position.expiry <= today]:
            owed = settle_cents(held.position, close)
            self._leave(place, held, "settle", -owed, 0, held.rule)
        if "condor_1dte" in variant.books:
            state = self.tape.at_close(place)
            if state is None:
                raise DataError(f"no VIX close on {today}: no mark for the 1 DTE book. Import it.")
            self._open("condor_1dte", place, state, place, allowances, equity)

    def marks(self, place: int) -> tuple[MarketState, dict[str, int], int]:
        """Mark the condors at this close; also decide which condors leave at the next opening."""
        state = self.tape.evening[place]
        if state is None:
            day = self._session[place].date()
            raise DataError(
                f"no SPX or VIX close on {day}: open positions have no mark. Import it."
            )
        today = self._session[place]
        prices = mark_condors(
            self.condors,
            today=today,
            spot=state.spx,
            inputs=self.shelf.inputs(state),
            rate=state.rate or 0.0,
        )
        out = {"condor_1dte": 0, "condor_30_60": 0}
        for held, price in zip(self.condors, prices, strict=True):
            position = held.position
            out[position.book] -= int(np.rint(price * CENTS)) * position.quantity
            if position.book == "condor_30_60":
                self._watch(position, float(price), today)
        return state, out, self.risk_cents()

    def risk_cents(self) -> int:
        """Sum of the open condors' maximum losses."""
        return sum(h.position.condor().max_loss_cents * h.position.quantity for h in self.condors)

    def _shift(self, place: int, state: MarketState, allowance: Allowance) -> None:
        if allowance.refused or "time_shift" not in allowance.open_actions:
            return
        edr = self.tape.edr[place - 1]
        for held in [h for h in self.condors if h.position.book == "condor_1dte"]:
            new = rolled(held.position, state, self.shelf.inputs(state), edr, self.settings)
            if new is None:
                continue
            self._leave(place, held, "close", -new.paid_cents, new.fees_cents, "TIME_SHIFT")
            self._book(place, new.position, new.fees_cents, held.rule)

    def _open(
        self,
        book: str,
        place: int,
        state: MarketState,
        known: int,
        allowances: Mapping[str, Allowance],
        equity: int,
    ) -> None:
        allowance = allowances[book]
        if allowance.refused or allowance.tier == 0 or equity <= 0:
            return
        edr, edr_cal = self.tape.edr[known], self.tape.edr_cal[known]
        plan = self.shelf.plan(book, state, edr.points(state.spx) or 0.0)
        if self.given(book, plan)["same_expiry"]:
            return
        quote = price_best_tier(plan, allowance, edr, edr_cal, self.settings)
        if quote.condor is None:
            return
        account = Book(equity_cents=equity, condors=tuple(h.position for h in self.condors))
        count, _ = size_condor(quote, quote.condor, allowance, account, self.settings, 0)
        if count < 1:
            return
        day = self._session[place]
        self._count += 1
        condor = quote.condor
        position = OpenCondor(
            id=f"{book}-{self._count}",
            book=book,
            expiry=condor.expiry,
            put_long=condor.put_long,
            put_short=condor.put_short,
            call_short=condor.call_short,
            call_long=condor.call_long,
            quantity=count,
            credit=quote.min_credit,
            opened=day.date(),
        )
        fees = 4 * self.settings.costs.fee_cents * count
        self._book(place, position, fees, allowance.decided_by)

    def _book(self, place: int, position: OpenCondor, fees: int, rule: str) -> None:
        self.condors.append(Held(position, rule))
        self.account.post(
            f"{self._session[place]:%Y-%m-%d}",
            position.book,
            "open",
            position.credit * 100 * position.quantity - fees,
            fees=fees,
            rule=rule,
            position=position.id,
        )

    def _leave(self, place: int, held: Held, what: str, cents: int, fees: int, rule: str) -> None:
        self.condors.remove(held)
        self.account.post(
            f"{self._session[place]:%Y-%m-%d}",
            held.position.book,
            what,
            cents,
            fees=fees,
            rule=held.rule if what == "settle" else f"{held.rule}:{rule}",
            position=held.position.id,
        )

    def _watch(self, position: OpenCondor, price: float, today: pd.Timestamp) -> None:
        credit = position.credit / 100
        if price <= _TAKE_PROFIT * credit:
            self._exits[position.id] = "TP50"
        elif price >= _STOP * credit:
            self._exits[position.id] = "SL2X"
        elif (pd.Timestamp(position.expiry) - today).days <= _OUT_DTE:
            self._exits[position.id] = "DTE21"
