"""Threads, messages, where they lie and what they are linked to; choices; quarantine."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    false,
    literal_column,
    text,
)

from mailcrm.store.db import Utc
from mailcrm.store.tables.base import Id, metadata, table, to

thread = table(
    "thread",
    Column("subject", Text, nullable=False),
    Column("first_at", Utc, nullable=False),
    Column("last_at", Utc, nullable=False, index=True),
    to("organization_id", "organization", index=True),
    to("deal_id", "deal", index=True),
    Column("link", String(10), nullable=False),  # linked | choice | person | none
    Column("shared", Boolean, nullable=False, server_default=false()),
    Column("private", Boolean, nullable=False, server_default=false()),
    to("merged_into", "thread"),
)
_joined = thread.c.merged_into.is_not(None)
Index("ix_thread_joined", thread.c.merged_into, sqlite_where=_joined, postgresql_where=_joined)
thread_reference = Table(
    "thread_reference",  # every message id known or announced, and server thread ids ("gm:…", "oid:…")
    metadata,
    Column("reference", Text, primary_key=True),
    to("thread_id", "thread", nullable=False, index=True),
    sqlite_with_rowid=False,
)
thread_apart = Table(
    "thread_apart",  # split by hand: mail that refers to both does not join them again
    metadata,
    to("thread_id", "thread", primary_key=True),
    to("other_id", "thread", primary_key=True, index=True),
)
message = table(
    "message",
    Column("identity", String(32), nullable=False, unique=True),
    Column("message_id", Text),
    to("thread_id", "thread", nullable=False, index=True),
    Column("kind", String(20), nullable=False),
    Column("kind_rule", Text, nullable=False),
    Column("direction", String(3), nullable=False),
    Column("from_name", Text),
    Column("from_email", String(320)),
    Column("recipients", JSON, nullable=False),  # {"to": [[name, email]…], "cc": …}
    Column("subject", Text, nullable=False),
    Column("date", Utc, nullable=False),  # the Date field, or when it was received
    Column("received_at", Utc, nullable=False),
    Column("stored_at", Utc, nullable=False),
    Column("size", Integer, nullable=False),
    Column("text", Text),
    Column("reply_text", Text),  # null where it is the whole text
    Column("historic", Boolean, nullable=False),
    Column("details", JSON),  # bounce, forwarded_from, returns_on: those that there are
)
location = Table(
    "location",
    metadata,
    to("message_id", "message", nullable=False, index=True),
    to("folder_id", "folder", nullable=False),
    Column("uid", BigInteger),  # null for mail from files and LMTP
    Column("flags", Text, nullable=False, server_default=""),  # keywords, separated by blanks
    Column("gone_at", Utc),
    UniqueConstraint("folder_id", "uid"),
)
participant = Table(
    "participant",  # the outside parties of a message, those not (yet) persons too
    metadata,
    to("message_id", "message", primary_key=True),
    Column("address", String(320), primary_key=True),
    Column("role", String(10), nullable=False),  # from | reply_to | forwarded | bounced; outgoing: to | cc
    Column("name", Text, nullable=False),
    to("person_id", "person"),
)
# A person's mail is found by him, a stranger's by its address: each mail writes one of the two, anywhere in it.
_person, _stranger = participant.c.person_id.is_not(None), participant.c.person_id.is_(None)
Index("ix_participant_person_id", participant.c.person_id, sqlite_where=_person, postgresql_where=_person)
Index("ix_participant_stranger", participant.c.address, sqlite_where=_stranger, postgresql_where=_stranger)
attachment = table(
    "attachment",
    to("message_id", "message", nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False, index=True),
    Column("inline", Boolean, nullable=False),
)
link = Table(
    "link",  # why a message belongs where it belongs
    metadata,
    to("message_id", "message", primary_key=True),
    Column("record", String(20), primary_key=True),  # thread | person | organization | deal; or veto | nobody: why not
    Column("record_id", Id, primary_key=True),
    Column("rule", String(60), nullable=False),
    Column("evidence", Text, nullable=False),
    Index("ix_link_record", "record", "record_id", "message_id"),
)
choice = table(
    "choice",
    to("thread_id", "thread", nullable=False, index=True),
    to("user_id", "user", index=True),  # who is asked; null: nobody by mail
    Column("state", String(10), nullable=False),  # open | answered | withdrawn
    Column("nonce", String(32), nullable=False, unique=True),
    Column("created_at", Utc, nullable=False),
    Column("asked_at", Utc),  # when the question was put into the outbox
    Column("answered_at", Utc),
    Column("answered_by", Text),
    Column("answered_via", String(20)),  # reply | sent | page | folder | keyword | command
    to("deal_id", "deal"),  # the answer; null with state answered is "none"
    Column("historic", Boolean, nullable=False, server_default=false()),
)
# Asked after every commit, so it must not walk over the open questions of a long history.
_unasked = and_(choice.c.state == literal_column("'open'"), choice.c.asked_at.is_(None), choice.c.historic.is_(False))
Index("ix_choice_unasked", choice.c.state, sqlite_where=_unasked, postgresql_where=_unasked)
choice_deal = Table(
    "choice_deal",
    metadata,
    to("choice_id", "choice", primary_key=True),
    Column("number", Integer, primary_key=True),  # as numbered in the question
    to("deal_id", "deal", nullable=False, index=True),
)
standing_choice = Table(
    "standing_choice",  # "always this deal for this person", until it closes
    metadata,
    to("person_id", "person", primary_key=True),
    to("deal_id", "deal", nullable=False),
    Column("at", Utc, nullable=False),
)
quarantine = table(
    "quarantine",
    to("mailbox_id", "mailbox", nullable=False),
    Column("folder", Text, nullable=False),
    Column("uid", BigInteger),
    Column("received_at", Utc, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Utc, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("1")),
    Column("stored_at", Utc),  # set when a retry succeeded
    Column("key", String(64), nullable=False),  # the same mail found again is noted once
    UniqueConstraint("mailbox_id", "key"),
)
