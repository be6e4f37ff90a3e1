from __future__ import annotations

import importlib.resources
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.calendar_source import FIRST, LAST, write_exceptions
from features.errors import UsageError
from features.home import Home
from features.moments import MOMENTS, Moment, moments
from features.sessions import calendar


def days(*texts: str) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(texts).as_unit("us")


def utc(*texts: str | None) -> list[pd.Timestamp]:
    return [pd.Timestamp(text, tz="UTC") if text else pd.NaT for text in texts]


def test_the_calendar_equals_its_source() -> None:
    import exchange_calendars

    source = exchange_calendars.get_calendar("XNYS", start=FIRST, end=LAST)
    sessions = calendar().sessions()
    assert (sessions == source.sessions.as_unit("us")).all()
    closes = pd.DatetimeIndex(source.schedule["close"]).as_unit("us")
    assert (calendar().close_utc(sessions) == closes).all()
    opens = pd.DatetimeIndex(source.schedule["open"]).as_unit("us")
    assert (calendar().open_utc(sessions) == opens).all()


def test_the_committed_file_is_what_the_command_writes() -> None:
    written = io.StringIO()
    write_exceptions(written)
    committed = importlib.resources.files("features").joinpath("xnys.csv").read_text("utf-8")
    assert written.getvalue() == committed


def test_the_slow_calendar_package_stays_out_of_the_run_time() -> None:
    code = (
        "import sys; from features.sessions import calendar; calendar().is_session('2024-07-03'); "
        "print('exchange_calendars' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_units_and_names() -> None:
    sessions = calendar().sessions("2024-07-01", "2024-07-05")
    assert sessions.dtype == "datetime64[us]"
    assert sessions.name == "session"
    assert list(sessions.day) == [1, 2, 3, 5]
    assert calendar().cutoffs(sessions).dtype == "datetime64[us, UTC]"


@pytest.mark.parametrize(
    ("session", "close"),
    [
        ("2024-03-08", "2024-03-08 21:00"),  # last session of winter time
        ("2024-03-11", "2024-03-11 20:00"),  # first of summer time
        ("2024-07-03", "2024-07-03 17:00"),  # 13:00 before Independence Day
        ("2024-11-01", "2024-11-01 20:00"),
        ("2024-11-04", "2024-11-04 21:00"),
        ("2024-11-29", "2024-11-29 18:00"),  # 13:00 after Thanksgiving
        ("1992-12-24", "1992-12-24 19:00"),  # early closes were at 14:00 then
    ],
)
def test_closes_follow_daylight_saving_and_early_closes(session: str, close: str) -> None:
    assert list(calendar().close_utc(days(session))) == utc(close)


@pytest.mark.parametrize(
    ("at", "session", "cutoff"),
    [
        ("evening", "2024-01-12", "2024-01-12 23:00"),  # 18:00 EST
        ("evening", "2024-07-03", "2024-07-03 22:00"),  # 18:00 EDT, early close or not
        ("preopen", "2024-07-03", "2024-07-05 13:00"),  # the holiday lies between
        ("preopen", "2024-03-08", "2024-03-11 13:00"),  # the clock changes over the weekend
        ("preopen", "2024-11-01", "2024-11-04 14:00"),
        ("eve", "2024-01-12", "2024-01-15 22:00"),  # Monday is a holiday: the eve is Monday
        ("eve", "2024-01-16", None),  # a Tuesday evening: nothing is ending
        ("eve", "2024-03-08", "2024-03-10 21:00"),  # Sunday of the change, 17:00 EDT
        ("eve", "2024-07-03", "2024-07-04 21:00"),  # a holiday in the middle of the week
        ("eve", "2024-12-24", "2024-12-25 22:00"),
    ],
)
def test_cutoffs(at: str, session: str, cutoff: str | None) -> None:
    found = calendar().cutoffs(days(session), at)
    assert list(found.fillna(pd.Timestamp(0, tz="UTC"))) == [
        moment if moment is not pd.NaT else pd.Timestamp(0, tz="UTC") for moment in utc(cutoff)
    ]


def test_a_cascade_at_2050_utc_in_summer_lies_between_close_and_evening() -> None:
    cascade = pd.Timestamp("2024-06-18 20:50", tz="UTC")
    session = days("2024-06-18")
    assert calendar().close_utc(session)[0] < cascade < calendar().cutoffs(session)[0]


def test_a_cascade_at_2050_utc_in_winter_lies_before_the_close() -> None:
    cascade = pd.Timestamp("2024-12-18 20:50", tz="UTC")
    assert cascade < calendar().close_utc(days("2024-12-18"))[0]


def test_neighbours_skip_weekends_and_holidays() -> None:
    assert calendar().next("2024-07-03") == pd.Timestamp("2024-07-05")
    assert calendar().next("2024-07-04") == pd.Timestamp("2024-07-05")
    assert calendar().previous("2024-07-05") == pd.Timestamp("2024-07-03")
    assert calendar().previous("2024-01-02") == pd.Timestamp("2023-12-29")


def test_closures_that_no_rule_foresees() -> None:
    closed = days("2001-09-11", "2001-09-14", "2004-06-11", "2012-10-29", "2018-12-05")
    assert not calendar().contains(closed).any()
    assert calendar().is_session("2001-09-17")


def test_neighbours_agree_with_the_list_everywhere() -> None:
    sessions = calendar().sessions("1999-01-01", "2003-12-31")
    assert (calendar().following(sessions[:-1]) == sessions[1:]).all()
    every_day = pd.date_range(sessions[0], sessions[-1]).as_unit("us")
    assert (calendar().contains(every_day) == np.isin(every_day, sessions)).all()


@pytest.mark.parametrize(
    ("now", "session"),
    [
        ("2024-07-03 16:59", "2024-07-02"),
        ("2024-07-03 17:00", "2024-07-03"),  # early close, 13:00 New York
        ("2024-07-05 12:00", "2024-07-03"),
        ("2024-07-07 12:00", "2024-07-05"),
    ],
)
def test_last_closed(now: str, session: str) -> None:
    assert calendar().last_closed(pd.Timestamp(now, tz="UTC")) == pd.Timestamp(session)


def test_no_session_is_refused_with_its_neighbours() -> None:
    with pytest.raises(
        UsageError, match=r"2024-07-04 is no exchange session.*2024-07-03 and 2024-07-05"
    ):
        calendar().require_session("2024-07-04")
    assert calendar().require_session("2024-07-05") == pd.Timestamp("2024-07-05")


@pytest.mark.parametrize("day", ["1969-12-31", "2036-01-01"])
def test_dates_outside_the_calendar_are_refused(day: str) -> None:
    with pytest.raises(UsageError, match="1970-01-02 to 2035-12-31"):
        calendar().next(day)


def test_an_unknown_moment_is_refused() -> None:
    with pytest.raises(UsageError, match="no moment is called 'noon'"):
        calendar().cutoffs(days("2024-07-03"), "noon")


def test_moments_of_the_configuration(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert moments(home) == MOMENTS
    home.config_path.write_text(
        '[moments]\nevening = {clock = "18:30"}\nmidday = {clock = "12:00", day = "session"}\n'
    )
    merged = moments(home)
    assert merged["evening"] == Moment("evening", "18:30", "session")
    found = calendar().cutoffs(days("2024-07-03"), merged["midday"])
    assert list(found) == utc("2024-07-03 16:00")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('evening = "18:30"', "must be a table"),
        ('evening = {hour = "18:30"}', "must be a table with keys"),
        ('midday = {clock = "12:00"}', "needs both `clock` and `day`"),
        ('evening = {clock = "6pm"}', "must be HH:MM"),
        (
            'midday = {clock = "12:00", day = "tomorrow"}',
            "must be one of session, before_next, next",
        ),
    ],
)
def test_wrong_moments_are_refused(tmp_path: Path, line: str, message: str) -> None:
    home = Home(tmp_path)
    home.config_path.write_text(f"[moments]\n{line}\n")
    with pytest.raises(UsageError, match=message):
        moments(home)


