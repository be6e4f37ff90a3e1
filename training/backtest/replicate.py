"""Replicate a published option strategy index and say how well it went."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from features.errors import DataError, UsageError
from features.store import MarketStore
from serving.smile import DEFAULT, SmileParameters
from training.backtest.indices import PROGRAMS
from training.backtest.levels import published_returns
from training.backtest.market import load_market
from training.backtest.programs import monthly_returns
from training.backtest.vxth import FIRST_SESSION, vxth_returns

__all__ = ["INDICES", "compare", "replicate", "replications"]

INDICES = (*PROGRAMS, "vxth")
# the years that the smile was calibrated on, and those it is judged on
_SPANS = (("1996-01-01", "2007-12-31"), ("2008-01-01", "2015-12-31"))
_WARM_UP = pd.DateOffset(years=2)  # the opening's estimate looks back over 252 sessions
_TAIL = pd.DateOffset(months=2)  # a month-end mark knows the expiry of the month after


def replicate(
    store: MarketStore,
    index: str,
    *,
    start: Any = None,
    end: Any = None,
    parameters: SmileParameters = DEFAULT,
) -> dict[str, Any]:
    """Replicate an index by its rules from SPX, VIX, SKEW and rates, and compare.

    Parameters
    ----------
    store : MarketStore
        The market store.
    index : str
        One of `INDICES`.
    start, end : date-like, optional
        First and last day of the comparison; months that lie in it wholly count. Without them
        the months for which the index is published, or all months where it is not.
    parameters : SmileParameters
        The smile; the calibrated default is the one the ticket uses.

    Returns
    -------
    dict
        `index, from, to` (months), `months, monthly_corr, tracking_error_pct,
        annual_return_model_pct, annual_return_index_pct, annual_vol_model_pct,
        annual_vol_index_pct`; the comparison is null where no index level is known. Further:
        `annual_return_band_pct` at both ends of the smile's uncertainty, `months_unmarked`,
        `parameters`.

    Raises
    ------
    UsageError
        If the index is unknown or the span is empty.
    DataError
        If a smile input is missing at a roll.
    """
    if index not in INDICES:
        raise UsageError(f"`index` must be one of {', '.join(INDICES)}, got {index!r}.")
    first, last = _day(start), _day(end)
    if first is not None and last is not None and first > last:
        raise UsageError(f"`start` must not lie after `end`, got {first.date()} and {last.date()}.")
    published = published_returns(store, index)
    lower = first
    if lower is None and len(published):
        lower = published.index[0].start_time
    upper = last
    if (
        upper is None
        and len(published)
        and (lower is None or lower <= published.index[-1].start_time)
    ):
        upper = published.index[-1].end_time.normalize()
    market = load_market(
        store,
        start=None if lower is None else lower - _WARM_UP,
        end=None if upper is None else upper + _TAIL,
    )
    bands = {}
    unmarked: list[str] = []
    for band in (-1.0, 0.0, 1.0):
        if index == "vxth":
            bands[band] = vxth_returns(market, band=band)
        else:
            run = monthly_returns(market, index, parameters=parameters, band=band)
            bands[band], unmarked = run.returns, run.unmarked
    bands = {band: _span(returns, lower, upper) for band, returns in bands.items()}
    if bands[0.0].empty:
        raise DataError(
            f"no whole month of {index} lies in the span"
            f"{' (VXTH begins ' + str(FIRST_SESSION.date()) + ')' if index == 'vxth' else ''}. "
            "Choose a longer span inside the stored history."
        )
    out = compare(index, bands[0.0], published)
    used = pd.PeriodIndex(pd.period_range(out["from"], out["to"], freq="M"))
    out["annual_return_band_pct"] = sorted(
        _round(_annual(returns[returns.index.isin(used)])) for returns in bands.values()
    )
    out["months_unmarked"] = [m for m in unmarked if out["from"] <= m <= out["to"]]
    out["parameters"] = parameters.provenance
    return out


def replications(store: MarketStore) -> list[dict[str, Any]]:
    """Replicate every index: those with levels to 2007 and from 2008 to 2015, VXTH as far as known.

    Returns
    -------
    list of dict
        As `replicate` gives them; where a span cannot be replicated, `index` and `refused`.
    """
    out = []
    for index in INDICES:
        for start, end in ((None, None),) if index == "vxth" else _SPANS:
            try:
                out.append(replicate(store, index, start=start, end=end))
            except DataError as error:
                out.append({"index": index, "refused": str(error)})
    return out


def compare(index: str, model: pd.Series, published: pd.Series) -> dict[str, Any]:
    """Compare monthly returns of a replication with those published.

    Parameters
    ----------
    index : str
        Name.
    model, published : pd.Series
        Fractions per month, index month (Period). `published` may be empty.

    Returns
    -------
    dict
        As in `replicate`. With published levels only common months count. Tracking error is the
        standard deviation of the monthly difference times the square root of 12.
    """
    both = pd.concat([model, published], axis=1, keys=["model", "index"]).dropna().sort_index()
    known = len(both) >= 2
    ours = both["model"] if known else model
    theirs = both["index"] if known else None
    gap = None if theirs is None else ours - theirs
    return {
        "index": index,
        "from": str(ours.index[0]),
        "to": str(ours.index[-1]),
        "months": len(ours),
        "monthly_corr": None if theirs is None else _round(float(ours.corr(theirs)), 4),
        "tracking_error_pct": None if gap is None else _round(_vol(gap)),
        "annual_return_model_pct": _round(_annual(ours)),
        "annual_return_index_pct": None if theirs is None else _round(_annual(theirs)),
        "annual_vol_model_pct": _round(_vol(ours)),
        "annual_vol_index_pct": None if theirs is None else _round(_vol(theirs)),
    }


def _annual(returns: pd.Series) -> float:
    return float((np.prod(1 + returns.to_numpy(dtype=float)) ** (12 / len(returns)) - 1) * 100)


def _vol(returns: pd.Series) -> float:
    return float(returns.std() * np.sqrt(12) * 100)


def _round(value: float, digits: int = 3) -> float | None:
    return None if not np.isfinite(value) else round(value, digits)


def _span(returns: pd.Series, lower: pd.Timestamp | None, upper: pd.Timestamp | None) -> pd.Series:
    months = pd.PeriodIndex(returns.index)
    keep = np.ones(len(returns), dtype=bool)
    if lower is not None:
        keep &= months.start_time >= lower
    if upper is not None:
        # a span that ends on the last session of a month, not its last day, holds that month
        keep &= months.end_time.normalize() <= upper + pd.Timedelta(days=3)
    return returns[keep]


def _day(value: Any) -> pd.Timestamp | None:
    if value is None:
        return None
    try:
        return pd.Timestamp(value).tz_localize(None).normalize()
    except (TypeError, ValueError) as error:
        raise UsageError(f"`{value}` is no date. Expected one such as 2008-01-01.") from error
