"""Consent of the sender: per user and flow, read when the mail is handed over (SEQ-20 to SEQ-27); on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailcrm.app.enrolling import Item, leave
from mailcrm.core.enrollment import Status
from mailcrm.core.flow import FlowKind
from mailcrm.mail.smtp_out import SmtpTransport
from mailcrm.store import consents, effects, flows, outbox, tables
from mailcrm.store.db import Database
from tests.sequence_house import CALL, DRAFT, MAIL, House, house
from tests.servers import Sink
from tests.transports import Interrupted

NO = "no consent of anna for Warm"


@pytest.fixture
def home(database: Database, tmp_path: Path, sink: Sink) -> House:
    return house(database, tmp_path, sink)


def failed(home: House, item: Item, reason: str = NO) -> None:
    """The run failed for that reason, at once and for good; nothing later runs."""
    assert (home.status(item), home.row(item).reason) == (Status.FAILED, f"step-1: mail.send: {reason}")
    home.pass_(days=30)
    home.work()
    assert (home.activities(), home.pulse()) == ([], [])  # SEQ-26
    assert {mail.state for mail in home.outbox()} == {"failed"}


def test_without_consent_nothing_is_sent_and_the_run_fails(home: House, sink: Sink) -> None:
    # SEQ-20, SEQ-26, A4: enrolling is allowed, and warns
    home.apply(MAIL + CALL + DRAFT)
    item = home.deal()
    [warning] = home.enroll(item).warnings
    assert "anna has not consented" in warning
    home.work()
    assert sink.mails == []
    failed(home, item)
    assert home.outbox()[0].reason == NO


def test_consent_is_a_users_own_and_for_one_flow(home: House, sink: Sink) -> None:
    # SEQ-22, SEQ-23
    home.apply(MAIL)
    home.apply(MAIL, "Other")
    home.consent("jan")
    home.consent("anna", "Other")
    item = home.deal()
    home.enroll(item)
    home.work()
    assert sink.mails == []
    failed(home, item)


def test_withdrawn_after_scheduling_it_fails_when_it_is_to_be_sent(home: House, sink: Sink) -> None:
    # SEQ-25
    home.apply(MAIL + 'after = "1d"\n' + CALL)
    home.consent()
    item = home.deal()
    home.enroll(item)
    home.work()
    home.consent(granted=False)
    home.work()
    home.pass_(hours=23)
    home.work()
    assert (home.status(item), home.outbox()[0].state) == (Status.IN_PROGRESS, "pending")
    home.pass_(hours=1)
    home.work()
    assert sink.mails == []
    failed(home, item)


def test_granted_again_before_it_is_due_it_is_sent(home: House, sink: Sink) -> None:
    # A4; SEQ-21: every word stays on record
    home.apply(MAIL + 'after = "1d"\n')
    item = home.deal()
    home.enroll(item)
    for granted in (True, False, True):
        home.consent(granted=granted)
    home.pass_(days=1)
    home.work()
    assert (len(sink.mails), home.status(item)) == (1, Status.COMPLETED)
    with home.context.db.read() as connection:
        flow = flows.find(connection, "Warm", list(FlowKind)).id
        said = consents.history(connection, flow)
    assert [each.granted for each in said] == [True, False, True]
    assert (said[0].flow, said[0].user, said[0].by, said[0].via) == ("Warm", "anna", "user:anna", "command")


def test_withdrawn_between_pick_up_and_hand_over_it_is_refused(home: House, sink: Sink) -> None:
    # SEQ-27
    home.apply(MAIL + CALL)
    home.consent()
    item = home.deal()
    home.enroll(item)
    home.run()
    done = home.send(Interrupted(SmtpTransport(home.context.config), lambda: home.consent(granted=False)))
    assert (done.sent, done.failed) == (0, 1)
    home.work()
    assert sink.mails == []
    failed(home, item)


def test_taken_out_between_pick_up_and_hand_over_it_is_withdrawn(home: House, sink: Sink) -> None:
    home.apply(MAIL)
    home.consent()
    item = home.deal()
    home.enroll(item)
    home.run()
    taken_out = lambda: leave(home.context, home.anna, "Warm", [item])  # noqa: E731
    home.send(Interrupted(SmtpTransport(home.context.config), taken_out))
    assert (sink.mails, home.outbox()[0].state, home.status(item)) == ([], "withdrawn", Status.REMOVED)


def test_a_disabled_user_sends_nothing(home: House, sink: Sink) -> None:
    home.apply(MAIL)
    home.consent()
    item = home.deal()
    home.enroll(item)
    home.run()
    with home.context.db.write() as connection:
        connection.execute(tables.user.update().where(tables.user.c.key == "anna").values(disabled_at=home.now))
    home.work()
    assert sink.mails == []
    failed(home, item, "anna is disabled")


def test_what_failed_is_not_sent_by_a_retry(home: House, sink: Sink) -> None:
    """Its run is over: consent that comes later is for what comes later."""
    home.apply(MAIL)
    home.enroll(home.deal())
    home.work()
    home.consent()
    with home.context.db.write() as connection:
        assert outbox.retry(connection, None, home.now) == 1
    home.work()
    assert (sink.mails, home.outbox()[0].state) == ([], "withdrawn")


def test_sent_is_told_in_the_transaction_that_notes_it(home: House, sink: Sink) -> None:
    home.apply(MAIL)
    home.consent()
    home.enroll(home.deal())
    home.run()
    home.send()
    [mail] = home.outbox()
    with home.context.db.read() as connection:
        found = effects.find(connection, mail.key)
    assert found is not None
    assert (mail.state, found.state) == ("sent", "done")
