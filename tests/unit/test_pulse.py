"""The pulse: what a rep is to know or do, and what he says is done; on both databases."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from mailcrm.app import drafts
from mailcrm.core.enrollment import Status
from mailcrm.errors import NotFound, Refused
from mailcrm.store import pulse
from mailcrm.store.db import Database
from tests.house import NOW
from tests.sequence_house import CALL, DRAFT, MAIL, House, house


@pytest.fixture
def home(database: Database, tmp_path: Path) -> House:
    return house(database, tmp_path)


def test_it_is_a_users_own_by_due_time(home: House) -> None:
    # SEQ-16, SEQ-17
    home.apply(DRAFT, "Drafts")
    home.apply(MAIL + 'after = "2h"\n')
    home.apply(MAIL.replace("Oferta", "Inna") + 'sender = "jan"\nafter = "1h"\n', "Of Jan")
    item = home.deal("Pompy")
    for name in ("Drafts", "Warm", "Of Jan"):
        home.enroll(item, name=name)
    lines = [(entry.kind, entry.due_at - NOW, entry.flow, entry.deal) for entry in home.pulse()]
    assert lines == [("auto", timedelta(hours=2), "Warm", item.id), ("draft", timedelta(hours=4), "Drafts", item.id)]
    [of_jan] = home.pulse("jan")
    assert of_jan.text.startswith("Ewa Zielińska <pompy@klient.example>: Inna Pompy")
    with home.context.db.read() as connection:
        assert len(pulse.listed(connection)) == 3


def test_a_draft_that_is_said_to_be_done_lets_the_run_go_on(home: House) -> None:
    # A18: deleted, or sent another way
    home.apply(DRAFT + CALL + 'after = "1h"\n')
    item = home.deal()
    home.enroll(item)
    [entry] = home.pulse()
    home.pass_(hours=5)
    with pytest.raises(Refused, match="is anna's"):
        drafts.done(home.context, home.actor("jan"), entry.id)
    drafts.done(home.context, home.anna, entry.id)
    with pytest.raises(Refused, match="was done on 2026-11-22"):
        drafts.done(home.context, home.anna, entry.id)
    home.work()
    assert (home.pulse(), home.row(item).node, home.activities()) == ([], "step-2", [])
    assert [each.done_at for each in home.pulse(everything=True)] == [home.now]
    home.pass_(hours=1)
    home.work()
    assert (len(home.activities()), home.status(item)) == (1, Status.COMPLETED)


def test_what_goes_by_itself_is_not_to_be_done(home: House) -> None:
    home.apply(MAIL + 'after = "2h"\n')
    home.enroll(home.deal())
    [entry] = home.pulse()
    with pytest.raises(Refused, match="goes by itself"):
        drafts.done(home.context, home.anna, entry.id)
    with pytest.raises(NotFound, match="no pulse item 99"):
        drafts.done(home.context, home.anna, 99)


def test_a_notice_is_read_and_done(home: House) -> None:
    with home.context.db.write() as connection:
        pulse.add(connection, home.anna.id or 0, "notice", "Wstrzymano", NOW, NOW)
    [entry] = home.pulse()
    assert (entry.kind, entry.text, entry.flow, entry.effect) == ("notice", "Wstrzymano", None, None)
    drafts.done(home.context, home.anna, entry.id)
    assert home.pulse() == []
