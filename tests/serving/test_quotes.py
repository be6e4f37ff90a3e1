import pandas as pd
import pytest

from features.errors import DataError
from serving.pricing import black76
from serving.quotes import read_quotes

OPEN = pd.Timestamp("2026-11-23T14:30:00Z")
HEADER = "quoted_at,root,expiry,strike,right,bid,ask\n"
GOOD = (
    HEADER
    + "2026-11-23T20:10:00Z,SPXW,2026-11-24,6900,P,1.00,1.10\n"
    + "2026-11-23T20:10:00Z,SPXW,2026-11-24,6890,P,0.80,0.90\n"
    + "2026-11-23T20:12:00Z,SPXW,2026-11-24,6900,P,1.20,1.30\n"
)


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "chain.csv"
    path.write_text(GOOD)
    return path


def ask_for(quotes, strikes):
    return quotes.mark(
        root="SPXW",
        expiry=pd.Timestamp("2026-11-24"),
        strikes=strikes,
        call=False,
        forward=7000.0,
        tau=1 / 252,
    )


def test_the_newest_quote_by_the_cutoff_marks(book):
    early = read_quotes(book).known(OPEN, pd.Timestamp("2026-11-23T20:11:00Z"))
    marks = ask_for(early, [6900.0, 6890.0])
    assert list(marks.mid) == pytest.approx([1.05, 0.85])
    assert list(marks.low) == [1.00, 0.80] and list(marks.high) == [1.10, 0.90]
    assert set(marks.source) == {"quotes"}
    back = black76(7000.0, [6900.0, 6890.0], 1 / 252, marks.vol, call=False)
    assert list(back) == pytest.approx([1.05, 0.85])
    late = read_quotes(book).known(OPEN, pd.Timestamp("2026-11-23T20:13:00Z"))
    assert ask_for(late, [6900.0]).mid[0] == pytest.approx(1.25)


def test_a_package_is_never_marked_from_two_sources(book):
    assert ask_for(read_quotes(book), [6900.0, 6850.0]) is None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("2026-11-23T20:10:00,SPXW,2026-11-24,6900,P,1.0,1.1", "with a zone"),
        ("2026-11-23T20:10:00Z,SPY,2026-11-24,6900,P,1.0,1.1", "`root` must be one of"),
        ("2026-11-23T20:10:00Z,SPXW,24.11.2026,6900,P,1.0,1.1", "`expiry` must be a date"),
        ("2026-11-23T20:10:00Z,SPXW,2026-11-24,6900,X,1.0,1.1", "`right` must be C or P"),
        ("2026-11-23T20:10:00Z,SPXW,2026-11-24,-5,P,1.0,1.1", "`strike` must be a positive"),
        ("2026-11-23T20:10:00Z,SPXW,2026-11-24,6900,P,,1.1", "`bid` must be a number"),
        ("2026-11-23T20:10:00Z,SPXW,2026-11-24,6900,P,1.2,1.1", "not below the bid"),
        ("2026-11-23T20:10:00Z,SPXW,2026-11-24,6900,P,1.0,1.1", "quoted once"),
    ],
)
def test_a_bad_line_is_refused_with_its_number(tmp_path, line, words):
    path = tmp_path / "chain.csv"
    path.write_text(GOOD + line + "\n")
    with pytest.raises(DataError, match=words) as caught:
        read_quotes(path)
    assert "line 5" in str(caught.value)


def test_a_missing_column_is_named(tmp_path):
    path = tmp_path / "chain.csv"
    path.write_text("quoted_at,root,expiry,strike,right,bid\n")
    with pytest.raises(DataError, match="lacks the columns ask"):
        read_quotes(path)
