from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.policy import Allowance, Facts, Forecast, decide, held_level, overlay_level
from serving.policy_rows import Clause
from serving.policy_table import TABLE
from serving.settings import BOOKS, PolicySettings, ServingSettings

DEFAULT = ServingSettings()
BASE = Facts(vix=14.0, green=True)


def allow(
    facts: Facts, settings: ServingSettings = DEFAULT, book: str = "condor_1dte"
) -> Allowance:
    return decide({book: facts}, settings).allowances[book]


def with_policy(name: str) -> ServingSettings:
    return DEFAULT.model_copy(update={"policy": PolicySettings(name=name)})  # type: ignore[arg-type]


# each row: why it exists, facts, ladder, tier, size, m, narrower, the rule that set the tier
GOLDEN = [
    ("calm and green: anything goes", {}, "glossary", 3, 1.0, 1.0, 0, "VIX_CALM_GREEN"),
    ("calm, not green: no aggressive", {"green": False}, "glossary", 2, 1.0, 1.0, 0, "VIX_CALM"),
    ("the edge 15 belongs to normal", {"vix": 15.0}, "glossary", 2, 1.0, 1.0, 0, "VIX_NORMAL"),
    ("the edge 20 belongs to hold", {"vix": 20.0}, "glossary", 0, 1.0, 1.0, 0, "VIX_HOLD"),
    ("25 stops everything", {"vix": 25.0}, "glossary", 0, 1.0, 1.0, 0, "VIX_NONE"),
    ("a lower tier for 0.20", {"overlay": 1}, "glossary", 2, 1.0, 1.0, 0, "FORECAST_DROP"),
    ("0.40: conservative, half", {"overlay": 2},
     "glossary", 1, 0.5, 1.0, 0, "FORECAST_CONSERVATIVE"),
    ("0.60: nothing new", {"overlay": 3}, "glossary", 0, 0.5, 1.0, 0, "FORECAST_HOLD"),
    ("DEFENSIVE: all four at once", {"defensive": True}, "glossary", 2, 0.5, 1.25, 0, "DEFENSIVE"),
    ("FOMC or CPI: half and further", {"event_major": True},
     "glossary", 3, 0.5, 1.25, 0, "VIX_CALM_GREEN"),
    ("early warning: narrower wings", {"divergence": True},
     "glossary", 3, 1.0, 1.0, 5, "VIX_CALM_GREEN"),
    ("the gauge pays too little", {"premium_short": True},
     "glossary", 0, 1.0, 1.0, 0, "PREMIUM_FLOOR"),
    ("an unknown forecast opens nothing", {"p_unknown": True},
     "glossary", 0, 1.0, 1.0, 0, "FORECAST_UNKNOWN"),
    ("falling VIX below 20", {"vix": 19.0, "vix_below_sma5": True},
     "sub20_5dma", 3, 1.0, 1.0, 0, "SUB20_FALLING"),
    ("rising VIX below 20", {"vix": 19.0}, "sub20_5dma", 1, 1.0, 1.0, 0, "SUB20_RISING"),
    ("never stop at 22", {"vix": 22.0}, "never_stop", 1, 1.0, 1.0, 0, "NEVER_STOP"),
    ("never stop halves at 28", {"vix": 28.0}, "never_stop", 1, 0.5, 1.0, 0, "NEVER_STOP"),
]  # fmt: skip


@pytest.mark.parametrize(("why", "change", "name", "tier", "size", "m", "narrower", "rule"), GOLDEN)
def test_golden_decisions(
    why: str, change: dict[str, object], name: str, tier: int, size: float, m: float,
    narrower: int, rule: str,
) -> None:  # fmt: skip
    got = allow(replace(BASE, **change), with_policy(name))  # type: ignore[arg-type]
    assert (got.tier, got.size, got.m, got.narrower, got.decided_by) == (
        tier, size, m, narrower, rule,
    ), why  # fmt: skip


facts = st.builds(
    Facts,
    vix=st.floats(8, 80),
    overlay=st.integers(0, 3),
    model_age_days=st.integers(0, 100),
    **{
        f.name: st.booleans()
        for f in fields(Facts)
        if f.name not in ("vix", "overlay", "model_age_days")
    },
)
ladders = st.sampled_from(["glossary", "sub20_5dma", "never_stop"])
# facts that only ever restrict
STRESS = [
    "p_unknown", "defensive", "divergence", "event_major", "event_minor", "premium_short",
    "unreachable", "too_small", "same_expiry", "gate_missing", "novel", "feature_mismatch",
    "no_model", "bad_input",
]  # fmt: skip
NOTHING_REFUSED = {
    "gate_missing": False, "novel": False, "feature_mismatch": False, "no_model": False,
    "bad_input": False, "model_age_days": 0,
}  # fmt: skip


