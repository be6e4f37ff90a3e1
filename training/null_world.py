"""Does the laboratory fool itself? Count its claims where there is nothing to find.

Labels are permuted in blocks, so that they keep their runs and their rate but lose every tie to the
features and the prior. The same walk-forward and the same tests then look for skill beyond the best
baseline, and for groups that earn a place. What a run claims is what is left after correction over
the whole family: Holm's over heads and moments for skill, Meinshausen's over groups, moments and
heads for usefulness, each at half of the level, so that the chance of any false claim is at most
the level.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from training.ablation import group_columns, group_jobs, young_groups
from training.correction import holm
from training.evaluate import skill_table
from training.group_table import FAMILY_LEVEL, group_table
from training.jobs import jobs_for
from training.settings import TrainingSettings
from training.splits import Fold
from training.walk_forward import Lay, run_jobs, scored_rows
from training.workers import crew

__all__ = ["NullRun", "null_run", "permute_labels", "plant_labels", "simulated_datasets"]

BLOCK_SESSIONS = 63


@dataclass(frozen=True)
class NullRun:
    """What one run claims.

    Parameters
    ----------
    skill : DataFrame
        The skill table, with p_holm over all heads and moments.
    groups, verdicts : DataFrame
        The group table by head, and over all heads of a group and moment together.
    """

    skill: pd.DataFrame
    groups: pd.DataFrame
    verdicts: pd.DataFrame

    def skilful(self) -> list[str]:
        """Heads whose skill beyond the best baseline is claimed, as ``moment head_horizon``."""
        rows = self.skill[self.skill["p_holm"] <= FAMILY_LEVEL / 2.0]
        return [f"{row.at} {row.head}_{row.horizon}" for row in rows.itertuples()]

    def useful(self, groups: Collection[str] | None = None) -> list[str]:
        """Name the groups (of `groups`; any by default) that are claimed to earn their place.

        A head is never claimed where its group is not, so no claim is missed here.
        """
        rows = self.verdicts[self.verdicts["p_family"] <= FAMILY_LEVEL / 2.0]
        rows = rows if groups is None else rows[rows["group"].isin(groups)]
        return [f"{row.group}: {row.at}" for row in rows.itertuples()]


def permute_labels(labels: pd.DataFrame, *, seed: int, block: int = BLOCK_SESSIONS) -> pd.DataFrame:
    """Shuffle blocks of neighbouring sessions, all heads together; null rows travel along.

    Parameters
    ----------
    labels : DataFrame, shape (sessions, heads)
        Or ranks, which with the same seed go the way of the labels.
    block : int
        Sessions of a block, longer than any horizon; the last block may be shorter.
    """
    rng = np.random.default_rng(seed)
    blocks = [np.arange(i, min(i + block, len(labels))) for i in range(0, len(labels), block)]
    order = np.concatenate([blocks[k] for k in rng.permutation(len(blocks))])
    return pd.DataFrame(labels.to_numpy()[order], index=labels.index, columns=labels.columns)


def plant_labels(
    prior: pd.DataFrame, labels: pd.DataFrame, driver: pd.Series, *, log_odds: float, seed: int
) -> pd.DataFrame:
    """Draw new labels from the prior and a feature, so that there is something to find.

    Ranks stay as they came: of a head that is moved only one half can see what is planted.

    Parameters
    ----------
    prior, labels : DataFrame, shape (sessions, heads)
        Probabilities that the new labels start from; labels that say where a head is scored.
    driver : Series
        A feature; null counts as its mean.
    log_odds : float
        What one standard deviation of the driver adds to the log odds of every label.
    """
    from models.logit import logit, sigmoid

    rng = np.random.default_rng(seed)
    x = driver.reindex(labels.index)
    z = ((x - x.mean()) / x.std()).fillna(0.0).to_numpy(dtype=float)
    planted = labels.copy()
    for name in labels:
        start = prior[name].fillna(labels[name].mean()).to_numpy(dtype=float)
        drawn = rng.random(len(z)) < sigmoid(logit(start) + log_odds * z)
        planted[name] = np.where(labels[name].notna(), drawn, np.nan)
    return planted


def simulated_datasets(
    folder: Path, ats: Collection[str], *, years: int, seed: int, link: float, paths: int = 200
) -> dict[str, Any]:
    """Simulate a market, import it and build its datasets, by moment.

    Parameters
    ----------
    folder : Path
        Empty or absent; files and store are written there and may be removed afterwards.
    years : int
        Years of stocks and of crypto alike, so that crypto's groups are old enough for the model.
    seed, link
        See `features.sources.simulated.simulate`.
    """
    from features.pipeline import build, spine
    from features.sources.simulated import simulate
    from features.sources.tidy import import_folder
    from features.store import MarketStore
    from models.dataset import make_dataset
    from models.ranks import walk_forward_ranks
    from models.yearly import walk_forward_prior

    simulate(folder / "files", years=years, seed=seed, link=link, crypto_years=years)
    store = MarketStore(folder / "market")
    import_folder(store, folder / "files", now=pd.Timestamp.now(tz="UTC"))
    prices = spine(store)
    prior = walk_forward_prior(prices, paths=paths)
    ranks = walk_forward_ranks(prices, paths=paths)
    return {
        at: make_dataset(build(store, at=at), prices, at, prior=prior, ranks=ranks) for at in ats
    }


def null_run(
    datasets: Mapping[str, Any],
    folds: list[Fold],
    groups: Mapping[str, str],
    heads: Mapping[str, tuple[str, ...]],
    settings: TrainingSettings,
    model: Any,
    *,
    seed: int | None,
    processes: int = 1,
    lay: Lay | None = None,
) -> NullRun:
    """Look for skill and for useful groups in one world.

    Parameters
    ----------
    datasets : mapping of str to Dataset
        By moment.
    groups : mapping of str to str
        Group of each feature.
    heads : mapping of str to tuple of str
        Heads that are asked about, by moment.
    seed : int or None
        Permutes labels and ranks, in the same way at all moments; None leaves them, for a world
        that is null (or not) by its making.
    """
    worlds = dict(datasets)
    if seed is not None:
        worlds = {
            at: replace(
                data,
                labels=permute_labels(data.labels, seed=seed),
                ranks=permute_labels(data.ranks, seed=seed),
            )
            for at, data in datasets.items()
        }
    share = 0.0 if model is None else model.min_share
    jobs, asked = [], []
    for at, data in worlds.items():
        columns = group_columns(data.features, groups)
        young = young_groups(at, data.features, columns, min_share=share)
        mine = [replace(f, test=f.test.intersection(data.features.index)) for f in folds]
        jobs += jobs_for(at, mine, heads=heads[at])
        jobs += group_jobs(at, data.features, mine, columns, heads[at], young=young)
        asked += [
            (group, at, name.rpartition("_")[0], int(name.rpartition("_")[2]))
            for group in columns
            for name in heads[at]
        ]
    found: dict[str, list[pd.DataFrame]] = {}
    with crew(processes) as hands:
        results = run_jobs(jobs, worlds, model, crew=hands, lay=lay)
    for result in results:
        rows = scored_rows(result.forecasts, worlds[result.job.at].labels)
        found.setdefault(result.job.tag, []).append(rows.assign(until=result.job.until))
    tables = {tag: pd.concat(parts, ignore_index=True) for tag, parts in found.items()}
    skill = skill_table(tables.pop(""), settings)
    adjusted = holm(skill["p_value"].to_numpy(dtype=float))
    return NullRun(skill.assign(p_holm=adjusted), *group_table(tables, asked, settings))
