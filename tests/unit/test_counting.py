"""Mail counted as it comes and changes gives the same sums as counting all of it at the end."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, update

from mailcrm.app import work
from mailcrm.app.context import Context
from mailcrm.app.counting import count_due, is_due
from mailcrm.app.ingest import ingest
from mailcrm.app.threads import merge, split
from mailcrm.core.model import Arrival, FolderRole, Forward, Kind, Message, Reading
from mailcrm.errors import MailcrmError
from mailcrm.store import counting, erasing, tables
from mailcrm.store.db import Database
from mailcrm.store.migrate import upgrade
from tests.house import NOW, batch, build, mail
from tests.transports import Taker

NUMBERS = count(1)
KINDS = (Kind.HUMAN, Kind.HUMAN, Kind.HUMAN, Kind.UNSUBSCRIBE, Kind.AUTO_REPLY, Kind.BULK)
OURS = {"anna@firma.example": 1, "a.nowak@firma.example": 1, "jan@firma.example": 2}
MEMBERS = {"anna": {1}, "jan": {2}, "office": {1, 2}}


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Context:
    return build(database, tmp_path)


def stored(house: Context) -> dict[tuple[str, date, int], Any]:
    """The sums as they are stored, by span, first day and user."""
    with house.db.read() as connection:
        return {row[:3]: row[3:] for row in connection.execute(select(tables.mail_sum))}


def count_all(house: Context) -> None:
    while count_due(house):
        pass


def take(house: Context, *mails: Message, kind: Kind = Kind.HUMAN, mailbox: str = "anna", sent: bool = False) -> None:
    arrivals = tuple(Arrival(None, each.date or NOW, (each, Reading(kind, "test"))) for each in mails)
    role = FolderRole.SENT if sent else FolderRole.INBOX
    ingest(house, replace(batch(mailbox=mailbox, role=role), arrivals=arrivals))


def by_hand(house: Context) -> dict[tuple[str, date, int], tuple[int, ...]]:
    """The sums of days, counted in the plainest way out of the messages themselves."""
    sums: defaultdict[tuple[str, date, int], list[int]] = defaultdict(lambda: [0, 0, 0, 0, 0])
    with house.db.read() as connection:
        places = defaultdict[int, set[int]](set)
        query = (
            select(tables.location.c.message_id, tables.mailbox.c.key)
            .join(tables.folder, tables.folder.c.id == tables.location.c.folder_id)
            .join(tables.mailbox)
        )
        for number, key in connection.execute(query):
            places[number] |= MEMBERS[key]
        human = tables.message.c.kind.in_(("human", "unsubscribe"))
        mails = connection.execute(select(tables.message).where(human)).all()
        robots = set(connection.execute(select(tables.outbox.c.message_id)).scalars())
    for one in mails:
        day = one.date.date()
        if one.direction == "out":
            for user in (0, OURS[one.from_email]) if one.message_id not in robots else ():
                sums["day", day, user][2] += 1
            continue
        answers = [
            each
            for each in mails
            if each.thread_id == one.thread_id and each.direction == "out" and each.date >= one.date
            if each.message_id not in robots
        ]
        for user in {0, *places[one.id]}:
            sums["day", day, user][0] += 1
            sums["day", day, user][1] += bool(answers)
        if answers:
            first = min(answers, key=lambda each: (each.date, each.id))
            for user in (0, OURS[first.from_email]):
                sums["day", day, user][3] += 1
                sums["day", day, user][4] += int((first.date - one.date).total_seconds())
    return {key: tuple(values) for key, values in sums.items()}


class Story:
    """What happens to a few threads, in an order of Hypothesis's."""

    def __init__(self, house: Context) -> None:
        self.house = house
        self.known: list[Message] = []

    def mail(self, data: st.DataObject) -> None:
        sender, to = "Ewa <ewa@klient.example>", "anna@firma.example"
        if ours := data.draw(st.booleans(), "ours"):
            sender, to = data.draw(st.sampled_from(sorted(OURS)), "from"), "ewa@klient.example"
        answered = data.draw(st.lists(st.sampled_from(self.known), max_size=2)) if self.known else []
        kind = Kind.HUMAN if ours else data.draw(st.sampled_from(KINDS))
        minutes = data.draw(st.integers(1, 60 * 24 * 60), "age")
        made = mail(
            f"s{next(NUMBERS)}", sender=sender, to=to, subject=f"Sprawa {next(NUMBERS)}", age=timedelta(minutes=minutes)
        )
        made = replace(made, references=tuple(filter(None, (each.message_id for each in answered))))
        take(self.house, made, kind=kind, mailbox=data.draw(st.sampled_from(sorted(MEMBERS))), sent=ours)
        self.known.append(made)

    def found_again(self, data: st.DataObject) -> None:
        if self.known:
            take(
                self.house, data.draw(st.sampled_from(self.known)), mailbox=data.draw(st.sampled_from(sorted(MEMBERS)))
            )

    def joined(self, data: st.DataObject) -> None:
        with self.house.db.read() as connection:
            live = select(tables.thread.c.id).where(tables.thread.c.merged_into.is_(None)).order_by(tables.thread.c.id)
            threads = list(connection.execute(live).scalars())[-4:]
        if len(threads) > 1:
            into, gone = data.draw(st.permutations(threads))[:2]
            merge(self.house, into, [gone])

    def torn(self, data: st.DataObject) -> None:
        if self.known:
            name = data.draw(st.sampled_from(self.known)).message_id or ""
            with suppress(MailcrmError):  # it is a whole thread, or was not stored
                split(self.house, [name])

    def deleted(self, data: st.DataObject) -> None:
        if self.known:
            name = self.known.pop(data.draw(st.integers(0, len(self.known) - 1))).message_id
            with self.house.db.write() as connection:
                ids = connection.execute(select(tables.message.c.id).where(tables.message.c.message_id == name))
                erasing.delete_messages(connection, list(ids.scalars()))

    def counted(self, data: st.DataObject) -> None:
        count_due(self.house, data.draw(st.sampled_from((1, 3, 50))))


