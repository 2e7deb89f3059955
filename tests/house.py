"""Builds the parts of the program for tests, on a given database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mailcrm import config as configuration
from mailcrm import main
from mailcrm.app.context import Context
from mailcrm.app.flow_book import FlowBook
from mailcrm.app.registry import registry
from mailcrm.core.classify import classify
from mailcrm.core.model import Address, Arrival, Batch, FolderRole, Message
from mailcrm.plugins import PluginHost
from mailcrm.store import mailboxes, users
from mailcrm.store.blobs import Blobs
from mailcrm.store.db import Database

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
SETTINGS: dict[str, Any] = {
    "domains": ["firma.example"],
    "users": {
        "anna": {"email": "anna@firma.example", "name": "Anna Nowak", "aliases": ["a.nowak@firma.example"]},
        "jan": {"email": "jan@firma.example", "name": "Jan Lis"},
    },
    "mailboxes": {
        "anna": {"user": "anna", "choice_folders": True},
        "jan": {"user": "jan"},
        "office": {"members": ["anna", "jan"]},
    },
    "lmtp": {"drop_box": "crm@firma.example"},
    "web": {"secret": "not so secret", "base_url": "https://crm.firma.example"},
}


def build(database: Database, folder: Path, *, plugins: PluginHost | None = None, **settings: Any) -> Context:
    """A context on a migrated database, with three mailboxes and two users; ``settings`` replace whole sections."""
    config = configuration.parse({**SETTINGS, **settings}, base=folder)
    with database.write() as connection:
        users.sync(connection, config)
        mailboxes.sync(connection, config)
    plugins = plugins or PluginHost()
    known = registry(plugins)
    return Context(
        config=config,
        db=database,
        blobs=Blobs(config.data / "files", durable=False),
        plugins=plugins,
        ours=main.ours(config),
        clock=lambda: NOW,
        secret=main.secret(config),
        registry=known,
        flows=FlowBook(known, config),
        changed=lambda: None,
    )


def mail(
    number: int | str,
    *,
    sender: str | None = "Ewa Zielińska <ewa@klient.example>",
    to: str = "anna@firma.example",
    cc: str = "",
    subject: str = "Oferta",
    text: str = "Dzień dobry, proszę o ofertę.",
    replies_to: tuple[int | str, ...] = (),
    age: timedelta = timedelta(minutes=5),
    **more: Any,
) -> Message:
    """A parsed message; ``number`` makes its Message-ID, ``age`` its Date before NOW."""
    references = tuple(f"{each}@test.example" for each in replies_to)
    return Message(
        **{
            "message_id": f"{number}@test.example",
            "date": NOW - age,
            "from_": addresses(sender)[0] if sender else None,
            "to": addresses(to),
            "cc": addresses(cc),
            "subject": subject,
            "text": text,
            "in_reply_to": references[-1:],
            "references": references,
            "size": len(text),
        }
        | more
    )


def addresses(text: str) -> tuple[Address, ...]:
    """``Name <a@b>, c@d`` as addresses."""
    found = []
    for each in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, email = each.rpartition("<")
        found.append(Address(name.strip(), email.strip("> ")))
    return tuple(found)


def batch(
    *mails: Message, mailbox: str = "anna", folder: str = "", role: FolderRole = FolderRole.INBOX, **more: Any
) -> Batch:
    """A batch without a server, of messages received when they were written."""
    arrivals = tuple(
        Arrival(uid=None, received_at=message.date or NOW, content=(message, classify(message))) for message in mails
    )
    return Batch(**{"mailbox": mailbox, "folder": folder, "role": role, "arrivals": arrivals} | more)
