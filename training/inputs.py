"""From the store to what a retrain learns from: features, spine and labels for each moment."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from features.errors import DataError, UsageError
from features.home import Home
from features.sessions import calendar, new_york
from training.workers import Crew

if TYPE_CHECKING:
    from features.store import MarketStore

__all__ = ["Inputs", "check_until", "config_hash", "gather", "git_revision"]

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Inputs:
    """Everything that a retrain reads, and what identifies it.

    Parameters
    ----------
    until : Timestamp
        Last session that anything here speaks about.
    as_of : Timestamp
        End of that day in New York, UTC: no row that became available later was read.
    spine : DataFrame
        SPX and VIX prices by session.
    datasets : mapping of str to Dataset
        One for each moment.
    data_hash : str
        Content of the store as of `as_of`.
    events : mapping of str to DataFrame
        Columns that describe events, one table for each moment; the shift model does not see them.
    """

    until: pd.Timestamp
    as_of: pd.Timestamp
    spine: pd.DataFrame
    datasets: Mapping[str, Any]
    data_hash: str
    events: Mapping[str, pd.DataFrame] = field(default_factory=dict)


def check_until(home: Home, until: Any) -> tuple[pd.Timestamp, pd.DataFrame]:
    """Check the last session of the training span before anything is written.

    Returns
    -------
    (until, spine) : tuple of Timestamp and DataFrame

    Raises
    ------
    UsageError
        If `until` is no session, or lies before the first SPX close.
    DataError
        If the store has no SPX or VIX closes.
    """
    from features.pipeline import spine as read_spine
    from features.store import MarketStore

    day = calendar().require_session(until)
    store = MarketStore(home.market).snapshot()
    # raises where there is no SPX close at all
    everything = read_spine(store)
    if day < everything.index[0]:
        raise UsageError(
            f"{day:%Y-%m-%d} lies before the data begins. Expected a session from "
            f"{everything.index[0]:%Y-%m-%d} to {everything.index[-1]:%Y-%m-%d}."
        )
    spine = read_spine(store, as_of=_end_of(day)).loc[:day]
    if spine["vix_close"].notna().sum() == 0:
        raise DataError(
            f"no VIX closes in {home.market} up to {day:%Y-%m-%d}. Import market files that have "
            "them: stormpetrel import DIR."
        )
    return day, spine


def gather(
    home: Home,
    until: pd.Timestamp,
    spine: pd.DataFrame,
    ats: Sequence[str],
    *,
    crew: Crew | None = None,
    progress: Progress | None = None,
) -> Inputs:
    """Build features and labels of each moment from what was known at the end of `until`.

    Parameters
    ----------
    crew : Crew, optional
        Who builds the tables and walks through the years; this process by default.

    Notes
    -----
    *Timing:* a feature of session t uses rows with available_at <= its cut-off; a label that ends
    after `until` is null because the spine ends there.
    """
    from features.catalog import CATALOG
    from features.moments import moments
    from features.store import MarketStore
    from models.dataset import make_dataset
    from models.latent import lacking, walk_forward_latent
    from models.ranks import walk_forward_ranks
    from models.yearly import walk_forward_prior

    known = moments(home)
    for at in ats:
        if at not in known:
            raise UsageError(f"no moment is called {at!r}. Expected one of {', '.join(known)}.")
    store = MarketStore(home.market).snapshot()
    as_of = _end_of(until)
    crew, tell = crew or Crew(), progress or (lambda fraction, what: None)
    tell(0.0, "features")
    tables = {at: crew.submit(_table, store, known[at], until, as_of) for at in ats}
    data_hash = _data_hash(store, as_of)
    # closes alone drive the prior and the baselines' filters: they are the same at every moment
    tell(0.2, "path prior")
    prior = walk_forward_prior(spine, each=crew.map)
    ranks = walk_forward_ranks(spine, each=crew.map)
    tell(0.6, "baselines")
    latent = walk_forward_latent(spine, each=crew.map) if lacking() is None else None
    datasets: dict[str, Any] = {}
    events: dict[str, pd.DataFrame] = {}
    # the evening first: other moments read it for sessions that lack them
    for at in sorted(ats, key=lambda at: at != "evening"):
        features = tables[at].result()
        known_of = {str(c): CATALOG[str(c)] for c in features.columns}
        events[at] = features[[c for c, f in known_of.items() if f.per_event]]
        # what nobody recorded is no column; whether the rest is enough, the model decides
        kept = [c for c, f in known_of.items() if f.trainable or features[c].count()]
        features = features[[c for c in kept if not known_of[c].per_event]]
        evening = datasets["evening"].features if "evening" in datasets else None
        datasets[at] = make_dataset(
            features, spine, at, prior=prior, ranks=ranks, latent=latent, evening=evening
        )
    datasets = {at: datasets[at] for at in ats}
    return Inputs(until, as_of, spine, datasets, data_hash, events)


def _table(store: MarketStore, at: Any, until: pd.Timestamp, as_of: pd.Timestamp) -> pd.DataFrame:
    from features.pipeline import build

    return build(store, at=at, end=until, as_of=as_of)


def _data_hash(store: MarketStore, as_of: pd.Timestamp) -> str:
    """Hash the tables, and the event tape where there is one."""
    from features.tape_source import tape_hash

    tables, tape = store.data_hash(as_of=as_of), tape_hash(store, as_of=as_of)
    return tables if tape is None else config_hash(tables, tape)


def config_hash(*parts: Any) -> str:
    """Hash of the configuration: the same settings give the same 16 hex digits."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def git_revision(root: Path) -> str | None:
    """Revision of a source tree; None where it is no git checkout or has no commit."""
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _end_of(day: pd.Timestamp) -> pd.Timestamp:
    following = pd.DatetimeIndex([day + pd.Timedelta(days=1)])
    return pd.Timestamp(new_york(following, "00:00")[0])
