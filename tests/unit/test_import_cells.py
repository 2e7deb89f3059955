"""Cells, headings and company names as people type them."""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core import cells, columns
from mailcrm.core.cells import BadCell
from mailcrm.core.columns import Subject
from mailcrm.core.companies import company_key
from mailcrm.core.headings import Field
from mailcrm.errors import Permanent


@pytest.mark.parametrize(
    ("cell", "amount", "currency"),
    [
        ("1 234,50 zł", "1234.50", "PLN"),
        ("1\u00a0234,50\u202fzł", "1234.50", "PLN"),
        ("1,234.50", "1234.50", None),
        ("1.234,50 €", "1234.50", "EUR"),
        ("$1,234", "1234.00", "USD"),
        ("100.00", "100.00", None),
        ("100,5", "100.50", None),
        ("1.234.567", "1234567.00", None),
        ("1'234.50", "1234.50", None),
        ("PLN 12", "12.00", "PLN"),
        ("(12,50)", "-12.50", None),
        ("-12.50", "-12.50", None),
        ("0.125", "0.12", None),
        (1234.5, "1234.50", None),
        (7, "7.00", None),
    ],
)
def test_money(cell: cells.Cell, amount: str, currency: str | None) -> None:  # DATA-12
    assert cells.money(cell) == (Decimal(amount), currency)


@pytest.mark.parametrize(
    "cell", ["dużo", "12 34 x 5", "1,2,3.4.5", "9" * 17, float("nan"), float("inf"), "12-13", "PLN 12 EUR"]
)
def test_what_is_no_amount_is_refused(cell: cells.Cell) -> None:
    with pytest.raises(BadCell, match="amount"):
        cells.money(cell)


def test_a_custom_field_never_holds_what_json_can_not() -> None:
    assert [cells.value(cell) for cell in (float("nan"), float("inf"), 2.0, 0.5, True, "-")] == [
        None,
        None,
        2,
        0.5,
        True,
        None,
    ]


@pytest.mark.parametrize("cell", ["", "-", "brak", "n/a", None])
def test_what_people_write_for_nothing(cell: str | None) -> None:
    assert cells.money(cell) == (None, None)
    assert cells.text(cell) == ""


@given(st.decimals(min_value=0, max_value=10**12, places=2), st.sampled_from([" ", "\u00a0", ".", "'"]))
def test_amounts_grouped_in_the_polish_and_german_way_are_read_back(amount: Decimal, group: str) -> None:
    written = f"{amount:,.2f}".replace(",", "g").replace(".", ",").replace("g", group)
    assert cells.money(written)[0] == amount


@pytest.mark.parametrize(
    ("cell", "at"),
    [
        (45688, datetime(2025, 1, 31, tzinfo=UTC)),
        (45688.5, datetime(2025, 1, 31, 12, tzinfo=UTC)),
        ("45688", datetime(2025, 1, 31, tzinfo=UTC)),
        (date(2025, 1, 31), datetime(2025, 1, 31, tzinfo=UTC)),
        (datetime(2025, 1, 31, 9, 30), datetime(2025, 1, 31, 9, 30, tzinfo=UTC)),
        ("2025-01-31", datetime(2025, 1, 31, tzinfo=UTC)),
        ("2025-01-31 09:30:00", datetime(2025, 1, 31, 9, 30, tzinfo=UTC)),
        ("2025-01-31T09:30:00+01:00", datetime(2025, 1, 31, 8, 30, tzinfo=UTC)),
        ("20250131", datetime(2025, 1, 31, tzinfo=UTC)),
        ("31.01.2025", datetime(2025, 1, 31, tzinfo=UTC)),
        ("31-1-2025 9:30", datetime(2025, 1, 31, 9, 30, tzinfo=UTC)),
        ("1/31/2025 9:30 PM", datetime(2025, 1, 31, 21, 30, tzinfo=UTC)),
        ("3/4/2025", datetime(2025, 4, 3, tzinfo=UTC)),
        ("31 stycznia 2025", datetime(2025, 1, 31, tzinfo=UTC)),
        ("31. Januar 2025", datetime(2025, 1, 31, tzinfo=UTC)),
        ("Jan 31, 2025", datetime(2025, 1, 31, tzinfo=UTC)),
    ],
)
def test_moment(cell: cells.Cell, at: datetime) -> None:
    assert cells.moment(cell) == at