OTHERS = (Story.found_again, Story.joined, Story.torn, Story.deleted)
HAPPENINGS = (Story.mail, Story.counted, *OTHERS)


# DATA-13
@settings(max_examples=8, suppress_health_check=list(HealthCheck), phases=[Phase.generate])  # the database goes on
@given(data=st.data())
def test_counting_by_and_by_gives_what_counting_anew_gives(house: Context, data: st.DataObject) -> None:
    story = Story(house)
    for _ in range(data.draw(st.integers(1, 4), "begin")):
        story.mail(data)
    for happens in data.draw(st.lists(st.sampled_from(HAPPENINGS), min_size=4, max_size=12), "then"):
        happens(story, data)
    count_all(house)
    by_and_by = stored(house)
    assert {key: values[:5] for key, values in by_and_by.items() if key[0] == "day"} == by_hand(house)
    with house.db.write() as connection:
        for table in (tables.mail_sum, tables.thread_count):
            connection.execute(delete(table))
        counting.mark_all(connection)
    count_all(house)
    assert stored(house) == by_and_by


def test_the_sums_of_months_are_those_of_their_days(house: Context) -> None:
    for number, age in enumerate((1, 10, 20, 40)):
        take(house, mail(f"m{number}", age=timedelta(days=age, hours=5)))
        answer = mail(
            f"a{number}",
            sender="jan@firma.example",
            to="ewa@klient.example",
            replies_to=(f"m{number}",),
            age=timedelta(days=age, hours=5 - number),
        )
        take(house, answer, mailbox="jan", sent=True)
    count_all(house)
    months, days = defaultdict[tuple[date, int], Counter[int]](Counter), Counter[tuple[date, int]]()
    for (span, first, user), values in stored(house).items():
        where = (first.replace(day=1), user)
        if span == "month":
            months[where].update(answered=values[3], seconds=values[4], received=values[0])
        else:
            days[where] += values[4]
    assert {where: found["seconds"] for where, found in months.items()} == days
    assert sum(found["answered"] for (_, user), found in months.items() if user == 2) == 4
    assert sum(found["received"] for (_, user), found in months.items() if user == 1) == 4