def test_sessions_are_counted_without_being_listed() -> None:
    days = calendar()
    for start, end in (
        ("2024-12-20", "2025-01-03"),
        ("2024-12-25", "2024-12-25"),
        ("2025-01-03", "2024-12-20"),
        ("2024-07-03", "2024-07-05"),
    ):
        assert days.count(start, end) == len(days.sessions(start, end))
    assert days.count() == len(days.sessions())


def test_a_holiday_is_foreseen_and_a_disaster_is_not() -> None:
    told = calendar().foreseen(days("2001-08-31", "2001-09-10", "2024-03-28"), 3)
    assert told.astype(str).tolist() == [
        ["2001-09-04", "2001-09-05", "2001-09-06"],  # over Labor Day
        ["2001-09-11", "2001-09-12", "2001-09-13"],  # none of them took place
        ["2024-04-01", "2024-04-02", "2024-04-03"],  # over Good Friday
    ]
    assert not calendar().is_session("2001-09-11")


def test_sessions_beyond_the_calendar_are_not_foreseen() -> None:
    with pytest.raises(UsageError, match="reach beyond the exchange calendar"):
        calendar().foreseen(days("2035-12-28"), 10)
    with pytest.raises(UsageError, match="reach beyond the exchange calendar"):
        calendar().foreseen(days("1969-12-30"), 1)
