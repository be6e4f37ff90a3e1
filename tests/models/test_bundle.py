"""A bundle on disk: its name is its content, tampering is refused, its sums are exact."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from pathlib import Path
from typing import Any

import lightgbm
import pytest

from features.errors import DataError
from models.bundle import load_bundle, write_bundle
from models.bundle_files import FORMAT, json_bytes
from models.translation import Translation


def _content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def written(fitted: Any, tmp_path: Path) -> Path:
    return write_bundle(tmp_path, {"evening": fitted.forecaster}, fields={"data_hash": "d"})


def test_the_same_fit_gives_the_same_name_and_bytes(
    fitted: Any, written: Path, tmp_path: Path
) -> None:
    before = _content(written)
    assert write_bundle(tmp_path, {"evening": fitted.forecaster}, fields={"data_hash": "d"}) == (
        written
    )
    other = write_bundle(
        tmp_path / "other", {"evening": fitted.forecaster}, fields={"data_hash": "d"}, run={"id": 1}
    )
    assert other.name == written.name
    assert _content(written) == before
    assert _content(other) == before | {"run.json": (other / "run.json").read_bytes()}
    changed = write_bundle(tmp_path, {"evening": fitted.forecaster}, fields={"data_hash": "e"})
    assert changed.name != written.name
    # Written again from what was read, it is the same.
    again = write_bundle(
        tmp_path / "again", load_bundle(written).forecasters, fields={"data_hash": "d"}
    )
    assert _content(again).keys() == before.keys()


def test_the_translation_score_travels_along_and_may_be_absent(
    fitted: Any, written: Path, tmp_path: Path
) -> None:
    assert load_bundle(written).translation is None
    told = Translation("too few events", {"sessions": 3, "clusters": 2})
    folder = write_bundle(
        tmp_path, {"evening": fitted.forecaster}, translation=told, fields={"data_hash": "d"}
    )
    assert folder.name != written.name
    assert _content(folder).keys() == {*_content(written), "translation.json"}
    assert load_bundle(folder).translation == told
    path = folder / "translation.json"
    path.write_bytes(path.read_bytes().replace(b"few", b"many"))
    with pytest.raises(DataError, match="does not match its hash"):
        load_bundle(folder)


def test_nothing_is_pickled(written: Path) -> None:
    for name, raw in _content(written).items():
        assert name.endswith((".json", ".lgb")), name
        if name.endswith(".json"):
            json.loads(raw)
        else:
            assert raw.startswith(b"tree\n")


def test_a_changed_or_missing_file_is_refused(written: Path) -> None:
    for name in ("evening/moment.json", "manifest.json", "evening/shift_up_5.json"):
        path = written / name
        raw = path.read_bytes()
        path.write_bytes(raw.replace(b"1", b"2", 1))
        with pytest.raises(DataError, match=r"[Rr]etrain"):
            load_bundle(written)
        path.unlink()
        with pytest.raises(DataError, match="missing"):
            load_bundle(written)
        path.write_bytes(raw)
    load_bundle(written)


def test_forecasts_add_up_and_a_batch_equals_single_calls(fitted: Any, written: Path) -> None:
    bundle, spine = load_bundle(written), fitted.dataset.spine
    features = fitted.dataset.features.loc[fitted.later[:40]]
    batch = bundle.forecast(at="evening", features=features, spine=spine)
    assert batch == bundle.forecast(at="evening", features=features, spine=spine)
    assert batch == load_bundle(written).forecast(at="evening", features=features, spine=spine)
    for k in (0, 17, 39):
        cut = spine.loc[: features.index[k]]
        single = bundle.forecast(at="evening", features=features.iloc[k : k + 1], spine=cut)
        assert single == [batch[k]]
    asked = 0
    for session in batch:
        for head in session.heads:
            if head.probability is None:
                continue
            asked += 1
            total = head.base_log_odds + sum(c.log_odds for c in head.contributions)
            assert 1.0 / (1.0 + math.exp(-total)) == pytest.approx(head.probability, abs=1e-9)
    assert asked > 200


def test_it_says_what_the_forecaster_says(fitted: Any, written: Path) -> None:
    rows = fitted.later[:20]
    table = fitted.forecaster.predict(fitted.dataset, rows).set_index(
        ["session", "head", "horizon"]
    )
    features = fitted.dataset.features.loc[rows]
    for session in load_bundle(written).forecast(
        at="evening", features=features, spine=fitted.dataset.spine
    ):
        for head in session.heads:
            p = table.loc[(session.session, head.head, head.horizon), "p"]
            assert (head.probability is None and math.isnan(p)) or head.probability == p


def test_a_fallback_bundle_gives_the_prior(fitted: Any, tmp_path: Path) -> None:
    folder = write_bundle(tmp_path, {"evening": fitted.forecaster}, fallback=True)
    features = fitted.dataset.features.loc[fitted.later[:5]]
    bundle = load_bundle(folder)
    assert bundle.fallback
    for session in bundle.forecast(at="evening", features=features, spine=fitted.dataset.spine):
        for head in (h for h in session.heads if h.probability is not None):
            assert head.probability == pytest.approx(min(max(head.prior, 1e-6), 1 - 1e-6))
            assert head.contributions == ()


def test_a_moment_without_a_fit_is_refused(fitted: Any, written: Path) -> None:
    features = fitted.dataset.features.loc[fitted.later[:1]]
    with pytest.raises(DataError, match="preopen"):
        load_bundle(written).forecast(at="preopen", features=features, spine=fitted.dataset.spine)


def _rewrite(folder: Path, name: str, change: Any) -> None:
    """Change a file and make every hash true again, as a careless tool would."""
    path = folder / name
    document = json.loads(path.read_bytes())
    change(document)
    path.write_bytes(json_bytes(document))
    manifest = json.loads((folder / "manifest.json").read_bytes())
    if name != "manifest.json":
        manifest["files"][name] = hashlib.sha256(path.read_bytes()).hexdigest()
    named = {k: v for k, v in manifest.items() if k not in ("model_version", "content_hash")}
    manifest["content_hash"] = hashlib.sha256(json_bytes(named)).hexdigest()
    (folder / "manifest.json").write_bytes(json_bytes(manifest))


def test_a_feature_list_that_does_not_fit_is_refused(written: Path) -> None:
    head = next(
        p.relative_to(written).as_posix()
        for p in sorted(written.rglob("*.json"))
        if json.loads(p.read_bytes()).get("boosters")
    )

    def shorten(document: Any) -> None:
        document["shift"]["features"].pop()

    def rename(document: Any) -> None:
        document["shift"]["features"][0] = "no_such_feature"

    raw = (written / head).read_bytes()
    _rewrite(written, head, shorten)
    with pytest.raises(DataError, match="its boosters expect"):
        load_bundle(written)
    (written / head).write_bytes(raw)
    _rewrite(written, head, rename)
    with pytest.raises(DataError, match="no_such_feature"):
        load_bundle(written)


def test_movers_are_kept_once_and_read_back(fitted: Any, written: Path) -> None:
    movers = fitted.forecaster.movers
    assert {name for name, m in movers.items() if m.boosters} == {"variance", "size"}
    names = sorted(p.name for p in (written / "evening").glob("mover_*"))
    assert names == [f"mover_{name}.{k}.lgb" for name in ("size", "variance") for k in range(3)]
    read = load_bundle(written).forecasters["evening"]
    for name, mover in movers.items():
        assert read.movers[name].to_json() == mover.to_json()
        assert [b.text for b in read.movers[name].boosters] == [b.text for b in mover.boosters]
    heads = read.heads
    assert heads["breach_down_1"].shift.mover is heads["gap_down_1"].shift.mover
    assert heads["shift_up_5"].shift.mover is None

    def shorten(document: Any) -> None:
        document["movers"]["size"]["features"].pop()

    def lose(document: Any) -> None:
        del document["movers"]["size"]

    def thin(document: Any) -> None:
        document["movers"]["size"]["boosters"] = 2

    raw = (written / "evening" / "moment.json").read_bytes()
    for change, said in (
        (shorten, "evening/mover_size names 5 features"),
        (lose, "is moved by `size` with 3 members, which the bundle does not hold"),
        (thin, "is moved by `size` with 3 members, which the bundle does not hold"),
    ):
        _rewrite(written, "evening/moment.json", change)
        with pytest.raises(DataError, match=said):
            load_bundle(written)
        (written / "evening" / "moment.json").write_bytes(raw)


def test_the_width_of_a_booster_is_what_lightgbm_reads(fitted: Any) -> None:
    seen = 0
    for head in fitted.forecaster.heads.values():
        for booster in head.shift.boosters if head.shift else ():
            assert booster.width == lightgbm.Booster(model_str=booster.text).num_feature()
            seen += 1
    assert seen


def test_an_older_format_is_refused_with_the_way_out(written: Path) -> None:
    _rewrite(written, "manifest.json", lambda document: document.update(format=1))
    with pytest.raises(DataError, match=rf"format 1, expected {FORMAT}. Retrain"):
        load_bundle(written)


def test_only_the_moments_asked_for_are_read_and_checked(fitted: Any, tmp_path: Path) -> None:
    preopen = dataclasses.replace(fitted.forecaster, at="preopen")
    folder = write_bundle(tmp_path, {"evening": fitted.forecaster, "preopen": preopen})
    whole = load_bundle(folder)
    assert sorted(whole.forecasters) == ["evening", "preopen"]
    damaged = folder / "preopen" / "moment.json"
    damaged.write_bytes(damaged.read_bytes().replace(b"1", b"2", 1))
    evening = load_bundle(folder, moments=("evening", "eve"))
    assert list(evening.forecasters) == ["evening"]
    assert evening.feature_names == whole.feature_names
    features, spine = fitted.dataset.features.loc[fitted.later[:2]], fitted.dataset.spine
    said = evening.forecast(at="evening", features=features, spine=spine)
    assert said == whole.forecast(at="evening", features=features, spine=spine)
    with pytest.raises(DataError, match=r"no forecasts for `preopen`, only for \['evening', 'pre"):
        evening.forecast(at="preopen", features=features, spine=spine)
    for moments in (None, ("preopen",)):
        with pytest.raises(DataError, match="does not match its hash"):
            load_bundle(folder, moments=moments)
