"""The folders for answers, on a private IMAP server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert, update

from mailcrm.app.context import Context
from mailcrm.app.ingest import ingest
from mailcrm.errors import LoginFailed
from mailcrm.mail.choice_folders import ChoiceFolders
from mailcrm.mail.imap_session import Dialer
from mailcrm.store import choices, tables
from mailcrm.store.db import Database
from mailcrm.store.migrate import upgrade
from tests.house import NOW, batch, build, mail
from tests.servers.pymap import Pymap


@pytest.fixture
def house(tmp_path: Path, pymap: Pymap) -> Any:
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    upgrade(database)
    account = {
        "user": "anna", "host": pymap.host, "port": pymap.port, "tls": "none", "login": pymap.new_user(),
        "password": pymap.PASSWORD, "choice_folders": True,
    }  # fmt: skip
    quiet = {**account, "user": "jan", "choice_folders": False}
    context = build(database, tmp_path, mailboxes={"anna": account, "jan": quiet})
    with database.write() as connection:
        for table, values in (
            (tables.pipeline, {"id": 90, "name": "P"}),
            (tables.stage, {"id": 90, "pipeline_id": 90, "name": "Offer", "position": 1}),
            (tables.person, {"id": 90, "name": "Ewa", "created_by": "t", "created_at": NOW}),
            (tables.person_address, {"person_id": 90, "address": "ewa@klient.example", "canonical": "x"}),
        ):
            connection.execute(insert(table).values(**values))
        for number, title in ((41, "Dach/hala. 100%"), (42, "Łódź")):
            connection.execute(
                insert(tables.deal).values(
                    id=number, title=title, person_id=90, stage_id=90, status="open", created_by="t", created_at=NOW
                )
            )
    ingest(context, batch(mail(1)))
    yield context
    database.close()


def folders(house: Context, pymap: Pymap) -> set[str]:
    with pymap.client(house.config.mailboxes["anna"].login) as client:
        return {name for _, _, name in client.list_folders()}


def test_folders_are_made_for_the_deals_in_question_once(house: Context, pymap: Pymap) -> None:
    offered = ChoiceFolders(house, Dialer(house.config))
    assert offered.offer("anna") == 2
    assert {"CRM/41 Dach hala 100", "CRM/42 Łódź"} <= folders(house, pymap)
    assert offered.offer("anna") == 0
    assert ChoiceFolders(house, Dialer(house.config)).offer("anna") == 0  # after a restart they are found


def test_only_where_they_are_wanted(house: Context, pymap: Pymap) -> None:
    offered = ChoiceFolders(house, Dialer(house.config))
    assert offered.offer("jan") == 0
    with house.db.write() as connection:
        connection.execute(update(tables.deal).where(tables.deal.c.id == 41).values(status="won"))
    assert offered.offer("anna") == 1
    assert not {name for name in folders(house, pymap) if "41" in name}
    with house.db.write() as connection:
        assert choices.settle(connection, 1, None, by="anna", via="page", now=NOW)
    assert ChoiceFolders(house, Dialer(house.config)).offer("anna") == 0


def test_a_mailbox_that_refuses_us_is_left_alone(house: Context) -> None:
    mailboxes = dict(house.config.mailboxes)
    mailboxes["anna"] = msgspec.structs.replace(mailboxes["anna"], password="wrong")
    config = msgspec.structs.replace(house.config, mailboxes=mailboxes)
    offered = ChoiceFolders(replace(house, config=config), Dialer(config))
    with pytest.raises(LoginFailed):
        offered.offer("anna")
    assert offered.offer("anna") == 0  # for a quarter of an hour it is not even tried
