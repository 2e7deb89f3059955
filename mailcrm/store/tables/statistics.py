"""What statistics are read from, kept up to date as things happen: their cost does not grow with the mail."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Date, Index, Integer, String, Table, Text

from mailcrm.store.db import Utc
from mailcrm.store.tables.base import Id, metadata, table, to

stage_stay = table(
    "stage_stay",  # how long a deal stood in a stage
    to("deal_id", "deal", nullable=False, index=True),
    to("stage_id", "stage", nullable=False),
    Column("entered_at", Utc, nullable=False),
    Column("left_at", Utc),  # it moved on, or was closed there; null: it stands there
    Column("seconds", BigInteger),  # between the two
    Index("ix_stage_stay_stage_id", "stage_id", "entered_at"),
)
uncounted = table(
    "uncounted",  # a thread whose mail has changed since it was last counted; only ever added to, so nobody waits
    Column("thread_id", Id, nullable=False),
)
thread_count = Table(
    "thread_count",  # what a thread adds to the sums below, so that it can be taken out of them again
    metadata,
    Column("thread_id", Id, primary_key=True),
    Column("counted", JSON, nullable=False),  # (core.answering)
)
mail_sum = Table(
    "mail_sum",
    metadata,
    Column("span", String(5), primary_key=True),  # day | month
    Column("first_day", Date, primary_key=True),  # of the span, in UTC
    Column("user_id", Id, primary_key=True),  # 0: all mail, each message once
    Column("received", Integer, nullable=False),
    Column("replied", Integer, nullable=False),  # of those received, how many were answered, by whomever
    Column("sent", Integer, nullable=False),
    Column("answered", Integer, nullable=False),  # by this user
    Column("seconds", BigInteger, nullable=False),  # until those answers, added up
    Column("times", JSON, nullable=False),  # [[seconds, how often]…]: of a day as they were, of a month rounded
)
step_sum = table(
    "step_sum",  # what runs did at the nodes of their flow; only ever added to, and added up once a day
    Column("flow_id", Id, nullable=False, index=True),
    Column("node", Text, nullable=False),
    Column("day", Date, nullable=False),  # in UTC
    Column("what", String(10), nullable=False),  # reached | failed | replied
    Column("number", Integer, nullable=False),
)

__all__ = ["mail_sum", "stage_stay", "step_sum", "thread_count", "uncounted"]
