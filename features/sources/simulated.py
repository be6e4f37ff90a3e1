"""A simulated market on disk: the files of the real one, and beside them what was true.

Every later stage runs on it as it runs on real files. `link` says how strongly cascades lead
volatility; at 0 crypto tells nothing of future equities beyond what equities show themselves.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from features.errors import UsageError
from features.sources.sim_market import CRYPTO_YEARS, Progress, SimulatedMarket, generate

__all__ = ["MARK", "SimulatedMarket", "SimulationReport", "generate", "simulate"]

MARK = "truth/simulation.json"


@dataclass(frozen=True)
class SimulationReport:
    """What was written.

    Parameters
    ----------
    out : str
        The folder.
    years, seed, link
        What was asked for.
    start, end : str
        First and last session.
    crypto_start : str
        First day of crypto.
    sessions : int
        How many.
    cascades, engineered, leading : int
        Cascades, one a coin; engineered ones; spontaneous organic ones, which lead volatility
        where link is not 0.
    rows : dict of str to int
        Rows of each file.
    """

    out: str
    years: int
    seed: int
    link: float
    start: str
    end: str
    crypto_start: str
    sessions: int
    cascades: int
    engineered: int
    leading: int
    rows: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain types."""
        return asdict(self)


def simulate(
    out: Path,
    *,
    years: int,
    seed: int,
    link: float,
    start: date | pd.Timestamp | str | None = None,
    crypto_years: int = CRYPTO_YEARS,
    progress: Progress | None = None,
) -> SimulationReport:
    """Write a simulated market to the folder `out`.

    Parameters
    ----------
    out : Path
        Folder for the files; it must be empty, absent or hold an earlier simulation.
    years, seed, link, start, crypto_years, progress
        See `generate`; same arguments, same bytes.

    Returns
    -------
    SimulationReport

    Raises
    ------
    UsageError
        If an argument is out of range or `out` holds something else.

    Examples
    --------
    >>> report = simulate(Path("sim"), years=8, seed=7, link=1.0)  # doctest: +SKIP
    """
    mark = out / MARK
    if out.is_file():
        raise UsageError(f"{out} is a file. Expected a folder; choose another with --out DIR.")
    if out.is_dir() and any(out.iterdir()) and not mark.is_file():
        raise UsageError(
            f"{out} holds files that no simulation wrote. Expected an empty or absent folder, or "
            "that of an earlier simulation; choose another with --out DIR."
        )
    market = generate(
        years=years, seed=seed, link=link, start=start, crypto_years=crypto_years, progress=progress
    )
    if progress:
        progress(0.75, "writing files")
    named = market.files | {f"truth/{name}": f for name, f in market.truth.items()}
    # a span without a day of a series has no file of it: a header alone is no data
    everything = {name: frame for name, frame in named.items() if len(frame)}
    report = _report(out, market, years, seed, link, everything)
    for name in _written_before(mark) - set(everything):
        (out / name).unlink(missing_ok=True)
    # the mark first: an interrupted run can be repeated into the same folder
    text = json.dumps({k: v for k, v in report.to_json().items() if k != "out"}, indent=2)
    _replace(mark, lambda path: path.write_text(text + "\n", encoding="utf-8"))
    for name, frame in everything.items():
        _replace(out / name, partial(_write, frame))
    if progress:
        progress(1.0, "done")
    return report


def _report(
    out: Path,
    market: SimulatedMarket,
    years: int,
    seed: int,
    link: float,
    files: dict[str, pd.DataFrame],
) -> SimulationReport:
    cascades = market.cascades
    leading = ~cascades["engineered"] & (cascades["origin"] == "spontaneous")
    return SimulationReport(
        out=str(out),
        years=years,
        seed=seed,
        link=float(link),
        start=str(market.sessions[0].date()),
        end=str(market.sessions[-1].date()),
        crypto_start=str(market.hours[0].date()),
        sessions=len(market.sessions),
        cascades=len(cascades),
        engineered=int(cascades["engineered"].sum()),
        leading=int(leading.sum()),
        rows={name: len(frame) for name, frame in files.items()},
    )


def _written_before(mark: Path) -> set[str]:
    """Name the files of an earlier simulation, which this one may not have."""
    if not mark.is_file():
        return set()
    try:
        return set(json.loads(mark.read_text(encoding="utf-8"))["rows"])
    except (json.JSONDecodeError, KeyError) as error:
        raise UsageError(
            f"{mark} is damaged, so it cannot be told which files beside it are a simulation's. "
            "Choose another folder with --out DIR, or empty this one."
        ) from error


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Write beside, then put in place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".new-{path.name}")
    write(beside)
    with beside.open("rb+") as stream:
        os.fsync(stream.fileno())
    beside.replace(path)


def _write(frame: pd.DataFrame, path: Path) -> None:
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False, compression="zstd")
    else:
        frame.to_csv(path, index=False, lineterminator="\n")
