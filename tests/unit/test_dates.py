"""Days of return and quoted dates, as many languages and programs write them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm.core.dates import quoted_date, returns_on

SENT = date(2026, 11, 3)
BACK = date(2026, 11, 27)


@pytest.mark.parametrize(
    "text",
    [
        "Jestem na urlopie do 27.11.2026.",
        "Nieobecny od 20.11 do 27.11.",
        "Wracam 27 listopada.",
        "W dniach 20-27 listopada jestem na urlopie.",
        "do dnia 27 listopada 2026 r. włącznie",
        "Do piątku, 27 listopada, nie ma mnie w biurze.",
        "27.11 wracam do biura.",
        "urlop 20.11.2026 - 27.11.2026",
        "W dniach 20.11-27.11.2026 jestem na urlopie.",
        "Będę ponownie dostępna od 27 listopada.",
        "Będę dostępny ponownie w dniu 27 listopada 2026 r.",
        "Będę w biurze od 27.11.",
        "Na maile odpowiem po 27 listopada.",
        "I am out of office until Nov 27.",
        "away through November 27th, 2026",
        "I will be back on Friday, 27 November.",
        "out until 26 Nov and back on 27 Nov",
        "until 2026-11-27",
        "until 11/27/2026",
        "until 27/11/2026",
        "Ich bin bis zum 27. November nicht im Büro.",
        "vom 20. bis 27. November 2026",
        "Ab dem 27.11. bin ich wieder erreichbar.",
        "bis einschließlich 27.11.2026",
        "Je suis absent jusqu'au 27 novembre inclus.",
        "de retour le vendredi 27 novembre 2026",
        "Estoy de vacaciones hasta el 27 de noviembre.",
        "Sono in ferie fino al 27 novembre.",
        "afwezig tot en met 27 november",
        "de férias até 27 de novembro",
        "Jsem na dovolené do 27. listopadu.",
        "Я в отпуске до 27 ноября.",
        "Я у відпустці до 27 листопада.",
        "på semester t.o.m. 27 november",
    ],
)
def test_the_day_of_return(text: str) -> None:
    assert returns_on(text, SENT) == BACK


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Oferta ważna do odwołania.",
        "Byłem na urlopie do 27.10.2026.",
        "do 2 listopada",
        "until 2031-01-01",
        "do 31.02.2027",
        "Room 27/11 until further notice",
        "Umowa z dnia 27.11.2026",
    ],
)
def test_no_day_of_return(text: str) -> None:
    assert returns_on(text, SENT) is None


def test_a_missing_year_is_the_next_one_where_it_has_to_be() -> None:
    assert returns_on("do 7 stycznia", SENT) == date(2027, 1, 7)
    assert returns_on("until Jan 7", None) is None
    assert returns_on("until Jan 7, 2027", None) == date(2027, 1, 7)


@pytest.mark.parametrize(
    "text",
    [
        "Tue, 3 Nov 2026 12:00:00 +0100",
        "Tue, Nov 3, 2026 at 12:00 PM GMT+1",
        "2026-11-03 11:00 UTC",
        "Вторник, 3 ноября 2026, 12:00 +01:00",
        "3 November 2026 at 12:00:00 CET",
        "Tue Nov 3 12:00:00 2026 +0100",
    ],
)
def test_quoted_dates_with_a_zone(text: str) -> None:
    assert quoted_date(text) == datetime(2026, 11, 3, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "wtorek, 3 listopada 2026 12:00",
        "wt., 3 lis 2026 o 12:00",
        "11/3/2026 12:00 PM",
        "03.11.2026 12:00",
        "3/11/2026 12:00",
        "mar. 3 nov. 2026 à 12h00",
        "terça-feira, 3 de novembro de 2026 12:00",
        "On Tuesday, November 3rd, 2026 at 12:00 PM",
    ],
)
def test_quoted_dates_without_a_zone_are_in_the_given_one(text: str) -> None:
    assert quoted_date(text, timezone(timedelta(hours=1))) == datetime(2026, 11, 3, 11, tzinfo=UTC)


def test_midnight_and_noon() -> None:
    assert quoted_date("Nov 3, 2026 12:05 AM") == datetime(2026, 11, 3, 0, 5, tzinfo=UTC)
    assert quoted_date("Nov 3, 2026 1:05 p.m.") == datetime(2026, 11, 3, 13, 5, tzinfo=UTC)


def test_what_is_no_date() -> None:
    for text in ("", "yesterday", "12:00", "99.99.2026", "3 Nov 2026 99:99", "0000-00-00"):
        assert quoted_date(text) is None


@settings(max_examples=150)
@given(st.text(alphabet="0123456789.:/- novembrlistopadaPMGT+,", max_size=60))
def test_never_raises(text: str) -> None:
    found = quoted_date(text)
    assert found is None or found.tzinfo is UTC
    day = returns_on(f"until {text}", SENT)
    assert day is None or day >= SENT