@pytest.mark.parametrize(
    "cell", ["wczoraj", "2025", 2025, "32.01.2025", "2025-02-30", "1/2/3/4", 10**9, "31 smarch 2025"]
)
def test_what_is_no_date_is_refused(cell: cells.Cell) -> None:
    with pytest.raises(BadCell, match="date"):
        cells.moment(cell)


def test_the_order_of_day_and_month_is_seen_from_the_other_dates() -> None:
    assert cells.month_first(["3/4/2025", "12/31/2025"])
    assert not cells.month_first(["3/4/2025", "31/12/2025", 5, None])
    assert cells.moment("3/4/2025", day_first=False) == datetime(2025, 3, 4, tzinfo=UTC)


@given(
    st.dates(min_value=date(1930, 1, 1), max_value=date(2190, 1, 1)),
    st.sampled_from(["%d.%m.%Y", "%Y-%m-%d", "%d/%m/%Y"]),
)
def test_dates_are_read_back(day: date, form: str) -> None:
    found = cells.moment(day.strftime(form))
    assert found is not None
    assert found.date() == day


@given(st.text() | st.floats() | st.integers() | st.booleans() | st.none())
def test_no_cell_does_anything_but_be_read_or_be_refused(cell: cells.Cell) -> None:
    for read in (
        cells.text,
        cells.value,
        cells.money,
        cells.currency,
        cells.moment,
        cells.emails,
        cells.phones,
        cells.domains,
    ):
        with contextlib.suppress(BadCell):
            read(cell)


def test_addresses_and_numbers_in_one_cell() -> None:
    assert cells.emails("Jan <JAN@Klient.example>; jan@klient.example, biuro@klient.example") == [
        "jan@klient.example",
        "biuro@klient.example",
    ]
    assert cells.phones("+48 600 100 200, 0048600100200; 22 123 45 67") == ["+48 600 100 200", "22 123 45 67"]
    assert cells.phones(48600100200.0) == ["48600100200"]
    assert cells.emails("jan@klient.example ::: jan2@klient.example") == ["jan@klient.example", "jan2@klient.example"]
    with pytest.raises(BadCell, match="nie-adres"):
        cells.emails("jan@klient.example, nie-adres")


def test_domains_of_web_addresses() -> None:
    assert cells.domains("https://www.Klient.example/o-nas?x=1, klient.example") == ["klient.example"]
    assert cells.domains("https://facebook.com/klient, https://gmail.com") == []
    with pytest.raises(BadCell, match="web address"):
        cells.domains("w budowie")


@pytest.mark.parametrize(
    "name",
    [
        "Żółw Sp. z o.o.",
        "ŻÓŁW SPÓŁKA Z OGRANICZONĄ ODPOWIEDZIALNOŚCIĄ",
        "żółw",
        "Zolw S.A.",
        "Żółw GmbH & Co. KG",
        "Żółw, Ltd.",
    ],
)
def test_one_company_under_several_names(name: str) -> None:
    assert company_key(name) == "zolw"


def test_names_that_are_not_one_company() -> None:
    assert company_key("Alfa Kraków Sp. z o.o.") != company_key("Alfa Gdynia Sp. z o.o.")
    assert company_key("S.A.") == "s a"
    assert company_key("株式会社") == "株式会社"


