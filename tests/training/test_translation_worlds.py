"""The translation score on whole markets: cascades lead, cascades do not, and the real one."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from features import pipeline
from features.catalog import PARTS
from features.declare import Feature
from features.sources.simulated import simulate
from features.sources.tidy import import_folder
from features.store import MarketStore
from models.translation import INPUTS
from training.settings import TrainingSettings
from training.translation import lead, translation_rows, translation_study

NEEDED = [p for p in PARTS if any(_f.name in (*INPUTS, "casc_new") for _f in p.features)]


def tables(store: MarketStore, until: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Features, events and spine of the years in which crypto is known."""
    made = pipeline.build(store, start="2020-01-02", end=until, parts=NEEDED)
    declared: dict[str, Feature] = {f.name: f for p in NEEDED for f in p.features}
    events = [name for name, feature in declared.items() if feature.per_event]
    return made.drop(columns=events), made[events], pipeline.spine(store).loc[:until]


@pytest.mark.slow
@pytest.mark.parametrize(("link", "leads"), [(2.0, True), (0.0, False)])
def test_planted_worlds_are_told_from_null_ones(link: float, leads: bool, tmp_path: Path) -> None:
    rows = []
    for seed in range(4):
        folder = tmp_path / str(seed)
        simulate(folder / "files", years=6, seed=seed, link=link)
        store = MarketStore(folder / "store")
        import_folder(store, folder / "files", now=pd.Timestamp("2025-01-10", tz="UTC"))
        rows.append(translation_rows(*tables(store, "2024-12-31")))
    told = lead(pd.concat(rows))
    assert told is not None
    if leads:
        assert told["lo"] > 0.0
    else:
        assert told["lo"] < 0.0 < told["hi"]


@pytest.mark.real
def test_the_published_answer_of_the_real_market(
    real_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = MarketStore(tmp_path_factory.mktemp("real"))
    import_folder(store, real_data, now=pd.Timestamp("2026-11-23", tz="UTC"))
    told = translation_study(*tables(store, "2024-12-31"), TrainingSettings()).summary()
    counted = [told[n] for n in ("sessions", "clusters", "weak", "weak_clusters", "fleeting")]
    assert counted == [298, 63, 34, 17, 6]
    assert told["reason"] is None
    assert told["beats_base_rate"] is False and told["beats_vix"] is False
    skill = {(row["forecast"], row["against"]): row for row in told["skill"]}
    assert skill["translation", "vix"]["gain_hi"] < 0.0 < skill["vix", "base_rate"]["gain_lo"]
    assert told["lead"]["lo"] < 0.0 < told["lead"]["hi"]
    sure = [row["input"] for row in told["coefficients"] if row["lo"] > 0.0 or row["hi"] < 0.0]
    assert sure == ["wacc_stress_z"]
