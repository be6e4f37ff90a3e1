"""From recorded forecasts to tickets: what each reads of the market, the book and the past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from features.home import Home
from serving.book import Book
from serving.compose import Inputs, compose
from serving.documents import same_spine
from serving.earlier import EveningBefore, before, earlier_documents, evenings_of
from serving.edr import Edr
from serving.evidence import Evidence, open_store
from serving.ledger import Ledger
from serving.marking import require_same_market
from serving.quotes import ChainQuotes
from serving.scenarios import horizon_of, simulate
from serving.settings import ServingSettings
from serving.state import StateReader

if TYPE_CHECKING:
    from models.bundle import Bundle

__all__ = ["TicketWriter"]

_CHUNK = 32  # sessions simulated at once: bounds the memory of the paths


class TicketWriter:
    """Writes the tickets of one run, a few hundred sessions at a time.

    Forecasts are large: of those already used only the last are kept, which hysteresis needs.
    """

    def __init__(
        self,
        home: Home,
        bundle: Bundle,
        settings: ServingSettings,
        book: Book,
        quotes: ChainQuotes | None,
        at: str,
        evidence: Sequence[Evidence],
    ) -> None:
        self._home, self._bundle, self._settings = home, bundle, settings
        self._book, self._quotes, self._at = book, quotes, at
        self._reader = StateReader(open_store(home), evidence[0].session)
        self._edrs: dict[pd.Timestamp, tuple[Edr, ...]] = {}
        for group in same_spine(evidence):
            self._edrs |= self._reader.edrs(group, settings.edr)
        with Ledger.of(home) as ledger:
            self._fills = ledger.fills()
        self._kept: dict[str, dict[str, Any]] = {}

    def tickets(self, told: Sequence[tuple[Evidence, dict[str, Any]]]) -> list[dict[str, Any]]:
        """Compose the tickets of some sessions from their evidence and forecasts."""
        evidence = [item for item, _ in told]
        documents = {str(document["session"]): document for _, document in told}
        earlier = earlier_documents(
            self._home, self._bundle, evidence, self._at, self._kept | documents, self._settings
        )
        evenings = evenings_of(self._home, self._bundle, evidence, self._at)
        self._kept = dict(list(documents.items())[-self._settings.policy.hysteresis_sessions :])
        out = []
        for group in same_spine(evidence):
            for low in range(0, len(group), _CHUNK):
                part = group[low : low + _CHUNK]
                horizon = horizon_of(part, self._book, self._settings.condor)
                ways, log_vix = simulate(self._bundle, self._at, part, horizon)
                for place, item in enumerate(part):
                    name = f"{item.session:%Y-%m-%d}"
                    past = before(item.session, earlier, self._settings)
                    inputs = self._inputs(item, documents[name], past, evenings.get(name))
                    out.append(compose(replace(inputs, ways=ways[place], log_vix=log_vix[place])))
        return out

    def _inputs(
        self,
        evidence: Evidence,
        document: dict[str, Any],
        earlier: tuple[dict[str, Any] | None, ...],
        night: EveningBefore | None,
    ) -> Inputs:
        state = self._reader.state(evidence)
        if self._quotes is not None:
            state = replace(state, quotes=self._quotes)
            require_same_market(state)
        return Inputs(
            document=document,
            earlier=earlier,
            evening=None if night is None else night.document,
            evening_features=None if night is None else night.features,
            evening_held={} if night is None else night.held,
            state=state,
            edrs=self._edrs[evidence.session],
            ways=None,
            book=self._book,
            settings=self._settings,
            fills=tuple(f for f in self._fills if pd.Timestamp(f.filled_at) <= evidence.cutoff),
        )