def test_mail_that_flows_and_programs_send_answers_nothing(house: Context) -> None:
    take(house, mail(1, age=timedelta(hours=5)))
    letter = mail(2, sender="anna@firma.example", to="ewa@klient.example", replies_to=(1,), age=timedelta(hours=4))
    with house.db.write() as connection:
        connection.execute(
            insert(tables.outbox).values(
                key="1.1.0",
                kind="flow",
                message_id=letter.message_id,
                sender="anna@firma.example",
                recipient="ewa@klient.example",
                subject="",
                content=b"",
                state="sent",
                due_at=NOW,
                created_at=NOW,
            )
        )
    take(house, letter, sent=True)
    count_all(house)
    assert stored(house)["day", NOW.date(), 0][:4] == (1, 0, 0, 0)


def test_what_was_handed_in_to_the_drop_box_came_to_who_forwarded_it(house: Context) -> None:
    quoted = Forward(mail(1).from_, "Oferta", NOW - timedelta(hours=2), None, "A cena?")
    forward = mail(20, sender="jan@firma.example", to="crm@firma.example", subject="Fwd: Oferta")
    arrival = Arrival(None, NOW, (forward, Reading(Kind.HUMAN, "", forward=quoted)))
    ingest(house, replace(batch(mailbox="drop-box"), arrivals=(arrival,)))
    count_all(house)
    assert stored(house)["day", NOW.date(), 2][0] == 1


def test_who_gets_a_mailbox_has_all_its_mail_counted_anew(database: Database, tmp_path: Path) -> None:
    before = build(database, tmp_path)
    take(before, mail(1), mailbox="jan")
    count_all(before)
    assert ("day", NOW.date(), 1) not in stored(before)
    after = build(database, tmp_path, mailboxes={"jan": {"members": ["anna", "jan"]}})
    assert is_due(after)
    count_all(after)
    assert stored(after)["day", NOW.date(), 1][0] == 1
    assert not is_due(after)


def test_a_round_of_work_counts(house: Context) -> None:
    take(house, mail(1))
    work.work(house, Taker())
    assert stored(house)["month", NOW.date().replace(day=1), 0][0] == 1


def test_several_that_count_at_once_count_once(house: Context) -> None:
    for number in range(40):
        take(house, mail(f"m{number}", age=timedelta(hours=number)))
    start = threading.Barrier(3)

    def run() -> None:
        start.wait()
        for _ in range(60):
            count_due(house, 3)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sum(values[0] for key, values in stored(house).items() if key[0] == "month" and key[2] == 0) == 40
    assert not is_due(house)


def test_what_is_committed_late_is_counted_though_later_mail_was_before(postgres_url: str, tmp_path: Path) -> None:
    """PostgreSQL hands out numbers in one order, and transactions end in another."""
    database = Database(postgres_url)
    upgrade(database)
    house = build(database, tmp_path)
    take(house, mail(1, age=timedelta(hours=3)), mail(2, age=timedelta(hours=2)))
    count_all(house)
    with house.db.read() as connection:
        threads = list(connection.execute(select(tables.message.c.thread_id).order_by(tables.message.c.id)).scalars())
    with database.engine.begin() as late:
        late.execute(update(tables.message).where(tables.message.c.message_id == "1@test.example").values(kind="bulk"))
        counting.mark(late, threads[:1])
        with database.write() as early:
            early.execute(
                update(tables.message).where(tables.message.c.message_id == "2@test.example").values(kind="bulk")
            )
            counting.mark(early, threads[1:])
        count_all(house)
        assert stored(house)["day", NOW.date(), 0][0] == 1
    count_all(house)
    assert stored(house) == {}
    database.close()
