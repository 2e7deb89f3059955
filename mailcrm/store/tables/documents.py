"""Invoices and offers: the series they are numbered in, and what each says."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Date, Integer, Numeric, String, Table, Text, UniqueConstraint

from mailcrm.store.db import Utc
from mailcrm.store.tables.base import Id, metadata, table, to

document_series = Table(
    "document_series",  # counted up in the transaction that stores the document: none is skipped, none used twice
    metadata,
    Column("name", String(50), primary_key=True),
    Column("period", String(10), primary_key=True),  # 2026 | 2026-11 | "": it never begins anew
    Column("last", Integer, nullable=False),
)
document = table(
    "document",
    Column("key", String(80), nullable=False, unique=True),  # who made it: asked again, it is found
    Column("kind", String(10), nullable=False),  # invoice | offer
    Column("series", String(50), nullable=False),
    Column("period", String(10), nullable=False),
    Column("number", Integer, nullable=False),
    Column("name", String(80), nullable=False, unique=True),  # FV/2026/0001
    Column("issued_on", Date, nullable=False),
    Column("due_on", Date),  # of an offer: until when it holds
    Column("language", String(10), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("seller", JSON, nullable=False),  # as they were when it was issued
    Column("buyer", JSON, nullable=False),
    Column("lines", JSON, nullable=False),  # amounts as text: Decimal
    Column("note", Text, nullable=False, server_default=""),
    Column("net", Numeric(18, 4), nullable=False),  # of some currencies three decimals count
    Column("tax", Numeric(18, 4), nullable=False),
    Column("gross", Numeric(18, 4), nullable=False),
    to("person_id", "person", index=True),
    to("organization_id", "organization", index=True),
    to("deal_id", "deal", index=True),
    Column("sha256", String(64)),  # of its PDF; null: not made yet
    Column("handed_as", Text),  # its number or address in the system that a plugin handed it to
    to("owner_id", "user"),
    Column("created_by", Text, nullable=False),  # user:anna | enrollment:12
    Column("created_at", Utc, nullable=False),
    Column("flow_id", Id),  # the campaign's, without a reference: the document outlives it
    UniqueConstraint("series", "period", "number", name="uq_document_number"),
)

__all__ = ["document", "document_series"]
