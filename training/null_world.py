"""Does the laboratory fool itself? Count its claims where there is nothing to find.

Labels are permuted in blocks, so that they keep their runs and their rate but lose every tie to the
features and the prior. The same walk-forward and the same tests then look for skill beyond the best
baseline, and for groups that earn a place. A run fools itself when Holm's adjustment over the whole
family (heads, and groups times heads) leaves any claim at the level.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from training.ablation import (
    FAMILY_LEVEL,
    WHOLE,
    group_columns,
    group_jobs,
    group_table,
    young_groups,
)
from training.correction import holm
from training.evaluate import skill_table
from training.settings import TrainingSettings
from training.splits import Fold
from training.walk_forward import Fitter, jobs_for, run_jobs, scored_rows

__all__ = ["NullRun", "null_run", "permute_labels"]

BLOCK_SESSIONS = 63


@dataclass(frozen=True)
class NullRun:
    """Claims of one run: smallest adjusted p-values, and whether any claim was made."""

    skill_p: float
    group_p: float

    @property
    def fooled(self) -> bool:
        """Whether skill or a group was claimed; each family is held at half of the level."""
        return min(self.skill_p, self.group_p) <= FAMILY_LEVEL / 2.0


def permute_labels(labels: pd.DataFrame, *, seed: int, block: int = BLOCK_SESSIONS) -> pd.DataFrame:
    """Shuffle blocks of neighbouring sessions, all heads together; null rows travel along.

    Parameters
    ----------
    labels : DataFrame, shape (sessions, heads)
    block : int
        Sessions of a block, longer than any horizon; the last block may be shorter.
    """
    rng = np.random.default_rng(seed)
    blocks = [np.arange(i, min(i + block, len(labels))) for i in range(0, len(labels), block)]
    order = np.concatenate([blocks[k] for k in rng.permutation(len(blocks))])
    return pd.DataFrame(labels.to_numpy()[order], index=labels.index, columns=labels.columns)


def null_run(
    dataset: Any,
    folds: list[Fold],
    groups: Mapping[str, str],
    settings: TrainingSettings,
    model: Any,
    *,
    seed: int | None,
    processes: int = 1,
    fit: Fitter | None = None,
) -> NullRun:
    """Look for skill and for useful groups in one world.

    Parameters
    ----------
    dataset : Dataset
        Of one moment.
    groups : mapping of str to str
        Group of each feature.
    seed : int or None
        Permutes the labels; None leaves them, for a world that is null (or not) by its making.
    """
    world = dataset
    if seed is not None:
        world = dataclasses.replace(dataset, labels=permute_labels(dataset.labels, seed=seed))
    heads = tuple(name for name in settings.group_heads if name in world.labels.columns)
    columns = group_columns(world.features, groups)
    share = 0.0 if model is None else model.min_share
    young = young_groups(world.at, world.features, columns, min_share=share)
    jobs = [
        *jobs_for(world.at, folds, heads=heads),
        *group_jobs(world.at, world.features, folds, columns, heads, young=young),
    ]
    results = run_jobs(jobs, {world.at: world}, model, processes=processes, fit=fit)
    found: dict[str, list[pd.DataFrame]] = {}
    for result in results:
        rows = scored_rows(result.forecasts, world.labels)
        found.setdefault(result.job.tag, []).append(rows)
    tables = {tag: pd.concat(parts, ignore_index=True) for tag, parts in found.items()}
    skill = skill_table(tables.pop(""), settings)
    asked = [
        (group, world.at, name.rpartition("_")[0], int(name.rpartition("_")[2]))
        for group in columns
        for name in heads
    ]
    table = group_table(tables, asked, settings) if WHOLE in tables else pd.DataFrame()
    judged = table["p_holm"].dropna() if len(table) else pd.Series(dtype=float)
    return NullRun(
        float(holm(skill["p_value"].to_numpy(dtype=float)).min()),
        float(judged.min()) if len(judged) else 1.0,
    )
