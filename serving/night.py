"""What the night changed: the evening's forecast against the later one, and which input did it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from serving.pushes import pushes_by_name
from serving.settings import ServingSettings

__all__ = ["night_of", "standing_rows"]

_SHOWN = 5
_CLIP = 1e-6


def night_of(
    evening: Mapping[str, Any],
    document: Mapping[str, Any],
    before: Mapping[str, float | None],
    now: Mapping[str, float | None],
    settings: ServingSettings,
) -> dict[str, Any]:
    """Split the move of the overlay's head since the evening.

    Parameters
    ----------
    evening, document : mapping
        Forecasts of the same session.
    before, now : mapping
        The feature rows that they read.
    settings : ServingSettings
        Names the head.

    Returns
    -------
    dict
        ``head, horizon, was, is`` and the change in log odds: ``night`` from features whose value
        moved since, ``model`` from those that stand still (each moment has a model of its own),
        ``start`` from the structural start; they add up to ``change``. ``did_it`` lists the
        moved features by the size of their push, ``features_moved`` counts all that moved.
    """
    wanted = (settings.policy.p_head, settings.policy.p_horizon)
    moved = {name for name in {*before, *now} if before.get(name) != now.get(name)}
    out: dict[str, Any] = {
        "head": wanted[0],
        "horizon": wanted[1],
        "was": None,
        "is": None,
        "change": None,
        "start": None,
        "night": None,
        "model": None,
        "did_it": [],
        "features_moved": len(moved),
    }
    old, new = (_head(told["heads"], wanted) for told in (evening, document))
    if old is None or new is None:
        return out
    pushes = {name: new["push"].get(name, 0.0) - old["push"].get(name, 0.0)
              for name in {*old["push"], *new["push"]}}  # fmt: skip
    night = {name: push for name, push in pushes.items() if name in moved}
    change = _log_odds(new["probability"]) - _log_odds(old["probability"])
    still = math.fsum(push for name, push in pushes.items() if name not in moved)
    rows = sorted(night.items(), key=lambda item: (-abs(item[1]), item[0]))
    return out | {
        "was": old["probability"],
        "is": new["probability"],
        "change": change,
        "night": math.fsum(night.values()),
        "model": still,
        "start": new["base"] - old["base"],
        "did_it": [
            {"feature": name, "was": before.get(name), "is": now.get(name), "log_odds": push}
            for name, push in rows[:_SHOWN]
            if push
        ],
    }


def standing_rows(
    held: Sequence[Mapping[str, Any]], evening: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Say of each open condor what the evening recommended, what stands now, and what is worth it.

    Parameters
    ----------
    held : sequence of mapping
        Rows of `serving.positions.grade_position`.
    evening : mapping
        The evening's recommendation by id.
    """
    return [
        {
            "id": row["id"],
            "book": row["book"],
            "evening": evening.get(row["id"]),
            "now": row["recommendation"],
            "reason": row["reason"],
            "worth": [answer["answer"] for answer in row["answers"] if answer["worth"]],
        }
        for row in held
    ]


def _head(heads: Sequence[Mapping[str, Any]], wanted: tuple[str, int]) -> dict[str, Any] | None:
    for head in heads:
        if (head["head"], head["horizon"]) == wanted and head["probability"] is not None:
            return {
                "probability": head["probability"],
                "base": head["base_log_odds"],
                "push": pushes_by_name(head["contributions"]),
            }
    return None


def _log_odds(p: float) -> float:
    inside = min(max(p, _CLIP), 1 - _CLIP)
    return math.log(inside / (1 - inside))
