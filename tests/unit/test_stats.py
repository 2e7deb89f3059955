"""``mailcrm stats``: what the figures are, who may see them, how they are printed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.app import deals, mail_statistics
from mailcrm.app.acting import Actor
from mailcrm.app.context import Context
from mailcrm.app.counting import count_due
from mailcrm.app.deal_statistics import Conversion, InStage, TimeInStage, WonAndLost
from mailcrm.app.deal_statistics import deals as deal_figures
from mailcrm.app.ingest import ingest
from mailcrm.app.mail_statistics import mail as mail_figures
from mailcrm.core.model import FolderRole
from mailcrm.core.series import Days, Series, following, months
from mailcrm.errors import Refused
from mailcrm.main import build as build_program
from mailcrm.store import counting, users
from mailcrm.store.db import Database
from tests.called import called
from tests.house import NOW, batch, build, mail
from tests.unit.test_ingest import add_person
from tests.unit.test_stays import ANYBODY, on, story

EVER = Days()
CONFIG = """
domains = ["firma.example"]
[users.anna]
email = "anna@firma.example"
[users.jan]
email = "jan@firma.example"
permissions = ["admin"]
[mailboxes.anna]
user = "anna"
[mailboxes.jan]
user = "jan"
"""


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Context:
    admin = {"email": "jan@firma.example", "permissions": ["admin"]}
    return build(database, tmp_path, users={"anna": {"email": "anna@firma.example"}, "jan": admin})


def actor(house: Context, key: str) -> Actor:
    with house.db.read() as connection:
        return Actor(users.find(connection, key))


def correspond(house: Context) -> None:
    """Anna answers after 2 h and 4 h; Jan leaves one mail of three unanswered; his answers take 1 h."""
    for number, (key, age, hours) in enumerate(
        (("anna", 1, 2), ("anna", 2, 4), ("jan", 1, 1), ("jan", 40, 1), ("jan", 41, None))
    ):
        came = mail(f"c{number}", to=f"{key}@firma.example", age=timedelta(days=age), subject=f"Sprawa {number}")
        ingest(house, batch(came, mailbox=key))
        if hours is not None:
            age_of_answer = timedelta(days=age) - timedelta(hours=hours)
            wrote = mail(
                f"w{number}",
                sender=f"{key}@firma.example",
                to="ewa@klient.example",
                replies_to=(f"c{number}",),
                age=age_of_answer,
            )
            ingest(house, batch(wrote, mailbox=key, role=FolderRole.SENT))
    while count_due(house):
        pass


def shares(rows: Sequence[mail_statistics.Answering]) -> dict[str | None, tuple[Any, ...]]:
    return {
        each.user: (each.received, each.replied, each.share, each.sent, each.answered, each.median, each.mean)
        for each in rows
    }


# -- mail


def test_mail_by_user(house: Context) -> None:  # DATA-13
    correspond(house)
    found = mail_figures(house, ANYBODY, EVER)
    assert shares(found.rows) == {
        None: (5, 4, 0.8, 4, 4, 5400.0, 7200.0),
        "anna": (2, 2, 1.0, 2, 2, 10800.0, 10800.0),
        "jan": (3, 2, 0.6667, 2, 2, 3600.0, 3600.0),
    }
    assert [each.p90 for each in found.rows] == [12240.0, 13680.0, 3600.0]
    received = next(each for each in found.series if (each.series, each.user) == ("mail received", "jan"))
    assert received == Series("mail received", "messages", (("2026-10", 2), ("2026-11", 1)), "jan")
    answer = next(each for each in found.series if each.series == "time to answer, median" and each.user is None)
    assert answer == Series("time to answer, median", "seconds", (("2026-10", 3600.0), ("2026-11", 7200.0)))


def test_some_days_of_mail_are_exact_whether_they_make_months_or_not(house: Context) -> None:
    correspond(house)
    today = NOW.date()
    for days, received in (
        (Days(date(2026, 11, 1)), 3),
        (Days(today - timedelta(days=1)), 2),
        (Days(today - timedelta(days=2), today - timedelta(days=2)), 1),
        (Days(until=date(2026, 10, 31)), 2),
        (Days(date(2026, 10, 13), date(2026, 11, 21)), 4),
        (Days(date(2027, 1, 1)), 0),
    ):
        rows = mail_figures(house, ANYBODY, days).rows
        assert sum(each.received for each in rows if each.user is None) == received, days


def test_a_rep_sees_his_own_mail_and_admins_see_all(house: Context) -> None:
    correspond(house)
    assert set(shares(mail_figures(house, actor(house, "anna"), EVER).rows)) == {"anna"}
    assert {each.user for each in mail_figures(house, actor(house, "anna"), EVER).series} == {"anna"}
    assert set(shares(mail_figures(house, actor(house, "jan"), EVER).rows)) == {None, "anna", "jan"}
    assert set(shares(mail_figures(house, ANYBODY, EVER, actor(house, "anna").id).rows)) == {"anna"}
    with pytest.raises(Refused, match="admins"):
        mail_figures(house, actor(house, "anna"), EVER, actor(house, "jan").id)


def test_the_times_of_very_many_are_rounded_by_three_per_cent(house: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    correspond(house)
    exact = mail_figures(house, ANYBODY, EVER).rows
    monkeypatch.setattr(mail_statistics, "EXACT", 0)
    for one, other in zip(exact, mail_figures(house, ANYBODY, EVER).rows, strict=True):
        assert one.mean == other.mean
        assert one.median == pytest.approx(other.median, rel=0.032)
        assert one.p90 == pytest.approx(other.p90, rel=0.032)


def test_no_mail_gives_no_figures(house: Context) -> None:
    assert mail_figures(house, ANYBODY, EVER) == mail_statistics.MailFigures([], [], [], 0)


DATES = st.dates(date(2025, 1, 1), date(2026, 12, 31))


@given(DATES, DATES, st.none() | DATES, st.none() | DATES)
def test_pieces_are_all_days_that_are_meant_and_have_sums(
    one: date, other: date, since: date | None, until: date | None
) -> None:
    first, last = min(one, other), max(one, other)
    found: list[date] = []
    for span, begin, end in Days(since, until).pieces(first, last):
        day = begin
        while day <= end:
            days = [day] if span == "day" else [day + timedelta(days=n) for n in range((following(day) - day).days)]
            found += days
            day = days[-1] + timedelta(days=1)
    every = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    meant = [day for day in every if (since is None or day >= since) and (until is None or day <= until)]
    assert sorted(day for day in found if first <= day <= last) == meant
    assert all(day < first or day > last or day in meant for day in found)


@given(DATES, DATES)
def test_a_line_of_months_has_no_gap(one: date, other: date) -> None:
    first, last = min(one, other), max(one, other)
    assert len(list(months(first, last))) == (last.year - first.year) * 12 + last.month - first.month + 1


# -- deals


def test_deals_by_stage_with_their_value_in_each_currency(house: Context) -> None:  # DATA-13
    person, anna = add_person(house, "ewa@klient.example"), actor(house, "anna")
    for value, currency in (("0.10", "PLN"), ("0.20", "PLN"), ("5", "EUR"), (None, None)):
        deals.add(house, anna, "D", person=person, value=value, currency=currency)
    gone = deals.add(house, anna, "Pomyłka", person=person, value="1000", currency="PLN")
    deals.remove(house, gone)
    found = deal_figures(house, EVER)
    by_currency = {each.currency: each for each in found.standing}
    assert by_currency["PLN"] == InStage("Sales", "New", "anna", "PLN", 2, Decimal("0.30"))
    assert by_currency["EUR"] == InStage("Sales", "New", "anna", "EUR", 1, Decimal("5.00"))
    assert by_currency[None] == InStage("Sales", "New", "anna", None, 1, None)
    assert Series("open deals", "deals", (("New", 4),)) in found.series
    assert deal_figures(house, EVER, actor(house, "jan").id).standing == []


def test_conversion_and_time_in_stage(house: Context) -> None:  # DATA-13
    story(house)
    found = deal_figures(house, EVER)
    assert found.conversion == [
        Conversion("Sales", "New", 1, 1, 1, 0, 0, 1.0, 1.0),
        Conversion("Sales", "Meeting", 1, 0, 0, 1, 0, 0.0, 0.0),
        Conversion("Sales", "Offer", 1, 1, 1, 0, 0, 1.0, 1.0),
    ]
    day = 86_400.0
    assert found.times == [
        TimeInStage("Sales", "New", 1, 2 * day, 2 * day),
        TimeInStage("Sales", "Meeting", 1, 2 * day, 2 * day),
        TimeInStage("Sales", "Offer", 1, 3 * day, 3 * day),
    ]
    shares = (("New", 1.0), ("Meeting", 0.0), ("Offer", 1.0))
    for line in (
        Series("conversion to the next stage", "share", shares),
        Series("conversion to won", "share", shares),
        Series("time in stage, median", "seconds", (("New", 2 * day), ("Meeting", 2 * day), ("Offer", 3 * day))),
    ):
        assert line in found.series
    later = deal_figures(house, Days(NOW.date() + timedelta(days=1)))
    assert [each.stage for each in later.conversion] == ["Meeting", "Offer"]


def test_won_and_lost_by_month_and_owner(house: Context) -> None:  # DATA-13
    person, anna = add_person(house, "ewa@klient.example"), actor(house, "anna")
    for day, won, value, currency in (
        (0, True, "10", "PLN"),
        (1, True, "20", "PLN"),
        (1, True, "7", "EUR"),
        (70, True, "5", "PLN"),
        (70, False, None, None),
    ):
        number = deals.add(house, anna, "D", person=person, value=value, currency=currency)
        deals.close(on(house, day), anna, number, won=won)
    jans = deals.add(house, actor(house, "jan"), "J", person=person, value="1", currency="PLN")
    deals.close(house, anna, jans, won=True)
    found = deal_figures(house, EVER)
    assert found.closed == [
        WonAndLost("2026-11", "anna", "won", "EUR", 1, Decimal("7.00")),
        WonAndLost("2026-11", "anna", "won", "PLN", 2, Decimal("30.00")),
        WonAndLost("2026-11", "jan", "won", "PLN", 1, Decimal("1.00")),
        WonAndLost("2027-01", "anna", "lost", None, 1, None),
        WonAndLost("2027-01", "anna", "won", "PLN", 1, Decimal("5.00")),
    ]
    series = {(each.series, each.unit, each.user): each.points for each in found.series}
    assert series["value won", "PLN", None] == (("2026-11", 31.0), ("2026-12", 0.0), ("2027-01", 5.0))
    assert series["value won", "EUR", None] == (("2026-11", 7.0), ("2026-12", 0.0), ("2027-01", 0.0))
    assert series["deals lost", "deals", None] == (("2026-11", 0), ("2026-12", 0), ("2027-01", 1))
    assert series["value won", "PLN", "anna"] == (("2026-11", 30.0), ("2026-12", 0.0), ("2027-01", 5.0))
    assert series["value won", "PLN", "jan"] == (("2026-11", 1.0), ("2026-12", 0.0), ("2027-01", 0.0))
    assert {each.month for each in deal_figures(house, Days(until=date(2026, 11, 22))).closed} == {"2026-11"}


# -- the command


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(CONFIG)
    house = build_program(tmp_path / "config.toml", now=NOW)
    person = add_person(house, "ewa@klient.example")
    deals.add(house, ANYBODY, "Dach", person=person, value="1200.50", currency="PLN")
    correspond(house)
    ingest(house, batch(mail("last", subject="Ostatnia", age=timedelta(hours=1))))
    house.db.close()
    return tmp_path


def lines(*arguments: str) -> list[dict[str, Any]]:
    done = called(*arguments, "--json")
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


@pytest.mark.usefixtures("program")
def test_the_command_prints_rows_and_series() -> None:  # DATA-13
    everything = lines("stats")
    assert {each["table"] for each in everything if "table" in each} == {
        *("deals by stage", "conversion", "mail", "mail by month")
    }
    for each in everything:
        if "series" in each:
            assert {"series", "unit", "points"} <= each.keys()
            assert all(len(point) == 2 for point in each["points"])
    assert {
        "table": "deals by stage",
        "pipeline": "Sales",
        "stage": "New",
        "owner": None,
        "currency": "PLN",
    }.items() <= (everything[0].items())
    assert everything[0]["value"] == 1200.5
    shown = called("stats", "mail")
    assert "2 h 00 min" in shown.out
    assert "67%" in shown.out
    assert "counted yet" not in shown.err
    assert "  6  " in shown.out  # the last one was counted for it
    assert lines("stats", "campaigns") == []
    assert lines("stats", "flows") == []


@pytest.mark.usefixtures("program")
def test_what_is_wrong_is_said() -> None:
    assert called("stats", "mails").code == 2
    done = called("stats", "--since", "gestern")
    assert (done.code, "2026-03-01" in done.err) == (2, True)
    done = called("stats", "--since", "gestern", "--until", "heute")
    assert (done.code, "gestern" in done.err, "heute" in done.err) == (2, True, True)
    done = called("stats", "--since", "2026-03-02", "--until", "2026-03-01")
    assert (done.code, "after" in done.err) == (1, True)
    assert called("stats", "--owner", "nobody").code == 1
    assert called("--as", "anna", "stats", "mail", "--owner", "jan").code == 1
    assert {each.get("user") for each in lines("--as", "anna", "stats", "mail")} == {"anna"}


def test_a_backlog_is_told_of(program: Path) -> None:
    house = build_program(program / "config.toml", now=NOW)
    with house.db.write() as connection:
        counting.mark(connection, range(1_200))
    house.db.close()
    assert "201 changes of mail are not counted yet" in called("stats", "mail").err
    assert called("stats", "mail").err == ""
