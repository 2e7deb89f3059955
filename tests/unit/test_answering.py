"""Which mail was answered, by whom, after how long."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core.answering import Fact, Key, Mail, Sum, changes, facts, moment, quantiles, rounded

DAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TODAY = DAY.date().toordinal()
ANNA, JAN = 1, 2


def came(number: int, minutes: int, *users: int) -> Mail:
    return Mail(number, DAY + timedelta(minutes=minutes), True, frozenset(users))


def wrote(number: int, minutes: int, *users: int) -> Mail:
    return Mail(number, DAY + timedelta(minutes=minutes), False, frozenset(users))


# DATA-13
def test_each_mail_is_answered_by_the_first_of_ours_after_it() -> None:
    thread = [came(1, 0, ANNA), came(2, 10, ANNA, JAN), wrote(3, 30, JAN), wrote(4, 40, ANNA), came(5, 50, ANNA)]
    assert facts(reversed(thread)) == [
        Fact(TODAY, False, (ANNA,)),
        Fact(TODAY, False, (JAN,)),
        Fact(TODAY, True, (ANNA,)),
        Fact(TODAY, True, (ANNA,), JAN, 1800),
        Fact(TODAY, True, (ANNA, JAN), JAN, 1200),
    ]


def test_what_one_of_ours_wrote_at_the_same_instant_answers() -> None:
    assert facts([wrote(1, 0, ANNA), came(2, 0, ANNA)])[1] == Fact(TODAY, True, (ANNA,), ANNA, 0)


def test_a_mail_comes_when_the_server_takes_it_unless_it_was_moved_here_later() -> None:
    assert moment(DAY - timedelta(days=6), DAY) == DAY
    assert moment(DAY + timedelta(days=60), DAY) == DAY
    assert moment(DAY - timedelta(days=400), DAY) == DAY - timedelta(days=400)


def test_all_mail_counts_each_message_once() -> None:
    sums: dict[Key, Sum] = {}
    changes([], facts([came(1, 0, ANNA, JAN), wrote(2, 5, ANNA)]), sums)
    assert sums[Key("day", DAY.date(), 0)] == Sum(1, 1, 1, 1, 300, Counter({300: 1}))
    assert sums[Key("day", DAY.date(), ANNA)] == Sum(1, 1, 1, 1, 300, Counter({300: 1}))
    assert sums[Key("day", DAY.date(), JAN)] == Sum(received=1, replied=1)
    assert sums[Key("month", DAY.date().replace(day=1), 0)].times == Counter({rounded(300): 1})


MAILS = st.builds(
    Mail,
    st.integers(1, 50),
    st.integers(0, 60 * 24 * 70).map(lambda minutes: DAY + timedelta(minutes=minutes)),
    st.booleans(),
    st.frozensets(st.integers(1, 3), max_size=2),
)
THREADS = st.lists(MAILS, max_size=8).map(facts)


@given(THREADS, THREADS)
def test_changes_from_one_state_to_another_and_back_come_to_nothing(one: list[Fact], other: list[Fact]) -> None:
    sums: dict[Key, Sum] = {}
    changes([], one, sums)
    changes(one, other, sums)
    direct: dict[Key, Sum] = {}
    changes([], other, direct)
    assert {key: _written(each) for key, each in sums.items() if not each.is_empty} == {
        key: _written(each) for key, each in direct.items()
    }
    changes(other, [], sums)
    assert all(each.is_empty for each in sums.values())


@given(st.integers(0, 10**9))
def test_rounding_stays_near_and_is_the_same_for_all_of_one_span(seconds: int) -> None:
    assert abs(rounded(seconds) - seconds) <= seconds / 31
    assert rounded(rounded(seconds)) == rounded(seconds)


@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=40))
def test_quantiles_are_those_of_the_times_written_out(times: list[int]) -> None:
    counted = Counter(times)
    assert quantiles(counted, 0.5)[0] == statistics.median(times)
    assert quantiles(counted, 0)[0] == min(times)
    assert quantiles(counted, 1)[0] == max(times)
    if len(times) > 1:
        tenths = statistics.quantiles(times, n=10, method="inclusive")
        assert abs((quantiles(counted, 0.9)[0] or 0) - tenths[8]) < 0.001


def test_there_is_no_quantile_of_nothing() -> None:
    assert quantiles({}, 0.5, 0.9) == [None, None]


def _written(one: Sum) -> Sum:
    return replace(one, times=Counter({seconds: often for seconds, often in one.times.items() if often}))
