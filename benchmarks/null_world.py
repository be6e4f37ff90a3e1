"""Does the laboratory fool itself? python -m benchmarks.null_world [null|planted] [FIRST LAST].

Each market is simulated with cascades that lead nothing (link 0) and asked five times: once as it
is, at two moments, and four times with its labels permuted in blocks, in the evening. A run fools
itself when it claims skill beyond the best baseline, or, where labels are permuted, any useful
group, or, where they are not, that liquidations or another group of crypto alone is useful (other
groups may know something there).
Claims are family-wise: Holm over heads and moments for skill, Meinshausen over groups, moments and
heads for usefulness, each at 0.025. Crypto covers all years, so that its groups stand in the model.
`planted` asks markets whose cascades do lead.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

CRYPTO = ("liquidations", "crypto technicals", "closed window")
HEADS = {"evening": ("shift_up_5",), "preopen": ("spike_1",)}
NULL_YEARS, PLANTED_YEARS, PLANTED_LINK = 12, 20, 3.0


def worlds(seed: int, years: int, link: float) -> dict[str, Any]:
    from training.null_world import simulated_datasets

    with tempfile.TemporaryDirectory() as scratch:
        return simulated_datasets(Path(scratch), HEADS, years=years, seed=seed, link=link)


def ask(datasets: dict[str, Any], seed: int | None) -> Any:
    """Run the laboratory on one market: 60 rounds, folds of the group table."""
    from features.catalog import CATALOG
    from models.settings import ModelSettings
    from training.null_world import null_run
    from training.settings import TrainingSettings
    from training.splits import walk_forward_folds

    settings = TrainingSettings()
    prices = datasets["evening"].spine
    folds = walk_forward_folds(
        prices.index[prices["vix_close"].notna()],
        first=date(2008, 1, 1),
        min_train=settings.min_train_sessions,
        years=settings.group_years,
    )
    return null_run(
        datasets,
        folds,
        {name: feature.group for name, feature in CATALOG.items()},
        {at: HEADS[at] for at in datasets},
        settings,
        ModelSettings(blocks=settings.group_blocks, rounds=60, paths=200),
        seed=seed,
    )


def null(first: int, last: int) -> None:
    fooled: Counter[str] = Counter()
    for market in range(first, last + 1):
        world = worlds(100 + market, NULL_YEARS, 0.0)
        for seed in (None, 1, 2, 3, 4):
            if seed is None:
                kind, run = "link 0", ask(world, None)
            else:
                evening = {"evening": world["evening"]}
                kind, run = "labels permuted", ask(evening, 10 * market + seed)
            claims = [*run.skilful(), *run.useful(CRYPTO if seed is None else None)]
            fooled[kind] += bool(claims)
            print(
                f"market {market:2d} {kind:16s} skill p {run.skill['p_holm'].min():.3f}  "
                f"group p {run.verdicts['p_family'].min():.3f}  {'; '.join(claims)}",
                flush=True,
            )
    markets = last - first + 1
    for kind, runs in (("link 0", markets), ("labels permuted", 4 * markets)):
        print(f"{kind:16s} {fooled[kind]} of {runs} runs fooled themselves (5 in 100 allowed)")


def planted(first: int, last: int) -> None:
    for market in range(first, last + 1):
        run = ask(worlds(market, PLANTED_YEARS, PLANTED_LINK), None)
        print(f"market {market:2d} planted: {'; '.join(run.useful(CRYPTO)) or 'no claim'}")
        for row in run.verdicts[run.verdicts["group"].isin(CRYPTO)].itertuples():
            print(f"   {row.group} {row.at}: p {row.p_value}, {row.p_family}", flush=True)


def main() -> None:
    kind = sys.argv[1] if len(sys.argv) > 1 else "null"
    first, last = (int(a) for a in sys.argv[2:4]) if len(sys.argv) > 3 else (1, 20)
    began = time.perf_counter()
    {"null": null, "planted": planted}[kind](first, last)
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
