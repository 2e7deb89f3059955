"""Pipelines, deals, leads, activities, notes."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Integer,
    Numeric,
    String,
    Text,
    UniqueConstraint,
)

from mailcrm.store.db import Utc
from mailcrm.store.tables.base import table, to

pipeline = table("pipeline", Column("name", String(200), nullable=False, unique=True))
stage = table(
    "stage",
    to("pipeline_id", "pipeline", nullable=False),
    Column("name", String(200), nullable=False),
    Column("position", Integer, nullable=False),
    Column("removed_at", Utc),
    UniqueConstraint("pipeline_id", "name"),
)
deal = table(
    "deal",
    Column("title", Text, nullable=False),
    to("person_id", "person", index=True),
    to("organization_id", "organization", index=True),
    to("stage_id", "stage", nullable=False, index=True),
    Column("status", String(10), nullable=False),  # open | won | lost
    Column("value", Numeric(18, 2)),
    Column("currency", String(3)),
    to("owner_id", "user"),
    Column("created_by", Text, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("closed_at", Utc),
    Column("lost_reason", Text),
    Column("removed_at", Utc),
    to("merged_into", "deal"),
)
lead = table(
    "lead",
    Column("title", Text, nullable=False),
    to("person_id", "person", index=True),
    to("organization_id", "organization", index=True),
    Column("value", Numeric(18, 2)),
    Column("currency", String(3)),
    to("owner_id", "user"),
    Column("created_by", Text, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("removed_at", Utc),
    to("merged_into", "lead"),
)
activity = table(
    "activity",
    Column("type", String(50), nullable=False),
    Column("due", Utc, index=True),
    to("assignee_id", "user", index=True),
    Column("priority", String(10)),
    Column("note", Text),
    Column("done_at", Utc),
    Column("created_by", Text, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("removed_at", Utc),
    to("person_id", "person", index=True),
    to("organization_id", "organization", index=True),
    to("deal_id", "deal", index=True),
    to("lead_id", "lead", index=True),
)
note = table(
    "note",
    Column("text", Text, nullable=False),
    to("author_id", "user"),
    Column("at", Utc, nullable=False),
    Column("removed_at", Utc),
    to("person_id", "person", index=True),
    to("organization_id", "organization", index=True),
    to("deal_id", "deal", index=True),
    to("lead_id", "lead", index=True),
)