@pytest.mark.parametrize(
    ("subject", "heading", "field"),
    [
        (Subject.PERSONS, "Person - Name", Field.NAME),
        (Subject.PERSONS, "Person - Name*", Field.NAME),
        (Subject.PERSONS, "Person - Email - Work", Field.EMAIL),
        (Subject.PERSONS, "Person - Email (Home)", Field.EMAIL),
        (Subject.PERSONS, "Person - Phone - Mobile", Field.PHONE),
        (Subject.PERSONS, "Person - Organization", Field.ORGANIZATION),
        (Subject.PERSONS, "Organization name", Field.ORGANIZATION),
        (Subject.PERSONS, "Organization - Name", Field.ORGANIZATION),
        (Subject.PERSONS, "Person - Owner", Field.OWNER),
        (Subject.PERSONS, "Person - Label", Field.TAGS),
        (Subject.PERSONS, "Person - Creation date", Field.CREATED),
        (Subject.PERSONS, "Imię i nazwisko", Field.NAME),
        (Subject.PERSONS, "ADRES E-MAIL", Field.EMAIL),
        (Subject.PERSONS, "e-mail służbowy", Field.EMAIL),
        (Subject.PERSONS, "Telefon komórkowy", Field.PHONE),
        (Subject.PERSONS, "Vorname", Field.FIRST_NAME),
        (Subject.PERSONS, "E-Mail-Adresse", Field.EMAIL),
        (Subject.PERSONS, "E-mail 2 - Value", Field.EMAIL),
        (Subject.PERSONS, "Organization 1 - Name", Field.ORGANIZATION),
        (Subject.PERSONS, "Group Membership", Field.TAGS),
        (Subject.PERSONS, "Organization 1 - Title", None),
        (Subject.ORGANIZATIONS, "Website 1 - Value", Field.DOMAIN),
        (Subject.ORGANIZATIONS, "Organization - Name", Field.NAME),
        (Subject.ORGANIZATIONS, "Firma", Field.NAME),
        (Subject.ORGANIZATIONS, "Strona WWW", Field.DOMAIN),
        (Subject.ORGANIZATIONS, "Branża", Field.INDUSTRY),
        (Subject.DEALS, "Deal - Title", Field.TITLE),
        (Subject.DEALS, "Deal - Value", Field.VALUE),
        (Subject.DEALS, "Deal - Currency of Value", Field.CURRENCY),
        (Subject.DEALS, "Deal - Stage (pipeline)", Field.STAGE),
        (Subject.DEALS, "Deal - Status", Field.STATUS),
        (Subject.DEALS, "Deal - Contact person", Field.PERSON),
        (Subject.DEALS, "Contact person", Field.PERSON),
        (Subject.DEALS, "Contact email", Field.EMAIL),
        (Subject.PERSONS, "Contact e-mail (work)", Field.EMAIL),
        (Subject.PERSONS, "Company email", None),
        (Subject.DEALS, "Person - Email - Work", Field.EMAIL),
        (Subject.DEALS, "Deal - Organization", Field.ORGANIZATION),
        (Subject.DEALS, "Deal - Deal created", Field.CREATED),
        (Subject.DEALS, "Deal - Won time", Field.WON_TIME),
        (Subject.DEALS, "Deal - Lost reason", Field.LOST_REASON),
        (Subject.DEALS, "Wartość", Field.VALUE),
        (Subject.LEADS, "Lead - Title", Field.TITLE),
        (Subject.LEADS, "Lead - Owner", Field.OWNER),
    ],
)
def test_headings_that_are_known(subject: Subject, heading: str, field: Field) -> None:  # DATA-7
    assert [column.field for column in columns.guess(subject, [heading])] == [field]


def test_other_headings_become_custom_fields_but_for_what_is_computed() -> None:
    found = columns.guess(
        Subject.DEALS,
        ["Deal - ID", "Deal - Expected close date", "Organization - Address", "Deal - Total activities", " "],
    )
    assert [column.target for column in found] == [
        "field:ID",
        "field:Expected close date",
        "field:Organization - Address",
        "",
    ]


def test_what_google_says_of_the_kind_of_an_address_is_left_out() -> None:  # DATA-7
    names = ["E-mail 1 - Label", "Phone 2 - Type", "Organization 1 - Type", "Label 1"]
    assert [column.target for column in columns.guess(Subject.PERSONS, names)] == ["", "", "", "field:Label 1"]
    assert cells.tags("* myContacts ::: VIP ::: * Klient") == ["VIP", "Klient"]


def test_labels_of_numbers() -> None:
    names = ["Person - Phone - Work", "Telefon komórkowy", "Home phone", "Phone"]
    assert [column.label for column in columns.guess(Subject.PERSONS, names)] == ["work", None, "home", None]


def test_a_mapping_overrides_and_is_checked() -> None:
    found = columns.guess(Subject.PERSONS, ["Kto", "Email", "X"], {"Kto": "name", "Email": "", "X": "field:Region"})
    assert [column.target for column in found] == ["name", "", "field:Region"]
    with pytest.raises(Permanent, match="did you mean 'Kto'"):
        columns.guess(Subject.PERSONS, ["Kto"], {"Kt": "name"})
    with pytest.raises(Permanent, match="did you mean 'email'"):
        columns.guess(Subject.PERSONS, ["Kto"], {"Kto": "e-mail"})
    with pytest.raises(Permanent, match="stage"):
        columns.guess(Subject.PERSONS, ["Kto"], {"Kto": "stage"})
