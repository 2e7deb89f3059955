"""Ourselves: users, their mailboxes and how far each folder has been read."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Integer,
    String,
    Text,
    UniqueConstraint,
    text,
)

from mailcrm.store.db import Utc
from mailcrm.store.tables.base import table, to

user = table(
    "user",
    Column("key", String(100), nullable=False, unique=True),
    Column("email", String(320), nullable=False),
    Column("name", Text, nullable=False),
    Column("password_hash", Text),
    Column("disabled_at", Utc),
)
mailbox = table(
    "mailbox",
    Column("key", String(100), nullable=False, unique=True),
    Column("state", String(20), nullable=False),  # new | waiting | active | paused
    Column("reason", Text),
    Column("alive_at", Utc),
    Column("seen_at", Utc),  # when it was first looked into: decides what is historic
    Column("refusals", Integer, nullable=False, server_default=text("0")),  # logins refused in a row
    Column("waiting", JSON),  # counts shown while it waits for `mailbox resume`
)
folder = table(
    "folder",
    to("mailbox_id", "mailbox", nullable=False),
    Column("name", Text, nullable=False),
    Column("role", String(20), nullable=False),
    Column("uidvalidity", BigInteger, nullable=False),
    Column("last_uid", BigInteger, nullable=False),
    Column("backfill_uid", BigInteger, nullable=False),
    Column("modseq", BigInteger, nullable=False),
    UniqueConstraint("mailbox_id", "name"),
)
