"""What documents come to, how they are numbered, and how amounts, days and long texts are written."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.config_documents import Documents, Series, faults, is_nip
from mailcrm.core import document_words as say
from mailcrm.core import numbering
from mailcrm.core.breaking import lines, printable
from mailcrm.core.documents import MOST, Item, decimals, item_of, rounded, totals
from mailcrm.errors import Refused

VAT = Decimal(23)
CURRENCIES = st.sampled_from(["PLN", "EUR", "JPY", "KWD"])


def line(description: str = "Usługa", price: Any = "100", **more: Any) -> dict[str, Any]:
    return {"description": description, "price": price, **more}


def come_to(*given: dict[str, Any], currency: str = "PLN") -> tuple[str, str, str]:
    sums = totals([item_of(each, currency, VAT) for each in given], currency)
    return str(sums.net), str(sums.tax), str(sums.gross)


def test_a_line_is_rounded_half_up_and_tax_is_summed_by_rate() -> None:
    """Three lines of 0.45: tax on each would be 0.10, 0.30 in all; on their sum it is 0.31."""
    assert come_to(*[line(price="0.45")] * 3) == ("1.35", "0.31", "1.66")
    assert come_to(line(price="100.005", quantity=3)) == ("300.02", "69.00", "369.02")  # 300.015
    assert come_to(line(price="0.005")) == ("0.01", "0.00", "0.01")
    assert come_to(line(price="2.5"), currency="JPY") == ("3", "1", "4")
    assert come_to(line(price="1.2345"), currency="KWD") == ("1.235", "0.284", "1.519")


def test_rates_stand_from_the_highest_to_none_and_add_up() -> None:
    given = [line(price="10", tax="5"), line(price="200", tax="exempt"), line(price=50), line(price="1", tax=0)]
    sums = totals([item_of(each, "PLN", VAT) for each in [*given, line(price="10", tax="5.00")]], "PLN")
    shown = [(each.rate, str(each.net), str(each.tax), str(each.gross)) for each in sums.rates]
    assert shown == [
        (Decimal(23), "50.00", "11.50", "61.50"),
        (Decimal(5), "20.00", "1.00", "21.00"),
        (Decimal(0), "1.00", "0.00", "1.00"),
        (None, "200.00", "0.00", "200.00"),
    ]
    assert (sums.net, sums.tax, sums.gross) == (Decimal("271.00"), Decimal("12.50"), Decimal("283.50"))


def test_a_discount_is_a_line_below_zero() -> None:
    assert come_to(line(price=100), line("Rabat", price="-10.50")) == ("89.50", "20.59", "110.09")
    with pytest.raises(Refused, match="less than nothing"):
        come_to(line(price=100), line("Rabat", price=-10, tax=8))


ITEMS = st.lists(
    st.builds(
        line,
        price=st.decimals(0, 10**6, places=4).map(str),
        quantity=st.decimals("0.0001", 1000, places=4).map(str),
        tax=st.sampled_from([None, "23", "8", "5", "0", "exempt", "7.75"]),
    ),
    min_size=1,
    max_size=12,
)


@given(ITEMS, CURRENCIES)
def test_sums_are_exact_whatever_the_lines(given: list[dict[str, Any]], currency: str) -> None:
    items = [item_of(each, currency, VAT) for each in given]
    sums = totals(items, currency)
    cent = Fraction(1, 10 ** decimals(currency))
    for item in items:
        assert abs(Fraction(item.net) - Fraction(item.quantity) * Fraction(item.price)) <= cent / 2
    for rate in sums.rates:
        assert rate.net == sum(item.net for item in items if item.tax == rate.rate)
        exact = Fraction(rate.net) * Fraction(rate.rate or 0) / 100
        assert abs(Fraction(rate.tax) - exact) <= cent / 2
        assert Fraction(rate.tax) - exact != -cent / 2  # a half goes up
        assert rate.gross == rate.net + rate.tax
    assert sums.net == sum(each.net for each in sums.rates)
    assert sums.tax == sum(each.tax for each in sums.rates)
    assert sums.gross == sums.net + sums.tax
    assert all(-int(each.as_tuple().exponent) == decimals(currency) for each in (sums.net, sums.tax, sums.gross))


@given(st.decimals(-(10**11), 10**11, places=6), CURRENCIES)
def test_halves_are_rounded_away_from_zero(value: Decimal, currency: str) -> None:
    assert rounded(value, currency) == value.quantize(Decimal(1).scaleb(-decimals(currency)), ROUND_HALF_UP)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"price": 1}, "needs a description"),
        ({"description": " \n\u202e", "price": 1}, "needs a description"),
        ({"description": "x" * 2001, "price": 1}, "at most 2000"),
        ({"description": "x"}, "the price is missing"),
        (line(price="abc"), "'abc' is no number"),
        (line(price="1,200.50"), "is no number"),
        (line(price="NaN"), "is no number"),
        (line(price="-Infinity"), "is no number"),
        (line(price="0.00001"), "at most 4 decimals"),
        (line(price="9" * 50), "is no number"),
        (line(price=True), "is no number"),
        (line(price=[1]), "is no number"),
        (line(price=10**12), "is no number"),
        (line(price="999999999999", quantity=2), "comes to more"),
        (line(quantity=0), "not above 0"),
        (line(quantity="-1"), "not above 0"),
        (line(tax="101"), "no rate in percent"),
        (line(tax="-1"), "no rate in percent"),
        (line(tax="0.001"), "no rate in percent"),
        (line(tax="np"), "is no number"),
        (line(discount=5), "a line has no discount"),
    ],
)
def test_a_wrong_line_is_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused, match=why):
        item_of(given, "PLN", VAT)


def test_how_much_there_can_be() -> None:
    one = item_of(line(), "PLN", VAT)
    with pytest.raises(Refused, match="1 to 5000 lines, not 0"):
        totals([], "PLN")
    with pytest.raises(Refused, match="not 5001"):
        totals([one] * 5001, "PLN")
    with pytest.raises(Refused, match="comes to more"):
        totals([item_of(line(price="999999999999"), "PLN", VAT)], "PLN")
    assert totals([one] * 5000, "PLN").net == 500_000 < MOST


def test_numbers_are_read_as_people_write_them() -> None:
    read = item_of(line("  a \t b \r\n c\x00\u200b ", price=" 1 200,50 ", quantity=2.5, unit=" h\n"), "PLN", VAT)
    assert read == Item("a b\nc", Decimal("2.5"), "h", Decimal("1200.50"), VAT, Decimal("3001.25"))
    assert item_of(line(tax=" Exempt "), "PLN", VAT).tax is None


# -- numbering


@pytest.mark.parametrize(
    ("pattern", "period", "names"),
    [
        ("FV/{year}/{number:04}", "yearly", ["FV/2026/0001", "FV/2026/12345"]),
        ("{number}/{month}/{year}", "monthly", ["1/03/2026", "12345/03/2026"]),
        ("{number:06}", "never", ["000001", "012345"]),
        ("A-{month}-{number}", "never", ["A-03-1", "A-03-12345"]),
        ("{{x}} {number}", "never", ["{x} 1", "{x} 12345"]),
    ],
)
def test_names(pattern: str, period: numbering.Period, names: list[str]) -> None:
    numbering.check(pattern, period)
    day = date(2026, 3, 2)
    assert [numbering.name_of(pattern, number, day) for number in (1, 12345)] == names


@pytest.mark.parametrize(
    ("pattern", "period", "why"),
    [
        ("FV/{year}", "yearly", "must have {number} once"),
        ("{number}{number}{year}", "yearly", "must have {number} once"),
        ("FV/{number}", "yearly", "needs {year}"),
        ("FV/{year}/{number}", "monthly", "needs {month}"),
        ("FV/{month}/{number}", "monthly", "needs {year}"),
        ("{number:x}", "never", "can't be written so"),
        ("{number:9999999999}", "never", "can't be written so"),
        ("{year:04}{number}", "yearly", "can't be written so"),
        ("{number!r}", "never", "without '!'"),
        ("{number.real}", "never", "is not known"),
        ("{number[0]}", "never", "is not known"),
        ("{0}{number}", "never", "is not known"),
        ("{day}{number}", "never", "is not known"),
        ("{number", "never", "is no pattern"),
        ("}{number}", "never", "is no pattern"),
        ("\n{number}", "never", "can't be printed"),
        ("x" * 60 + "{number}", "never", "too long"),
    ],
)
def test_a_pattern_that_would_not_do_is_refused(pattern: str, period: numbering.Period, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        numbering.check(pattern, period)


@given(
    st.sampled_from(
        [("FV/{year}/{number:04}", "yearly"), ("{month}{number}-{year}", "monthly"), ("{number}", "never")]
    ),
    st.tuples(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(1, 10**6)),
    st.tuples(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(1, 10**6)),
)
def test_no_two_documents_of_a_series_have_one_name(
    series: tuple[str, numbering.Period], one: tuple[date, int], two: tuple[date, int]
) -> None:
    pattern, period = series
    numbering.check(pattern, period)
    same = (numbering.period_of(period, one[0]), one[1]) == (numbering.period_of(period, two[0]), two[1])
    names = [numbering.name_of(pattern, number, day) for day, number in (one, two)]
    assert (names[0] == names[1]) == same


def test_the_section_is_checked() -> None:
    assert faults(Documents()) == ""
    wrong = {
        "time_zone": "Mars",
        "currency": "zł",
        "country": "Polska",
        "tax": Decimal(101),
        "tax_id": "123-456-32-19",
        "pay_within": "soon",
        "offer_within": "1",
        "series": {"A": Series(pattern="{number}")},
    }
    for key, value in wrong.items():
        assert faults(Documents(**{key: value})).startswith(key)  # type: ignore[arg-type]
    twins = {"A": Series(pattern="FV/{year}/{number}"), "B": Series(pattern="FV/{year}/{number:04}")}
    assert "could give the numbers of A" in faults(Documents(series=twins))
    assert faults(Documents(country="DE", tax_id="DE123456789")) == ""
    assert [is_nip(each) for each in ("123-456-32-18", "PL 1234563218", "1234563219", "", "123456321", "x" * 10)] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]


# -- words


def test_amounts_and_days_as_each_language_writes_them() -> None:
    value = Decimal("-1234567.50")
    assert say.amount(value, "PLN", "pl") == "-1\u00a0234\u00a0567,50"
    assert say.amount(value, "PLN", "en") == "-1,234,567.50"
    assert say.amount(Decimal(1234), "JPY", "pl") == "1\u00a0234"
    assert say.amount(Decimal("1.5"), "KWD", "en") == "1.500"
    assert [say.price(Decimal(each), "PLN", "pl") for each in ("10", "0.5", "0.1234", "1E+3")] == [
        "10,00",
        "0,50",
        "0,1234",
        "1\u00a0000,00",
    ]
    assert [say.quantity(Decimal(each), "en") for each in ("7.50", "1000", "0.0001")] == ["7.5", "1,000", "0.0001"]
    assert [say.rate(each, "pl") for each in (Decimal("23.00"), Decimal("7.75"), Decimal(0), None)] == [
        "23%",
        "7,75%",
        "0%",
        "zw.",
    ]
    assert say.day(date(2026, 3, 2), "pl") == "02.03.2026"
    assert say.day(date(2026, 3, 2), "en") == "2\u00a0March\u00a02026"
    year = [date(2026, 1, 1) + timedelta(days=31 * month) for month in range(12)]
    assert len({say.day(day, "en") for day in year}) == 12
    assert set(say.WORDS) == {"pl", "en"}


# -- lines


@given(st.text(alphabet=st.sampled_from("ab ąW\n"), max_size=80), st.floats(3, 40))
def test_broken_lines_fit_and_lose_nothing(text: str, width: float) -> None:
    def measure(part: str) -> float:
        return sum(2.5 if each == "W" else 1.0 for each in part)

    found = list(lines(text, width, measure))
    assert all(measure(each) <= width for each in found)
    assert "".join(found).replace(" ", "") == text.replace(" ", "").replace("\n", "")


def test_a_letter_wider_than_the_column_stands_alone() -> None:
    assert list(lines("WW a", 1, lambda part: 3.0 * len(part))) == ["W", "W", "a"]


@given(st.text(max_size=60))
def test_what_is_printable_has_a_glyph(text: str) -> None:
    known = frozenset(range(32, 384)) | {ord("□")}
    shown = printable(text, known)
    assert all(ord(each) in known or each == "\n" for each in shown)
    assert not any("\x7f" <= each < "\xa0" or each == "\xad" for each in shown)


def test_what_a_font_lacks_is_a_box_and_what_cannot_be_seen_is_left_out() -> None:
    known = frozenset(range(32, 384)) | {ord("□")}
    assert printable("a\u0301\u202e\u200b\x07 שלום 😀\ufe0f\U0001f3fd zł", known) == "á □□□□ □ zł"
    assert printable("😀", frozenset(range(32, 127))) == "?"
