"""Events, their delivery to plugins, settings."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Column,
    Index,
    Integer,
    String,
    Table,
    Text,
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
setting = Table(
    "setting",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("value", JSON, nullable=False),
    Column("at", Utc, nullable=False),
)
