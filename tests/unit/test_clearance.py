"""Why automatic mail does not leave: what refuses it, holds it, or lets it wait."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert, update

from mailcrm import hookimpl, testing
from mailcrm.app.ingest import ingest
from mailcrm.app.intake import StoreIntake
from mailcrm.core.classify import classify
from mailcrm.core.compose import date_of, redated
from mailcrm.core.enrollment import Status
from mailcrm.core.model import Arrival, FolderRole
from mailcrm.core.outgoing import Outgoing, SenderConsent
from mailcrm.store import mailboxes, outbox, permissions, suppressions, tables
from mailcrm.store.db import Database
from mailcrm.store.outbox import NewMail
from tests.house import NOW, SETTINGS, batch, mail
from tests.sequence_house import CALL, DRAFT, MAIL, House, house
from tests.transports import Interrupted, Taker

EWA = "ewa@klient.example"
WATCHED = {"user": "anna", "host": "imap.firma.example", "login": "anna", "password": "x"}


@pytest.fixture
def database(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Database]:
    """SQLite alone: what is asked of PostgreSQL is in ``test_dispatch_plans``."""
    database = Database(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'test.db')}")
    yield database
    database.close()


@pytest.fixture
def home(database: Database, tmp_path: Path) -> House:
    return made(database, tmp_path)


def made(database: Database, folder: Path, steps: str = MAIL, **settings: Any) -> House:
    home = house(database, folder, **settings)
    home.apply(steps)
    home.consent()
    return home


def enrolled(home: House, email: str = EWA, title: str = "Pompy") -> Any:
    """A deal of a person with this address, in the sequence; its mail lies in the outbox."""
    item = home.deal(title, home.person(email=email))
    home.enroll(item)
    home.run()
    return item


def refused(home: House, item: Any, why: str) -> None:
    """Nothing left, the run failed with that reason, and no later step runs."""
    taker = Taker()
    home.work(taker)
    assert taker.taken == []
    [row] = home.outbox()
    assert (row.state, home.status(item)) == ("failed", Status.FAILED)
    assert why in (row.reason or "")
    assert why in (home.row(item).reason or "")
    home.pass_(days=30)
    home.work(taker)
    assert (taker.taken, home.activities()) == ([], [])


def waits(home: House, state: str, why: str) -> datetime:
    """Nothing leaves now; when it is looked at anew."""
    taker = Taker()
    done = home.send(taker)
    assert (taker.taken, done.sent, done.failed) == ([], 0, 0)
    [row] = home.outbox()
    assert (row.state, row.attempts) == (state, 0)
    assert why in (row.reason or "")
    with home.context.db.read() as connection:
        at = connection.execute(tables.outbox.select()).one()
    when = at.release_at if state == "held" else at.due_at
    assert isinstance(when, datetime)
    return when


def leaves(home: House) -> None:
    taker = Taker()
    home.work(taker)
    assert len(taker.taken) == 1


def by_hand(home: House, sender: str = "anna@firma.example", to: str = EWA, **more: Any) -> None:
    """One of us writes to somebody; it is found in Sent."""
    message = replace(mail("by hand", sender=sender, to=to, **more), date=home.now)
    arrival = Arrival(uid=None, received_at=home.now, content=(message, classify(message)))
    ingest(home.context, replace(batch(role=FolderRole.SENT), arrivals=(arrival,)))


def permit(home: House, *, granted: bool = True) -> None:
    with home.context.db.write() as connection:
        person = connection.execute(tables.person.select()).one().id
        if granted:
            permissions.grant(connection, person, "consent", "fair", "card 7", False, "user:anna", home.now)
        else:
            permissions.withdraw(connection, person, "call", "", "user:anna", home.now)


def suppress(home: House) -> None:
    with home.context.db.write() as connection:
        suppressions.add(connection, home.context.secret, EWA, "unsubscribe", "no more", "page", home.now)


# --- refused ---


def test_each_mail_of_a_batch_is_looked_at_when_its_turn_comes(home: House) -> None:
    # SEQ-27: withdrawn while the first of two is on its way
    home.apply(MAIL + CALL)
    items = [enrolled(home, f"{name}@klient.example", name) for name in ("a", "b")]
    taker = Taker(before=lambda: home.consent(granted=False))
    done = home.send(taker)
    assert (taker.given, done.sent, done.failed) == (["a@klient.example"], 1, 1)
    home.work(taker)
    assert len(taker.given) == 1
    assert sorted(home.status(item).value for item in items) == ["completed", "failed"]
    assert len(home.activities()) == 1


def test_without_permission_nothing_leaves_where_it_is_required(database: Database, tmp_path: Path) -> None:
    home = made(database, tmp_path, MAIL + CALL, require_permission=True)
    refused(home, enrolled(home), "no permission is recorded")


def test_with_permission_it_leaves(database: Database, tmp_path: Path) -> None:
    home = made(database, tmp_path, require_permission=True)
    enrolled(home)
    permit(home)
    leaves(home)


def test_who_has_withdrawn_his_permission_gets_nothing_though_none_is_required(home: House) -> None:
    item = enrolled(home)
    permit(home)
    permit(home, granted=False)
    refused(home, item, "has withdrawn his permission")


def test_a_suppressed_address_gets_nothing(home: House) -> None:
    item = enrolled(home)
    suppress(home)
    refused(home, item, "gets no automatic mail (unsubscribe)")


@pytest.mark.parametrize("said", ["permission", "suppression"])
def test_what_is_said_between_pick_up_and_hand_over_counts(home: House, said: str) -> None:
    item = enrolled(home)
    taker = Taker()
    home.send(Interrupted(taker, lambda: permit(home, granted=False) if said == "permission" else suppress(home)))
    home.run()
    assert (taker.taken, home.status(item)) == ([], Status.FAILED)


def test_a_suppression_that_is_lifted_or_over_counts_no_more(home: House) -> None:
    enrolled(home)
    suppress(home)
    with home.context.db.write() as connection:
        suppressions.add(connection, home.context.secret, EWA, "bounce", "full", "x", home.now, home.now)
        assert suppressions.lift(connection, home.context.secret, EWA, home.now) == 2
    leaves(home)


class Choosy:
    """Lets nothing go to Ewa, and fails for Jan."""

    seen: list[tuple[Outgoing, SenderConsent]]

    def __init__(self) -> None:
        self.seen = []

    @hookimpl
    def veto_send(self, letter: Outgoing, consent: SenderConsent) -> str | None:
        self.seen.append((letter, consent))
        if letter.recipient.startswith("jan"):
            raise RuntimeError("no list")
        return "she is away for good" if letter.recipient == EWA else None


def test_a_plugin_refuses_a_letter_and_so_does_one_that_fails(database: Database, tmp_path: Path) -> None:
    plugin = Choosy()
    home = made(database, tmp_path, plugins=testing.host(plugin, name="choosy"))
    items = [enrolled(home, address, address) for address in (EWA, "jan@klient.example", "ala@klient.example")]
    taker = Taker()
    home.work(taker)
    assert taker.given == ["ala@klient.example"]
    assert [home.row(item).reason for item in items[:2]] == [
        "step-1: mail.send: choosy: she is away for good",
        "step-1: mail.send: choosy failed in veto_send: RuntimeError: no list",
    ]
    letter, consent = plugin.seen[0]
    assert (letter.flow, letter.sender, consent.user, consent.by) == ("Warm", "anna@firma.example", "anna", "user:anna")
    assert letter.content == home.outbox()[0].content


# --- held ---


def test_mail_by_hand_holds_the_step_for_two_days(home: House) -> None:
    enrolled(home)
    by_hand(home)
    assert waits(home, "held", "anna wrote to ewa@klient.example") == home.now + timedelta(days=2)
    home.pass_(days=2)
    leaves(home)


def test_the_letter_that_a_flow_asked_for_holds_none(database: Database, tmp_path: Path) -> None:
    home = made(database, tmp_path, DRAFT + MAIL)
    enrolled(home)
    home.pass_(hours=1)
    by_hand(home, subject="Szkic Pompy")
    home.run()
    leaves(home)


def test_mail_that_a_rep_hands_in_holds_it_too_and_is_itself_asked_nothing(home: House) -> None:
    enrolled(home)
    home.consent(granted=True)
    with home.context.db.write() as connection:
        person = connection.execute(tables.person.select()).one().id
        outbox.put(connection, relayed("by hand", "relay", home.anna.id, person), home.now)
        suppressions.add(connection, home.context.secret, EWA, "unsubscribe", "no", "page", home.now)
        suppressions.lift(connection, home.context.secret, EWA, home.now)
    taker = Taker()
    home.send(taker)
    assert [parcel.id for parcel in taker.taken] == [2]
    assert [each.state for each in home.outbox()] == ["held", "sent"]


def relayed(key: str, kind: str, user: int | None, person: int | None, flow: int | None = None) -> NewMail:
    return NewMail(
        key=key, kind=kind, user_id=user, message_id=f"{key.replace(' ', '')}@firma.example", subject=key,
        sender="anna@firma.example", recipient=EWA, content=b"Subject: x\r\n\r\nx\r\n", person_id=person, flow_id=flow,
    )  # fmt: skip


def test_a_programs_mail_is_asked_all_and_its_sender_is_told(home: House) -> None:
    person = home.person()
    with home.context.db.write() as connection:
        flow = connection.execute(tables.flow.select()).one().id
        outbox.put(connection, relayed("a", "auto", home.anna.id, person, flow), home.now)
        suppressions.add(connection, home.context.secret, EWA, "unsubscribe", "no", "page", home.now)
        outbox.put(connection, relayed("b", "relay", home.anna.id, person), home.now)
    taker = Taker()
    home.send(taker)
    assert [parcel.id for parcel in taker.taken] == [2]  # what he writes by hand is his own matter
    [told] = home.pulse()
    assert (told.kind, "was not sent" in told.text) == ("notice", True)
    home.consent(granted=False)
    with home.context.db.write() as connection:
        suppressions.lift(connection, home.context.secret, EWA, home.now)
        outbox.put(connection, relayed("c", "auto", home.anna.id, person, flow), home.now)
    home.send(taker)
    assert home.outbox()[-1].reason == "no consent of anna for Warm"


@pytest.mark.parametrize("fault", ["never", "stale", "refused", "paused"])
def test_while_the_senders_mailbox_is_not_read_his_automatic_mail_is_held(
    database: Database, tmp_path: Path, fault: str
) -> None:
    home = made(database, tmp_path, mailboxes={**SETTINGS["mailboxes"], "anna": WATCHED})
    enrolled(home)
    with home.context.db.write() as connection:
        if fault != "never":
            mailboxes.set_alive(connection, "anna", home.now - timedelta(minutes=16 if fault == "stale" else 1))
        if fault == "paused":
            mailboxes.set_state(connection, "anna", "paused", reason="login refused")
    if fault == "refused":
        StoreIntake(home.context).refused("anna")
    waits(home, "held", "the mailbox anna")
    home.pass_(seconds=10)
    with home.context.db.write() as connection:
        mailboxes.set_state(connection, "anna", "active")
        mailboxes.set_alive(connection, "anna", home.now)
    leaves(home)  # at once


def test_a_mailbox_that_was_read_lately_holds_nothing(database: Database, tmp_path: Path) -> None:
    home = made(database, tmp_path, mailboxes={**SETTINGS["mailboxes"], "anna": WATCHED})
    enrolled(home)
    with home.context.db.write() as connection:
        mailboxes.set_alive(connection, "anna", home.now - timedelta(minutes=14))
    leaves(home)


# --- waiting ---


def test_who_is_away_is_written_to_when_he_is_back(home: House) -> None:
    enrolled(home)
    with home.context.db.write() as connection:
        person = connection.execute(tables.person.select()).one().id
        values = {"kind": "mail.autoreplied", "person_id": person, "source": "mail:1", "stored_at": home.now}
        data = {"message": "x@y", "reason": "away", "until": (home.now + timedelta(days=5)).date().isoformat()}
        connection.execute(insert(tables.event).values(key="k", at=home.now, data=data, **values))
    back = waits(home, "pending", "is away until")
    assert timedelta(days=4) < back - home.now < timedelta(days=6)
    home.now = back
    leaves(home)


def test_a_colleagues_mail_keeps_ours_back_for_the_days_set(database: Database, tmp_path: Path) -> None:
    home = made(database, tmp_path, limits={"colleague_days": 7})
    enrolled(home)
    by_hand(home, sender="jan@firma.example")
    home.pass_(days=3)
    assert waits(home, "pending", "jan wrote") == home.now + timedelta(days=4)
    home.pass_(days=4)
    leaves(home)


def test_ones_own_mail_is_no_colleagues(database: Database, tmp_path: Path) -> None:
    home = made(database, tmp_path, limits={"colleague_days": 7})
    enrolled(home)
    by_hand(home)
    home.pass_(days=3)
    leaves(home)


def test_what_was_kept_back_leaves_in_working_hours(database: Database, tmp_path: Path) -> None:
    home = made(database, tmp_path)
    anna = replace_hours(home, "09:00-17:00")
    home.context = replace(home.context, config=anna)
    home.now = NOW.replace(day=23, hour=10)  # a Monday
    enrolled(home)
    home.now = NOW.replace(day=23, hour=20)
    assert waits(home, "pending", "anna is not at work") == NOW.replace(day=24, hour=8)  # 9 o'clock in Warsaw
    home.now = NOW.replace(day=24, hour=8)
    leaves(home)


def replace_hours(home: House, hours: str) -> Any:
    import msgspec

    from mailcrm.config import Hours

    config = home.context.config
    users = {**config.users, "anna": msgspec.structs.replace(config.users["anna"], working_hours=Hours(hours=hours))}
    return msgspec.structs.replace(config, users=users)


def limited(database: Database, folder: Path, count: int, **limits: int) -> tuple[House, Taker]:
    """So many mails to as many persons of one domain, put there at once, and handed over as far as may be."""
    home = made(database, folder, limits=limits)
    for number in range(count):
        enrolled(home, f"p{number}@klient.example", f"D{number}")
    taker = Taker()
    home.work(taker)
    return home, taker


@pytest.mark.parametrize(
    ("limit", "span"), [("per_sender_day", timedelta(days=1)), ("per_domain_hour", timedelta(hours=1))]
)
def test_what_is_beyond_a_limit_waits_until_there_is_room(
    database: Database, tmp_path: Path, limit: str, span: timedelta
) -> None:
    home, taker = limited(database, tmp_path, 5, **{limit: 2})
    assert len(taker.taken) == 2
    left = [each for each in home.outbox() if each.state == "pending"]
    assert {each.reason for each in left} == {f"limits.{limit} = 2"}
    assert [each.due_at - home.now for each in left] == [span, span, 2 * span]
    for expected in (4, 5):
        home.now += span - timedelta(seconds=1)
        home.work(taker)
        assert len(taker.taken) == expected - (2 if expected == 4 else 1)
        home.now += timedelta(seconds=1)
        home.work(taker)
        assert len(taker.taken) == expected


def test_a_new_sender_is_warmed_up(database: Database, tmp_path: Path) -> None:
    home, taker = limited(database, tmp_path, 5, warm_up=1)
    sent = [len(taker.taken)]
    for _ in range(2):
        home.pass_(days=1)
        home.work(taker)
        sent.append(len(taker.taken))
    assert sent == [1, 3, 5]  # one on the first day, two on the second


def test_one_person_gets_so_many_a_day_and_a_week(database: Database, tmp_path: Path) -> None:
    home = made(database, tmp_path, limits={"per_person_day": 1, "per_person_week": 2})
    person = home.person(email=EWA)
    for number in range(4):
        home.enroll(home.deal(f"D{number}", person))
    taker, sent = Taker(), []
    for _ in range(9):
        home.work(taker)
        sent.append(len(taker.taken))
        home.pass_(days=1)
    assert sent == [1, 2, 2, 2, 2, 2, 2, 3, 4]


def test_limits_are_about_automatic_mail_alone(database: Database, tmp_path: Path) -> None:
    home, taker = limited(database, tmp_path, 1, per_sender_day=1)
    with home.context.db.write() as connection:
        outbox.put(connection, relayed("hand", "relay", home.anna.id, None), home.now)
        outbox.put(connection, replace(relayed("ask", "question", home.anna.id, None)), home.now)
    home.work(taker)
    assert len(taker.taken) == 3


def test_what_never_left_is_not_counted(database: Database, tmp_path: Path) -> None:
    home, _ = limited(database, tmp_path, 2, per_sender_day=1)
    with home.context.db.write() as connection:
        connection.execute(update(tables.outbox).where(tables.outbox.c.state == "sent").values(sent_at=None))
    home.pass_(days=1)
    leaves(home)


def test_what_waited_for_days_is_dated_as_it_leaves_and_says_what_it_said(home: House) -> None:
    # SEQ-18
    enrolled(home)
    [before] = home.outbox()
    with home.context.db.write() as connection:
        outbox.hold(connection, [before.id])
    home.pass_(days=4)
    with home.context.db.write() as connection:
        outbox.release(connection, [before.id], home.now)
    taker = Taker()
    home.work(taker)
    [left], [kept] = taker.taken, home.outbox()
    assert date_of(left.content) == home.now.replace(microsecond=0)
    assert left.content == kept.content == redated(before.content, home.now.astimezone(date_of(left.content).tzinfo))
    assert left.content != before.content


def test_who_is_not_configured_any_more_sends_nothing(home: House) -> None:
    item = enrolled(home)
    with_him = home.context
    home.context = replace(with_him, config=msgspec.structs.replace(with_him.config, users={}))
    again = waits(home, "held", "anna is not in config.toml any more")
    assert home.status(item) is Status.IN_PROGRESS
    home.context = with_him
    home.now = again
    leaves(home)
