"""Spans by the subject's clock, and working hours: checked against a slow reading of the same rule."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm import config
from mailcrm.core import spans
from mailcrm.core.calendar import SubjectCalendar, Week, WorkingHours, subject_calendar, week, zone_of
from mailcrm.errors import ConfigError

WARSAW = ZoneInfo("Europe/Warsaw")
NEW_YORK = ZoneInfo("America/New_York")
OFFICE = WorkingHours(week("09:00-17:00"), WARSAW, "PL")
MINUTE = timedelta(minutes=1)

# Santiago's and Havana's clocks change around midnight, Lord Howe's by half an hour; Apia left out a day in 2011.
odd_zones = ("Australia/Lord_Howe", "America/Santiago", "America/Havana", "Pacific/Apia", "UTC")
zones = st.sampled_from([WARSAW, NEW_YORK, *map(ZoneInfo, odd_zones)])
moments = st.datetimes(datetime(2024, 1, 1), datetime(2032, 12, 31), timezones=st.just(UTC))
# Around the changes of clocks in Warsaw and New York, and the end of February in leap years and others.
odd_days = st.sampled_from(
    [
        *(date(2026, 3, 29), date(2026, 10, 25), date(2027, 3, 28), date(2026, 3, 8), date(2026, 11, 1)),
        *(
            date(2026, 4, 5),
            date(2026, 9, 6),
            date(2011, 12, 30),
            date(2028, 2, 29),
            date(2027, 2, 28),
            date(2026, 12, 31),
        ),
    ]
)
odd_moments = st.builds(
    lambda day, minutes, seconds: (
        datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=minutes, seconds=seconds)
    ),
    odd_days,
    st.integers(-1440, 2 * 1440),
    st.sampled_from([0, 0, 1, 59]),
)


def at(text: str, zone: ZoneInfo = WARSAW) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


@st.composite
def weeks(draw: st.DrawFn) -> Week:
    """Any week with some work, often at the hours at which clocks change."""
    edges = st.one_of(st.integers(0, 1440), st.sampled_from([0, 60, 90, 120, 135, 150, 180, 1380, 1440]))
    days = []
    for _ in range(7):
        cuts = sorted(draw(st.sets(edges, max_size=4)))
        days.append(tuple(zip(cuts[0::2], cuts[1::2], strict=False)))
    if not any(days):
        days[draw(st.integers(0, 6))] = ((0, 1440),)
    return tuple(days)


# GRAPH-34, A14


def test_months_go_by_the_calendar_and_end_with_it() -> None:
    calendar = SubjectCalendar(WARSAW)
    assert calendar.later(at("2026-01-31 10:00"), "1mo") == at("2026-02-28 10:00")
    assert calendar.later(at("2028-01-31 10:00"), "1mo") == at("2028-02-29 10:00")
    assert calendar.later(at("2028-02-29 10:00"), "12mo") == at("2029-02-28 10:00")
    assert calendar.later(at("2026-11-22 10:00"), "2mo") == at("2027-01-22 10:00")


def test_a_month_is_the_subjects_own() -> None:
    moment = datetime(2026, 1, 31, 2, 0, tzinfo=UTC)  # in New York it is still the 30th
    assert SubjectCalendar(NEW_YORK).later(moment, "1mo") == at("2026-02-28 21:00", NEW_YORK)
    assert SubjectCalendar(WARSAW).later(moment, "1mo") == at("2026-02-28 03:00")


def test_a_month_keeps_the_hour_and_a_day_is_exact_when_the_clocks_change() -> None:
    calendar = SubjectCalendar(WARSAW)
    assert calendar.later(at("2026-03-28 10:00"), "1mo") == at("2026-04-28 10:00")
    assert calendar.later(at("2026-03-28 10:00"), "1d") == at("2026-03-29 11:00")
    assert calendar.later(at("2026-10-24 10:00"), "1w") == at("2026-10-31 09:00")
    assert calendar.later(at("2026-10-25 01:30"), "2h") == at("2026-10-25 02:30") + timedelta(hours=1)


def test_a_month_may_end_in_a_time_that_is_not_or_is_twice() -> None:
    calendar = SubjectCalendar(WARSAW)
    assert calendar.later(at("2026-02-28 02:30"), "1mo") == at("2026-03-28 02:30")
    assert calendar.later(at("2026-01-29 02:30"), "2mo") == at("2026-03-29 03:30")
    assert calendar.later(at("2026-09-25 02:30"), "1mo") == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    second = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert calendar.later(second, "1mo") == at("2026-11-25 02:30")
    assert calendar.later(second, "0mo") == second


@given(moments | odd_moments, st.integers(0, 40), zones)
def test_a_month_is_the_same_day_and_clock_or_the_last_day(moment: datetime, months: int, zone: ZoneInfo) -> None:
    then = SubjectCalendar(zone).later(moment, f"{months}mo")
    here, there = moment.astimezone(zone), then.astimezone(zone)
    assert then.tzinfo is UTC
    assert then >= moment
    assert there.year * 12 + there.month == here.year * 12 + here.month + months
    last = (there + timedelta(days=1)).day == 1
    assert there.day == here.day or (last and there.day < here.day)
    gap = there.replace(tzinfo=None) - there.replace(hour=here.hour, minute=here.minute, tzinfo=None)
    assert gap in (timedelta(0), timedelta(hours=1), timedelta(minutes=30))


@given(moments | odd_moments, st.integers(0, 999), st.sampled_from("mhdw"), zones)
def test_all_else_is_exact(moment: datetime, number: int, unit: str, zone: ZoneInfo) -> None:
    length = {"m": MINUTE, "h": 60 * MINUTE, "d": timedelta(days=1), "w": timedelta(weeks=1)}[unit]
    assert SubjectCalendar(zone).later(moment, f"{number}{unit}") == moment + number * length


@pytest.mark.parametrize("span", ["999999w", "999999mo", "999999y"])
def test_a_span_beyond_all_calendars_ends_at_the_latest_time(span: str) -> None:
    calendar = SubjectCalendar(WARSAW, OFFICE)
    assert calendar.later(at("2026-11-22 10:00"), span) == spans.LATEST
    assert calendar.opening(spans.LATEST) >= spans.LATEST


def test_what_is_no_span_is_refused() -> None:
    with pytest.raises(ValueError, match="no span"):
        SubjectCalendar(WARSAW).later(at("2026-11-22 10:00"), "soon")


# Working hours


@pytest.mark.parametrize(
    ("given", "opens"),
    [
        ("2026-11-20 10:15:30", "2026-11-20 10:15:30"),  # a Friday
        ("2026-11-20 09:00", "2026-11-20 09:00"),
        ("2026-11-20 16:59:59", "2026-11-20 16:59:59"),
        ("2026-11-20 17:00", "2026-11-23 09:00"),
        ("2026-11-20 03:00", "2026-11-20 09:00"),
        ("2026-11-21 12:00", "2026-11-23 09:00"),
        ("2026-11-10 18:00", "2026-11-12 09:00"),  # the 11th is Independence Day
        ("2026-12-24 10:00", "2026-12-28 09:00"),  # Christmas Eve is free since 2025, then a weekend
        ("2026-12-31 17:00", "2027-01-04 09:00"),
        ("2026-03-28 12:00", "2026-03-30 09:00"),  # over the change of clocks
    ],
)
def test_the_office_opens(given: str, opens: str) -> None:
    assert SubjectCalendar(NEW_YORK, OFFICE).opening(at(given)) == at(opens)


def test_a_part_of_a_country_has_holidays_of_its_own() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    epiphany = at("2027-01-06 10:00", berlin)
    bavaria = WorkingHours(week("09:00-17:00"), berlin, "DE-BY")
    assert bavaria.opening(epiphany) == at("2027-01-07 09:00", berlin)
    assert WorkingHours(week("09:00-17:00"), berlin, "DE").opening(epiphany) == epiphany


def test_a_day_off_that_is_observed_in_the_year_before_counts() -> None:
    office = WorkingHours(week("09:00-17:00"), NEW_YORK, "US")  # the first of January 2028 is a Saturday
    assert office.opening(at("2027-12-31 10:00", NEW_YORK)) == at("2028-01-03 09:00", NEW_YORK)


def test_hours_may_differ_by_day_and_have_a_break() -> None:
    office = WorkingHours(week({"fri": "09:00-12:00, 13:00-14:00", "sat": "20:00-24:00", "sun": "00:00-02:00"}), WARSAW)
    assert office.opening(at("2026-11-20 12:00")) == at("2026-11-20 13:00")
    assert office.opening(at("2026-11-20 14:00")) == at("2026-11-21 20:00")
    assert office.opening(at("2026-11-21 23:59:59")) == at("2026-11-21 23:59:59")
    assert office.opening(at("2026-11-22 02:00")) == at("2026-11-27 09:00")


def test_hours_that_a_change_of_clocks_leaves_out_or_gives_twice() -> None:
    night = WorkingHours(week("02:30-02:45", ("sun",)), WARSAW)
    assert night.opening(at("2026-03-28 12:00")) == at("2026-04-05 02:30")
    early = WorkingHours(week("02:30-05:00", ("sun",)), WARSAW)
    assert early.opening(at("2026-03-28 12:00")) == at("2026-03-29 03:00")
    first, second = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert night.opening(at("2026-10-24 12:00")) == first
    assert night.opening(first + 15 * MINUTE) == second
    assert night.opening(second + 15 * MINUTE) == at("2026-11-01 02:30")


@given(weeks(), zones, odd_moments | moments)
def test_the_opening_is_the_first_working_minute(hours: Week, zone: ZoneInfo, moment: datetime) -> None:
    def works(each: datetime) -> bool:
        there = each.astimezone(zone)
        minute = there.hour * 60 + there.minute
        return any(opens <= minute < closes for opens, closes in hours[there.weekday()])

    found = WorkingHours(hours, zone).opening(moment)
    assert found >= moment
    assert works(found)
    if found != moment:
        assert not works(moment)
        assert (found.second, found.microsecond) == (0, 0)
        before = moment
        while before < found:  # the minutes of the first day, and of the last
            assert not works(before)
            before = before.replace(second=0) + MINUTE
            if before - moment > timedelta(days=1) and before < found - timedelta(days=1):
                before = found - timedelta(days=1)


@given(odd_moments | moments)
def test_opening_again_changes_nothing(moment: datetime) -> None:
    opening = OFFICE.opening(moment)
    assert OFFICE.opening(opening) == opening


def test_a_calendar_that_never_opens_ends_in_an_error() -> None:
    with pytest.raises(ConfigError, match="no day of work comes within two years"):
        WorkingHours(((),) * 7, WARSAW).opening(at("2026-11-22 10:00"))


def test_without_working_hours_it_is_always_open() -> None:
    assert SubjectCalendar(WARSAW).opening(at("2026-11-22 03:00")) == at("2026-11-22 03:00")


def test_the_contacts_zone_counts_where_it_is_known() -> None:
    assert subject_calendar(" America/New_York ", WARSAW, OFFICE) == SubjectCalendar(NEW_YORK, OFFICE)
    for unknown in (None, "", "Mars/Olympus", "../../etc/passwd", "Europe", "/etc/localtime", "a\0b", 7):
        assert zone_of(unknown) is None
        assert subject_calendar(unknown, WARSAW, None).zone is WARSAW


def test_the_hours_of_a_user_come_from_the_configuration(tmp_path: Path) -> None:
    given = {"hours": {"mon": "8:00-16:00", "tue": "09:00–12:00,13:00-24:00"}, "holidays": "PL"}
    user = {"email": "anna@firma.example", "working_hours": given}
    other = {"email": "jan@firma.example", "time_zone": "America/New_York", "working_hours": {"hours": "10:00-18:00"}}
    users = config.parse({"users": {"anna": user, "jan": other}}, base=tmp_path).users
    assert users["anna"].hours() == WorkingHours(
        (((480, 960),), ((540, 720), (780, 1440)), (), (), (), (), ()), WARSAW, "PL"
    )
    assert users["jan"].hours() == WorkingHours((((600, 1080),),) * 5 + ((), ()), NEW_YORK)
    plain = config.parse({"users": {"anna": {"email": "anna@firma.example"}}}, base=tmp_path)
    assert plain.users["anna"].hours() is None


def test_holidays_are_imported_by_those_who_have_some() -> None:
    program = "import sys, mailcrm.core.calendar, mailcrm.config; assert 'holidays' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
