"""All that a fit or a forecast reads, for one moment, in one frozen bundle of tables."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from features.errors import DataError
from models.heads import HeadKey, head_keys
from models.labels import labels
from models.ranks import walk_forward_ranks
from models.structural import IVTS, structural_inputs
from models.yearly import walk_forward_prior

__all__ = ["IVTS", "Dataset", "make_dataset", "training_rows"]


@dataclass(frozen=True)
class Dataset:
    """Tables of one moment.

    Parameters
    ----------
    at : str
        Moment.
    features : DataFrame
        Sessions of the moment by features, float64, null where unknown.
    spine : DataFrame
        All exchange sessions with SPX and VIX prices.
    labels, label_end : DataFrame
        Labels and their last sessions, over the spine.
    prior : DataFrame
        Walk-forward path prior over the spine; training rows read it, forecasts do not.
    ranks : DataFrame
        Where what came stands among its paths (`models.ranks`), over the spine; as much a label.
    inputs : DataFrame
        Structural inputs over the spine, and what the filters of `models.latent` know where they
        were given.
    """

    at: str
    features: pd.DataFrame
    spine: pd.DataFrame
    labels: pd.DataFrame
    label_end: pd.DataFrame
    prior: pd.DataFrame
    ranks: pd.DataFrame
    inputs: pd.DataFrame = field(repr=False)

    def keys(self) -> list[HeadKey]:
        """Heads of the moment."""
        return head_keys(self.at)


def make_dataset(
    features: pd.DataFrame,
    spine: pd.DataFrame,
    at: str = "evening",
    *,
    prior: pd.DataFrame | None = None,
    ranks: pd.DataFrame | None = None,
    latent: pd.DataFrame | None = None,
    evening: pd.DataFrame | None = None,
    paths: int = 1000,
) -> Dataset:
    """Join features, prices, labels and prior.

    Parameters
    ----------
    features : DataFrame
        From `features.pipeline.build(store, at=at)`.
    spine : DataFrame
        From `features.pipeline.spine(store)`.
    prior : DataFrame, optional
        From `walk_forward_prior(spine)`; it is the same at every moment, so several moments
        can share one. Computed when absent (seconds for thirty years).
    ranks : DataFrame, optional
        From `walk_forward_ranks(spine)`, shared and computed likewise.
    latent : DataFrame, optional
        From `walk_forward_latent(spine)`; without it the baselines that filter a latent state are
        not fitted.
    evening : DataFrame, optional
        Feature table of the evening: a moment that some sessions lack takes their term-structure
        ratio from there, because its structural offset learns from all sessions.

    Raises
    ------
    DataError
        If a feature row stands on a session that the spine does not have.
    """
    stray = features.index.difference(spine.index)
    if len(stray):
        raise DataError(
            f"{len(stray)} feature rows are not in the spine, first {stray[0]:%Y-%m-%d}. "
            "Build both from the same store."
        )
    y, end = labels(spine)
    if prior is None:
        prior = walk_forward_prior(spine, paths=paths)
    if ranks is None:
        ranks = walk_forward_ranks(spine, paths=paths)
    inputs = moment_inputs(spine, features)
    if evening is not None and IVTS in evening.columns:
        elsewhere = ~spine.index.isin(features.index)
        inputs.loc[elsewhere, IVTS] = np.log(evening[IVTS].reindex(spine.index[elsewhere]))
    if latent is not None:
        inputs = inputs.join(latent)
    return Dataset(at, features, spine, y, end, prior, ranks, inputs)


def moment_inputs(spine: pd.DataFrame, features: pd.DataFrame) -> pd.DataFrame:
    """Structural inputs of a spine with the term-structure ratio of the feature table."""
    inputs = structural_inputs(spine)
    if IVTS in features.columns:
        inputs[IVTS] = np.log(features[IVTS].reindex(spine.index))
    else:
        inputs[IVTS] = np.nan
    return inputs


def training_rows(dataset: Dataset, key: HeadKey, until: pd.Timestamp) -> pd.DatetimeIndex:
    """Sessions whose label is scored and complete by the close of `until`.

    Notes
    -----
    Timing: a session after `until` shares no price with these labels, so a test that starts
    after `until` needs no further purge; an embargo is the caller's choice of an earlier `until`.
    """
    y, end, prior = dataset.labels[key.id], dataset.label_end[key.id], dataset.prior[key.id]
    ready = (
        y.notna()
        & prior.notna()
        & (end <= until)
        & dataset.inputs[["log_rv63"]].notna().all(axis=1)
    )
    return pd.DatetimeIndex(y.index[ready])
