"""Events, their delivery to plugins, outgoing mail, settings."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    text,
)

from mailcrm.store.db import Utc
from mailcrm.store.tables.base import metadata, table, to

event = table(
    "event",
    Column("key", String(200), nullable=False, unique=True),  # makes storing it twice impossible
    Column("kind", String(60), nullable=False),
    to("person_id", "person"),
    Column("at", Utc, nullable=False),
    Column("stored_at", Utc, nullable=False),
    Column("source", String(60), nullable=False),
    Column("data", JSON, nullable=False),
    Index("ix_event_person_id_kind_at", "person_id", "kind", "at"),
)
plugin_delivery = Table(
    "plugin_delivery",
    metadata,
    to("event_id", "event", primary_key=True),
    Column("plugin", String(100), primary_key=True),
    Column("state", String(10), nullable=False),  # pending | parked; a delivered one is deleted
    Column("attempts", Integer, nullable=False),
    Column("due_at", Utc, nullable=False),
    Column("error", Text),
    Index("ix_plugin_delivery_due", "plugin", "state", "due_at", "event_id"),
)
outbox = table(
    "outbox",
    Column("key", String(200), nullable=False, unique=True),
    Column("kind", String(20), nullable=False),  # question | digest | notice | flow (its key is that of the effect)
    to("user_id", "user"),
    Column("message_id", Text, nullable=False),
    Column("sender", String(320), nullable=False),
    Column("recipient", String(320), nullable=False),
    Column("subject", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),  # the message as it goes out
    Column("state", String(10), nullable=False),  # pending | sending | sent | failed | held | withdrawn
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("reason", Text),
    Column("due_at", Utc, nullable=False),
    Column("claimed_at", Utc),
    Column("created_at", Utc, nullable=False),
    Column("sent_at", Utc),
    Index("ix_outbox_due", "state", "due_at"),
    Index("ix_outbox_message_id", "message_id"),
)
setting = Table(
    "setting",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("value", JSON, nullable=False),
    Column("at", Utc, nullable=False),
)
