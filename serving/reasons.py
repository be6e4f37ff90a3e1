"""Why a forecast says what it says: named terms that add up, for one session and over many."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from features.errors import UsageError
from features.home import Home
from models.explain import probability_points
from serving.champion import load_champion
from serving.documents import forecast
from serving.evidence import gather
from serving.ledger import Ledger
from serving.translation import HEAD, translation_answer

__all__ = ["LAST", "OFFSET", "PRIOR", "TOTAL", "drift", "explain_rows", "start_name", "told"]

Progress = Callable[[float, str], None]

PRIOR, OFFSET, TOTAL = "prior", "offset", "total"
#: Terms that are no feature, in the order in which they follow the features.
LAST = ("booster_bias", "calibration", "coherence")
_CHUNK = 256


def told(
    home: Home,
    sessions: pd.DatetimeIndex,
    at: str,
    *,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Forecasts of sessions by the champion, without recording anything.

    Parameters
    ----------
    home : Home
    sessions : pd.DatetimeIndex
        Rising.
    at : str
        Moment.
    progress : callable, optional

    Returns
    -------
    list of dict
        What the ledger holds where the champion has spoken (the newest revision), else what it
        says now. Sessions without closes are absent.

    Raises
    ------
    RefusedError
        If no model is promoted.
    UsageError, DataError
        As `serving.evidence.gather`.
    """
    bundle = load_champion(home, at)
    names = [f"{session:%Y-%m-%d}" for session in sessions]
    with Ledger.of(home) as ledger:
        entries = ledger.entries("score", at=at, sessions=names)
    documents = {e.session: e.body for e in entries if e.model_version == bundle.model_version}
    new = sessions[[name not in documents for name in names]]
    if len(new):
        evidence = gather(home, new, at, progress=progress).evidence
        for low in range(0, len(evidence), _CHUNK):
            for document in forecast(bundle, evidence[low : low + _CHUNK], at):
                documents[document["session"]] = document
    return [documents[name] for name in names if name in documents]


def explain_rows(document: Mapping[str, Any], head: str, horizon: int) -> list[dict[str, Any]]:
    """Explain one probability as log odds that add up.

    Parameters
    ----------
    document : mapping
        A forecast of `score`.
    head : str
        A head, or ``translation``: its prior is the base rate, its offset every input at its
        mean, and it has no boosters, calibration or coherence.
    horizon : int

    Returns
    -------
    list of dict
        ``term, group, value, log_odds, points, probability``: the path prior's log odds, the
        structural start's step from them, each feature by the size of its push, the boosters'
        expected value, calibration, coherence, and the total. `points` are percentage points of
        probability, null for the prior and the total, that add up to forecast less prior;
        `probability` is where the sum stands after the row.

    Raises
    ------
    UsageError
        If the head is unknown or was not scored.
    """
    from features.catalog import CATALOG

    answer = _answer(document, head, horizon)
    if answer["probability"] is None:
        impossible = "its condition cannot occur from there, or an input is unknown"
        why = answer.get("reason") or impossible
        raise UsageError(
            f"{head} {horizon} is not scored on {document['session']}: {why}. Choose another head."
        )
    start = _log_odds(answer["prior"])
    found = {item["feature"]: item for item in answer["contributions"]}
    features = [name for name in found if name not in LAST]
    features.sort(key=lambda name: (-abs(found[name]["log_odds"]), name))
    terms = [(OFFSET, answer["base_log_odds"] - start)]
    terms += [(name, found[name]["log_odds"]) for name in features]
    if head != HEAD:
        terms += [(name, found[name]["log_odds"] if name in found else 0.0) for name in LAST]
    rows = [_row(PRIOR, PRIOR, None, start, None, start)]
    total = start
    for (name, push), (_, points) in zip(terms, probability_points(start, terms), strict=True):
        total += push
        group = CATALOG[name].group if name in CATALOG else name
        value = found[name]["value"] if name in found else None
        rows.append(_row(name, group, value, push, points, total))
    rows.append(_row(TOTAL, TOTAL, None, total, None, total))
    return rows


def start_name(head: str) -> str:
    """Name what the terms of a head start from."""
    return "base rate" if head == HEAD else "path prior"


def drift(documents: Sequence[Mapping[str, Any]], head: str, horizon: int) -> dict[str, Any]:
    """Show how the reasons of a head change over sessions.

    Parameters
    ----------
    documents : sequence of mapping
        Forecasts, rising in session.

    Returns
    -------
    dict
        ``sessions``: one row each with ``session, probability, log_odds, terms``, where `terms`
        maps prior, offset, each feature group, calibration and coherence to log odds that add up
        (null throughout where the head is not scored). ``changes``: rows of
        ``term, group, first, last, change`` between the first and the last scored session, the
        largest change first.

    Raises
    ------
    UsageError
        If the head is unknown, or scored on none of the sessions.
    """
    sessions, explained = [], []
    for document in documents:
        answer = _answer(document, head, horizon)
        if answer["probability"] is None:
            rows = []
        else:
            rows = explain_rows(document, head, horizon)
            explained.append(rows)
        sessions.append(
            {
                "session": document["session"],
                "probability": answer["probability"],
                "log_odds": rows[-1]["log_odds"] if rows else None,
                "terms": _by_group(rows) if rows else None,
            }
        )
    if not explained:
        raise UsageError(
            f"{head} {horizon} is scored on none of the {len(documents)} sessions: its condition "
            "cannot occur from there, or an input is unknown. Choose another head or span."
        )
    return {"sessions": sessions, "changes": _changes(explained[0], explained[-1])}


def _by_group(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    out: dict[str, float] = {}
    for row in rows[:-1]:
        out[row["group"]] = out.get(row["group"], 0.0) + row["log_odds"]
    return out


def _changes(
    first: Sequence[Mapping[str, Any]], last: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    before = {row["term"]: row for row in first[:-1]}
    after = {row["term"]: row for row in last[:-1]}
    out = []
    for name in dict.fromkeys([*before, *after]):
        low, high = (side[name]["log_odds"] if name in side else 0.0 for side in (before, after))
        group = (after.get(name) or before[name])["group"]
        change = {"term": name, "group": group, "first": low, "last": high, "change": high - low}
        out.append(change)
    return sorted(out, key=lambda row: (-abs(row["change"]), row["term"]))


def _answer(document: Mapping[str, Any], head: str, horizon: int) -> Mapping[str, Any]:
    for answer in [*document["heads"], translation_answer(document)]:
        if (answer["head"], answer["horizon"]) == (head, horizon):
            return answer
    known = sorted({f"{a['head']} {a['horizon']}" for a in document["heads"]})
    known.append(f"{HEAD} {translation_answer(document)['horizon']}")
    raise UsageError(
        f"the forecast has no head {head} {horizon}. Expected one of {', '.join(known)}."
    )


def _row(
    term: str, group: str, value: float | None, push: float, points: float | None, total: float
) -> dict[str, Any]:
    return {
        "term": term,
        "group": group,
        "value": value,
        "log_odds": push,
        "points": points,
        "probability": 1.0 / (1.0 + math.exp(-total)),
    }


def _log_odds(probability: float) -> float:
    from models.logit import logit

    return float(logit(probability))
