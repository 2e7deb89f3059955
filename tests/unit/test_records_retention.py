"""What has been kept long enough is deleted, and nothing else."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert, select, update

from mailcrm.app import retention
from mailcrm.app.context import Context
from mailcrm.app.ingest import ingest
from mailcrm.config import Retention
from mailcrm.core.flow import FlowKind
from mailcrm.core.model import Arrival, Attachment, Cursor, Unreadable
from mailcrm.store import flows, keeping, tables
from mailcrm.store.db import Database
from tests.house import NOW, batch, build, mail
from tests.plans import explained, statements

NEWS = {"list-id": ("news",)}


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Context:
    return build(database, tmp_path, retention={"unlinked_bodies": "1w", "quarantine": "1mo", "expunged": "2w"})


def later(house: Context, days: int) -> Context:
    return replace(house, clock=lambda: NOW + timedelta(days=days))


def texts(house: Context) -> list[str | None]:
    with house.db.read() as connection:
        return list(connection.execute(select(tables.message.c.text).order_by(tables.message.c.id)).scalars())


def test_texts_of_unlinked_mail_go_after_their_time(house: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PIECE", 1)
    ingest(
        house,
        batch(
            *(mail(n, sender="shop@shop.example", text=t, headers=NEWS) for n, t in ((1, "a"), (2, "b"))),
            mail(3, text="c"),
        ),
    )
    assert retention.sweep_due(later(house, 6)) == 0
    assert texts(house) == ["a", "b", "c"]
    assert retention.sweep_due(later(house, 8)) == 2
    assert texts(house) == [None, None, "c"]


def test_a_sweep_is_made_once_a_day(house: Context) -> None:
    ingest(house, batch(mail(1, headers=NEWS)))
    assert retention.sweep_due(house) == 0
    assert retention.sweep_due(later(house, 0)) == 0
    with house.db.write() as connection:
        connection.execute(update(tables.message).values(stored_at=NOW - timedelta(days=30)))
    assert retention.sweep_due(replace(house, clock=lambda: NOW + timedelta(hours=23))) == 0
    assert retention.sweep_due(later(house, 1)) == 1


def test_quarantined_mail_and_its_file_go(house: Context) -> None:
    sha256, size = house.blobs.put(b"broken")
    broken = Arrival(uid=None, received_at=NOW, content=Unreadable("too deep", sha256, size))
    ingest(house, replace(batch(), arrivals=(broken,)))
    assert retention.sweep_due(later(house, 20)) == 0
    assert house.blobs.path(sha256).exists()
    assert retention.sweep_due(later(house, 32)) == 1
    assert not house.blobs.path(sha256).exists()


def test_openings_and_clicks_go_but_those_to_be_judged_stay(house: Context) -> None:
    config = msgspec.structs.replace(house.config, retention=Retention(hits="1mo"))
    values = {"token": "0" * 32, "at": NOW, "grade": "human", "reasons": "", "agent": ""}
    with house.db.write() as connection:
        connection.execute(insert(tables.hit).values(**values))
        connection.execute(insert(tables.hit).values(**values, due_at=NOW))
    assert retention.sweep_due(replace(later(house, 20), config=config)) == 0
    assert retention.sweep_due(replace(later(house, 32), config=config)) == 1
    with house.db.read() as connection:
        assert [row.due_at for row in connection.execute(select(tables.hit))] == [NOW]


def test_mail_that_its_owner_deleted_goes_but_not_what_lies_elsewhere(house: Context) -> None:
    sha256, size = house.blobs.put(b"plan")
    file = Attachment(name="plan", type="text/plain", size=size, sha256=sha256)
    gone, kept = mail(1, text="gone", attachments=(file,)), mail(2, text="kept")
    cursor = Cursor(uidvalidity=1, last_uid=2)
    arrivals = tuple(replace(arrival, uid=uid) for uid, arrival in enumerate(batch(gone, kept).arrivals, 1))
    ingest(house, replace(batch(folder="INBOX"), arrivals=arrivals, cursor=cursor))
    ingest(house, batch(kept, mailbox="jan"))
    ingest(house, replace(batch(folder="INBOX"), arrivals=(), cursor=cursor, vanished=(1, 2)))
    assert retention.sweep_due(later(house, 13)) == 0
    assert retention.sweep_due(later(house, 15)) == 1
    assert texts(house) == ["kept"]
    assert not house.blobs.path(sha256).exists()


def test_without_spans_everything_is_kept(database: Database, tmp_path: Path) -> None:
    house = build(database, tmp_path)
    ingest(house, batch(mail(1, text="a", headers=NEWS)))
    assert retention.sweep_due(later(house, 9999)) == 0
    assert texts(house) == ["a"]


@pytest.mark.parametrize(
    ("history", "left"),
    [
        ("1mo", {(2, 27): ["first", "second"], (2, 28): ["first", "second"], (3, 1): ["second"]}),  # since 31 January
        ("1w", {(2, 7): ["first", "second"], (2, 8): ["second"]}),
    ],
)
def test_a_trace_is_kept_for_one_calendar_month(
    database: Database, tmp_path: Path, history: str, left: dict[tuple[int, int], list[str]]
) -> None:  # WF-15
    house = build(database, tmp_path, retention={"history": history} if history != "1mo" else {})
    began = NOW.replace(month=1, day=31)
    with house.db.write() as connection:
        new = flows.NewFlow(FlowKind.WORKFLOW, "Offer 1", "person", None, "")
        number = flows.add(connection, new, "command", began)
        run = {"flow_id": number, "version": 1, "subject": "person:1", "number": 1, "status": "completed", "state": ""}
        run |= {"began_at": began, "ended_at": began, "enrolled_by": "event:1", "seq": 1}
        enrolled = connection.execute(insert(tables.enrollment).values(**run)).inserted_primary_key
        told = {"enrollment_id": enrolled[0], "hop": 1, "stimulus": "timer", "result": "entered"}
        days = {"first": began, "second": began + timedelta(days=2)}
        connection.execute(insert(tables.step), [told | {"node": node, "at": at} for node, at in days.items()])

    def kept(month: int, day: int) -> list[str]:
        moment = NOW.replace(month=month, day=day)
        retention.sweep_due(replace(house, clock=lambda: moment))
        with house.db.read() as connection:
            return list(connection.execute(select(tables.step.c.node).order_by(tables.step.c.at)).scalars())

    for (month, day), nodes in left.items():
        assert kept(month, day) == nodes
    assert kept(3, 3) == []
    with house.db.read() as connection:
        assert connection.execute(select(tables.enrollment.c.status)).scalars().all() == ["completed"]


def test_the_text_of_letters_goes_and_that_they_were_sent_stays(database: Database, tmp_path: Path) -> None:
    house = build(database, tmp_path, retention={"letters": "1mo"})
    row: dict[str, Any] = {
        "kind": "relay",
        "message_id": "m",
        "sender": "a@firma.example",
        "recipient": "e@klient.example",
    }
    row |= {"subject": "S", "state": "sent", "due_at": NOW, "created_at": NOW, "sent_at": NOW}
    with house.db.write() as connection:
        body = insert(tables.outbox_body).values(content=b"to all", created_at=NOW).returning(tables.outbox_body.c.id)
        number = connection.execute(body).scalar()
        cases: dict[str, dict[str, Any]] = {
            "plain": {"content": b"text"},
            "to many": {"content": b"", "body_id": number},
            "to be copied": {"content": b"copy", "copy": "wanted"},
            "late": {"content": b"late", "sent_at": NOW + timedelta(days=20)},
            "waits": {"content": b"waits", "state": "pending", "sent_at": None},
        }
        for key, more in cases.items():
            connection.execute(insert(tables.outbox).values(key=key, **(row | more)))
    assert retention.sweep_due(later(house, 20)) == 0
    assert retention.sweep_due(later(house, 32)) == 2
    with house.db.read() as connection:
        rows = connection.execute(select(tables.outbox.c.key, tables.outbox.c.content))
        left = {row.key: row.content for row in rows}
        bodies = connection.execute(select(tables.outbox_body)).all()
    assert left == {"plain": b"", "to many": b"", "to be copied": b"copy", "late": b"late", "waits": b"waits"}
    assert bodies == []


def test_a_sweep_goes_on_where_it_left_off(migrated_sqlite: Path, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'test.db')}")
    kinds = (keeping.unlinked_texts, keeping.letters, keeping.effects, keeping.expunged)
    with statements(database) as found, database.read() as connection:
        for kind in kinds:
            assert kind(NOW).after(connection, 7, 500) == []
    plans = [explained(database, *asked) for asked in found.values()]
    database.close()
    assert len(plans) == len(kinds)
    for plan in plans:
        assert re.search(r"\((rowid|message_id)>\?\)", plan[0]), plan
        assert not [step for step in plan if "TEMP B-TREE" in step]
