"""The ticket that could not be composed: every key, no trade, and the rule that refused."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from serving.book import Book
from serving.evidence import ticket_session
from serving.layout import empty_ticket
from serving.policy import Facts, decide
from serving.settings import BOOKS, ServingSettings
from serving.ticket_rows import account_fields, action_rows, refusal_rows

__all__ = ["Lack", "refused_ticket"]

Lack = Literal["gate_missing", "no_model", "bad_input"]


def refused_ticket(
    session: pd.Timestamp,
    at: str,
    settings: ServingSettings,
    reason: str,
    lack: Lack,
    *,
    model_version: str | None = None,
    book: Book | None = None,
) -> dict[str, Any]:
    """Write NO TRADE for a session that lacks what a ticket needs.

    Parameters
    ----------
    session : pd.Timestamp
    at : str
    settings : ServingSettings
    reason : str
        What is missing or wrong.
    lack : str
        The fact of the refusal row that matches.
    model_version : str, optional
    book : Book, optional
    """
    facts = Facts(vix=np.nan, **{lack: True})
    decision = decide(dict.fromkeys(BOOKS, facts), settings)
    primary = decision.allowances[settings.primary_book]
    ticket = empty_ticket()
    ticket |= {
        "session": f"{session:%Y-%m-%d}",
        "at": at,
        "ticket_session": f"{ticket_session(session):%Y-%m-%d}",
        "model_version": model_version,
        "config_hash": settings.config_hash,
        "refused": decision.refused,
        "refusals": [{**row, "reason": reason} for row in refusal_rows(decision)],
        "decision": "HOLD",
        "rules": list(primary.rules),
        "tier": primary.tier_name,
        "tier_rule": primary.decided_by,
        "quantity": 0,
        "actions": action_rows(decision),
        "policy": settings.policy.name,
        "account": None if book is None else account_fields(book),
        "data_quality": [reason],
    }
    return ticket