def no_more_risk(stressed: Allowance, calm: Allowance) -> bool:
    if stressed.refused:
        return stressed.tier == 0
    return (
        stressed.tier <= calm.tier
        and stressed.size <= calm.size
        and stressed.m >= calm.m
        and stressed.m_floor >= calm.m_floor
        and stressed.narrower >= calm.narrower
    )


@given(facts, ladders, st.integers(0, 3))
def test_a_more_stressed_forecast_never_allows_more_risk(f: Facts, name: str, more: int) -> None:
    known = replace(f, **NOTHING_REFUSED)
    worse = replace(known, overlay=min(known.overlay + more, 3))
    assert no_more_risk(allow(worse, with_policy(name)), allow(known, with_policy(name)))


@given(facts, ladders, st.sampled_from(STRESS))
def test_no_stress_fact_ever_allows_more_risk(f: Facts, name: str, fact: str) -> None:
    known = replace(f, **NOTHING_REFUSED)
    calm, stressed = replace(known, **{fact: False}), replace(known, **{fact: True})
    assert no_more_risk(allow(stressed, with_policy(name)), allow(calm, with_policy(name)))


@given(facts, ladders)
def test_every_action_cites_a_rule_and_the_same_input_gives_the_same_bytes(
    f: Facts, name: str
) -> None:
    settings = with_policy(name)
    every = dict.fromkeys(BOOKS, f)
    one, two = decide(every, settings), decide(every, settings)
    assert repr(one) == repr(two)
    ids = {row.id for row in TABLE}
    assert one.actions
    for action in one.actions:
        assert action.rules and set(action.rules) <= ids
    for book, allowance in one.allowances.items():
        assert allowance.rules and allowance.decided_by in allowance.rules
        assert "hold" in allowance.open_actions, book


@given(facts, ladders)
def test_a_refusal_leaves_no_other_rule_standing(f: Facts, name: str) -> None:
    got = allow(replace(f, novel=True), with_policy(name))
    assert got.refused and got.tier == 0
    assert all(rule.startswith("REFUSE_") for rule in got.rules)


def test_a_vix_that_no_row_knows_opens_nothing() -> None:
    got = allow(replace(BASE, vix=float("nan")))
    assert got.tier == 0 and got.decided_by == "DEFAULT_CONDOR"


def test_the_table_is_sound() -> None:
    names = {f.name for f in fields(Facts)}
    assert len({row.id for row in TABLE}) == len(TABLE)
    for row in TABLE:
        assert set(row.books) <= set(BOOKS) and row.books and row.why
        assert all(isinstance(c, Clause) and c.fact in names for c in row.when)
    for book in BOOKS:
        last = [row for row in TABLE if book in row.books][-1]
        assert last.kind == "default" and last.when == ()


@pytest.mark.parametrize(
    ("p", "level"),
    [(None, 0), (0.0, 0), (0.1999, 0), (0.20, 1), (0.3999, 1), (0.40, 2), (0.60, 2), (0.61, 3)],
)
def test_overlay_levels(p: float | None, level: int) -> None:
    assert overlay_level(p, PolicySettings()) == level


def test_a_restriction_relaxes_only_after_three_sessions() -> None:
    told = [0.65, 0.1, 0.1, 0.1, 0.1]
    levels = []
    for day, p in enumerate(told):
        earlier = tuple(reversed(told[:day]))
        levels.append(held_level(Forecast(p_shift=p, earlier=earlier), PolicySettings()))
    assert levels == [3, 3, 3, 0, 0]


@settings(max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_hysteresis_never_allows_more_than_today(told: list[float]) -> None:
    policy = PolicySettings()
    held = held_level(Forecast(p_shift=told[0], earlier=tuple(told[1:])), policy)
    assert held >= overlay_level(told[0], policy)


def test_the_capitulation_branch_is_off_and_gives_back_one_tier_when_on() -> None:
    assert not PolicySettings().capitulation
    dropped = replace(BASE, overlay=1)
    assert allow(dropped).tier == 2
    assert allow(replace(dropped, capitulation=True)).tier == 3
