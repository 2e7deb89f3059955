"""What statistics are read from, kept up to date as things happen: their cost does not grow with the mail."""

from __future__ import annotations

from sqlalchemy import Column, Date, Index, Integer, Table, text

from mailcrm.store.db import Utc
from mailcrm.store.tables.base import Id, metadata, table, to

stage_stay = table(
    "stage_stay",  # how long a deal stood in a stage
    to("deal_id", "deal", nullable=False, index=True),
    to("stage_id", "stage", nullable=False),
    Column("entered_at", Utc, nullable=False),
    Column("left_at", Utc),  # null: it stands there, or was closed there
    Index("ix_stage_stay_stage_id", "stage_id", "entered_at"),
)
answered = Table(
    "answered",  # a message that somebody answered, by the first mail of ours after it
    metadata,
    Column("message_id", Id, primary_key=True),
    Column("thread_id", Id, nullable=False, index=True),
    Column("user_id", Id, nullable=False),  # who answered
    Column("day", Date, nullable=False),  # on which the message came, in UTC
    Column("seconds", Integer, nullable=False),
    Index("ix_answered_day", "day", "user_id"),
)
mail_day = Table(
    "mail_day",  # sums of one day
    metadata,
    Column("day", Date, primary_key=True),
    Column("user_id", Id, primary_key=True),  # 0: of nobody in particular
    Column("received", Integer, nullable=False, server_default=text("0")),
    Column("sent", Integer, nullable=False, server_default=text("0")),
    Column("answered", Integer, nullable=False, server_default=text("0")),
    Column("seconds", Integer, nullable=False, server_default=text("0")),  # until the answers, added up
)

__all__ = ["answered", "mail_day", "stage_stay"]
