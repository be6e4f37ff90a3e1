"""From the fits of a retrain to its tables: skill, groups, and the studies of cascades."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from features.errors import DataError
from features.home import Home
from training.direction import direction_table
from training.evaluate import skill_table
from training.event_study import STUDY_COLUMNS, event_study
from training.group_table import group_table, no_groups
from training.inputs import Inputs
from training.jobs import Result
from training.leak import look_ahead_differences
from training.plan import Plan
from training.settings import TrainingSettings
from training.translation import SKILL_COLUMNS, translation_study
from training.walk_forward import scored_rows
from training.workers import Crew

if TYPE_CHECKING:
    from models.translation import Translation

__all__ = ["Answers", "Look", "answer", "look", "out_of_sample"]


@dataclass(frozen=True)
class Look:
    """What the inputs say without a fit.

    Parameters
    ----------
    event_study, direction : DataFrame
    translation : Translation or None
        None where the evening was not trained.
    differences, checked : list of str and str
        From `look_ahead_differences`.
    """

    event_study: pd.DataFrame
    direction: pd.DataFrame
    translation: Translation | None
    differences: list[str]
    checked: str


def look(home: Home, inputs: Inputs, settings: TrainingSettings) -> Look:
    """Answer what waits for no fit."""
    evening, translation = inputs.datasets.get("evening"), None
    study = pd.DataFrame(columns=list(STUDY_COLUMNS))
    if evening is not None:
        study = event_study(evening.features, inputs.spine)
        translation = translation_study(
            evening.features, inputs.events["evening"], inputs.spine, settings
        )
    direction = direction_table(inputs.datasets, settings)
    return Look(study, direction, translation, *look_ahead_differences(home, inputs))


@dataclass(frozen=True)
class Answers:
    """What the fits say.

    Parameters
    ----------
    oos : DataFrame
        Scored rows of the walk-forward, in the order of moments, heads and sessions.
    tables : dict of str to DataFrame
        skill, groups, group_verdicts, direction, event_study, translation.
    translation : Translation or None
        None where the evening was not trained.
    """

    oos: pd.DataFrame
    tables: dict[str, pd.DataFrame]
    translation: Translation | None


def answer(
    results: Sequence[Result],
    plan: Plan,
    inputs: Inputs,
    settings: TrainingSettings,
    looked: Look,
    crew: Crew | None = None,
) -> Answers:
    """Score the walk-forward and draw up every table.

    Parameters
    ----------
    crew : Crew, optional
        Who scores the heads; this process by default.

    Raises
    ------
    DataError
        If no row could be scored.
    """
    oos = out_of_sample([r for r in results if r.job.tag == ""], inputs.datasets)
    translation = looked.translation
    groups, verdicts = _groups(results, plan, inputs.datasets, settings)
    tables = {
        "skill": skill_table(oos, settings, each=(crew or Crew()).map),
        "groups": groups,
        "group_verdicts": verdicts,
        "direction": looked.direction,
        "event_study": looked.event_study,
        "translation": pd.DataFrame(
            [] if translation is None else translation.skill, columns=list(SKILL_COLUMNS)
        ),
    }
    return Answers(oos, tables, translation)


def out_of_sample(results: Sequence[Result], datasets: Mapping[str, Any]) -> pd.DataFrame:
    """Join the forecasts of all folds with what came true.

    Raises
    ------
    DataError
        If no row could be scored.
    """
    parts = [_scored(r, datasets) for r in results if r.forecasts is not None]
    oos = pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)
    if oos.empty:
        raise DataError("no out-of-sample row could be scored. Import a longer history.")
    order = {at: number for number, at in enumerate(datasets)}
    oos = oos.assign(_order=oos["at"].map(order))
    oos = oos.sort_values(["_order", "head", "horizon", "session"], kind="stable")
    return oos.drop(columns="_order").reset_index(drop=True)


def _groups(
    results: Sequence[Result], plan: Plan, datasets: Mapping[str, Any], settings: TrainingSettings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    if not plan.asked:
        return no_groups()
    found: dict[str, list[pd.DataFrame]] = {}
    for result in results:
        if result.job.tag:
            rows = _scored(result, datasets).assign(until=result.job.until)
            found.setdefault(result.job.tag, []).append(rows)
    refits = {name: pd.concat(parts, ignore_index=True) for name, parts in found.items()}
    return group_table(refits, plan.asked, settings)


def _scored(result: Result, datasets: Mapping[str, Any]) -> pd.DataFrame:
    return scored_rows(result.forecasts, datasets[result.job.at].labels)
