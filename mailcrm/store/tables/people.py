"""Persons and organizations, their addresses, tags and fields."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Index,
    String,
    Table,
    Text,
    false,
)

from mailcrm.store.db import Utc
from mailcrm.store.tables.base import Id, metadata, table, to

organization = table(
    "organization",
    Column("name", Text, nullable=False, index=True),
    Column("industry", Text),
    to("owner_id", "user"),
    Column("created_by", Text, nullable=False),  # user:anna | mail:<message-id> | import:FILE
    Column("created_at", Utc, nullable=False),
    Column("removed_at", Utc),
    to("merged_into", "organization"),
)
organization_domain = Table(
    "organization_domain",
    metadata,
    Column("domain", String(255), primary_key=True),
    to("organization_id", "organization", nullable=False, index=True),
)
organization_address = Table(
    "organization_address",
    metadata,
    Column("address", String(320), primary_key=True),
    to("organization_id", "organization", nullable=False, index=True),
)
organization_relation = Table(
    "organization_relation",
    metadata,
    to("organization_id", "organization", primary_key=True),
    to("other_id", "organization", primary_key=True, index=True),
    Column("kind", String(50), primary_key=True),  # parent | partner | …
)
person = table(
    "person",
    Column("name", Text, nullable=False, index=True),
    to("organization_id", "organization", index=True),
    to("owner_id", "user"),
    Column("created_by", Text, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("removed_at", Utc),
    to("merged_into", "person"),
)
person_address = table(
    "person_address",
    to("person_id", "person", nullable=False, index=True),
    Column("address", String(320), nullable=False, index=True),
    Column("canonical", String(320), nullable=False, index=True),  # without tag and Gmail dots
    Column("is_primary", Boolean, nullable=False, server_default=false()),
    Column("valid_from", Utc),
    Column("valid_to", Utc),
)
Index(
    "uq_person_address_current",
    person_address.c.address,
    unique=True,
    sqlite_where=person_address.c.valid_to.is_(None),
    postgresql_where=person_address.c.valid_to.is_(None),
)
person_phone = Table(
    "person_phone",
    metadata,
    to("person_id", "person", primary_key=True),
    Column("number", String(50), primary_key=True, index=True),
    Column("label", String(50)),
)
unwanted_address = Table(
    "unwanted_address",
    metadata,
    Column("hash", String(64), primary_key=True),  # keyed, so the table names nobody
    Column("reason", String(20), nullable=False),  # undone | erased
    Column("at", Utc, nullable=False),
)
tag = table("tag", Column("name", String(200), nullable=False, unique=True))
person_tag = Table(
    "person_tag",
    metadata,
    to("person_id", "person", primary_key=True),
    to("tag_id", "tag", primary_key=True, index=True),
    Column("at", Utc, nullable=False),
)
field_value = Table(
    "field_value",
    metadata,
    Column("record", String(20), primary_key=True),  # person | organization | deal | lead
    Column("record_id", Id, primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("value", JSON, nullable=False),
)
