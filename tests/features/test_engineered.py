"""The engineered-or-organic score shows its parts; the on-chain classes need evidence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.engineered import SIGNALS, classify_onchain, score

HOUR = pd.Timestamp("2021-05-19 13:00", tz="UTC").as_unit("us")


def cascade(**changes: object) -> pd.DataFrame:
    row = {"start": HOUR, "end": HOUR + pd.Timedelta(minutes=30), "side": "long", **changes}
    return pd.DataFrame([row])


def venues(**low: float) -> pd.DataFrame:
    return pd.DataFrame(
        [{"ts": HOUR, "venue": v, "open": 100.0, "high": 100.0, "low": x} for v, x in low.items()]
    )


def test_score_is_the_mean_of_visible_signals() -> None:
    rows = cascade(
        top_venue_share=0.9, n_venues=3, reversal_60m=0.5, oi_change_pct=-2.5, acceleration=-0.2
    )
    found = score(rows).iloc[0]
    assert found["engineered_single_venue"] == pytest.approx(0.8)
    assert found["engineered_sharp_reversal"] == 0.5
    assert found["engineered_interest_kept"] == pytest.approx(0.75)
    assert found["engineered_front_loaded"] == pytest.approx(0.6)
    assert found["engineered_signals"] == 4
    assert found["engineered_score"] == pytest.approx((0.8 + 0.5 + 0.75 + 0.6) / 4)
    assert set(SIGNALS) <= {c.removeprefix("engineered_") for c in found.index}


def test_one_signal_is_no_score() -> None:
    found = score(cascade(reversal_60m=1.0)).iloc[0]
    assert found["engineered_signals"] == 1
    assert np.isnan(found["engineered_score"])


def test_a_tape_of_one_venue_shows_no_concentration() -> None:
    found = score(cascade(top_venue_share=1.0, n_venues=1, reversal_60m=0.2)).iloc[0]
    assert np.isnan(found["engineered_single_venue"])


def test_a_lone_wick_scores_higher_than_a_fall_of_all_venues() -> None:
    wick = score(cascade(), bars=venues(binance=78.0, bybit=96.0, okx=95.5, deribit=96.5)).iloc[0]
    fall = score(cascade(), bars=venues(binance=78.0, bybit=78.2, okx=78.1, deribit=77.9)).iloc[0]
    assert wick["engineered_venue_deviation"] == 1.0
    assert fall["engineered_venue_deviation"] < 0.1


def test_perpetual_without_spot() -> None:
    bars = venues(binance=90.0, bybit=90.0, okx=90.0)
    spot = pd.DataFrame({"ts": [HOUR], "open": [100.0], "high": [100.0], "low": [97.5]})
    found = score(cascade(), bars=bars, spot=spot).iloc[0]
    assert found["engineered_no_spot_lead"] == 1.0  # spot fell a quarter as far
    along = spot.assign(low=90.0)
    assert score(cascade(), bars=bars, spot=along).iloc[0]["engineered_no_spot_lead"] == 0.0


def test_signals_stay_within_bounds() -> None:
    rng = np.random.default_rng(0)
    rows = pd.concat(
        [
            cascade(
                top_venue_share=rng.random(), n_venues=2, reversal_60m=rng.normal(),
                oi_change_pct=rng.normal() * 30, acceleration=rng.uniform(-1, 1),
            )
            for _ in range(50)
        ],
        ignore_index=True,
    )  # fmt: skip
    found = score(rows)
    values = found[[f"engineered_{name}" for name in SIGNALS] + ["engineered_score"]].to_numpy()
    known = values[~np.isnan(values)]
    assert len(known) == 5 * 50
    assert (known >= 0).all() and (known <= 1).all()


def test_three_classes_on_chain() -> None:
    rows = pd.DataFrame(
        {
            "flash_loan": [True, True, False, False],
            "oracle_swap": [True, False, False, False],
            "svr_routed": ["false", "false", "true", "unknown"],
        }
    )
    # a flash loan alone is how many honest liquidators pay: both steps make it triggered
    assert classify_onchain(rows).tolist()[:3] == ["triggered", "plain", "extracted"]
    assert pd.isna(classify_onchain(rows).iloc[3])


@pytest.mark.real
def test_classes_on_the_real_files(real_data: Path) -> None:
    comp = pd.read_csv(real_data / "crypto_compound_svr_liquidations.csv")
    found = classify_onchain(comp)
    assert (found == "extracted").sum() == 198
    assert (found == "plain").sum() == 231
    assert found.isna().sum() == 232
    aave = pd.read_parquet(real_data / "crypto_aave_btc_collateral_liquidations.parquet")
    label = classify_onchain(aave)
    assert label.isna().equals(aave["block_number"].isna())
    assert set(label.dropna()) == {"extracted", "plain"}
    assert not (label == "triggered").any()  # the files do not show transactions' insides
