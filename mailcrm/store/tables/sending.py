"""Mail on its way out: templates, the outbox, drafts, tracking, and whom nothing may be sent to."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    false,
    literal_column,
    text,
)

from mailcrm.store.db import Utc
from mailcrm.store.tables.base import Id, metadata, table, to

template = table(
    "template",
    Column("name", Text, nullable=False),
    Column("purpose", String(10), nullable=False),  # email | call | invoice | offer
    Column("language", String(10)),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),  # Liquid; empty: made from html
    Column("html", Text),  # Liquid, cleaned once it is filled in
    Column("images", JSON, nullable=False),  # [{cid, name, type, sha256, size}…]
    Column("created_at", Utc, nullable=False),
    Column("changed_at", Utc, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("removed_at", Utc),
)
_live_template = template.c.removed_at.is_(None)
Index("uq_template_name", template.c.name, unique=True, sqlite_where=_live_template, postgresql_where=_live_template)
outbox = table(
    "outbox",
    Column("key", String(200), nullable=False, unique=True),
    # question | digest | notice | test: to ourselves; flow: its key is that of the effect;
    # relay: written by hand, handed in at the relay; auto: handed in there by a program, for a flow
    Column("kind", String(20), nullable=False),
    to("user_id", "user"),  # to whom we write to ourselves; else in whose name
    Column("message_id", Text, nullable=False),
    Column("sender", String(320), nullable=False),
    Column("recipient", String(320), nullable=False),
    Column("subject", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),  # the message as it goes out; empty: see body_id
    Column("state", String(10), nullable=False),  # pending | sending | sent | failed | held | withdrawn
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("reason", Text),
    Column("due_at", Utc, nullable=False),  # of the next try
    Column("scheduled_at", Utc),  # it leaves at no time before that; null: none
    Column("claimed_at", Utc),
    Column("created_at", Utc, nullable=False),
    Column("sent_at", Utc),
    # Without references, for the counts of limits outlive a person and a flow.
    Column("body_id", Id),  # where one mail to many lies, once
    Column("person_id", Id),  # the recipient
    Column("flow_id", Id),
    Column("node", Text),
    Column("recipient_id", Id),  # of a campaign
    Column("envelope_from", String(320)),  # null: the sender
    Column("copy", String(10)),  # into the sender's Sent folder: wanted | done | failed; null: not ours to do
    Column("held_for", String(10)),  # why it is held: hand | all | sender | mailbox | written; pending: released
    Column("release_at", Utc),  # when a held one is looked at anew; null: until somebody releases it
    Column("doubt", Boolean, nullable=False, server_default=false()),  # an earlier try was perhaps taken
    Column("domain", String(255)),  # the recipient's, of automatic mail
    Column("returned", String(10)),  # it came back, by the fault of: address | passing | sender
    Index("ix_outbox_due", "state", "due_at"),
    Index("ix_outbox_message_id", "message_id"),
    Index("ix_outbox_user_id_sent_at", "user_id", "sent_at"),
)
_to_person = outbox.c.person_id.is_not(None)
Index(
    "ix_outbox_person_id_sent_at",
    outbox.c.person_id,
    outbox.c.sent_at,
    sqlite_where=_to_person,
    postgresql_where=_to_person,
)
_of_flow = outbox.c.flow_id.is_not(None)
Index(
    "ix_outbox_flow_id",  # with all that sums are made of: the mails themselves are large
    outbox.c.flow_id,
    outbox.c.recipient_id,
    outbox.c.sent_at,
    outbox.c.returned,
    outbox.c.node,
    sqlite_where=_of_flow,
    postgresql_where=_of_flow,
)
_looked_at = outbox.c.release_at.is_not(None)
Index("ix_outbox_release_at", outbox.c.state, outbox.c.release_at, sqlite_where=_looked_at, postgresql_where=_looked_at)
_to_domain = outbox.c.domain.is_not(None)
Index(
    "ix_outbox_domain_sent_at",
    outbox.c.domain,
    outbox.c.sent_at,
    sqlite_where=_to_domain,
    postgresql_where=_to_domain,
)
_copy_wanted = outbox.c.copy == literal_column("'wanted'")
Index("ix_outbox_copy", outbox.c.user_id, outbox.c.id, sqlite_where=_copy_wanted, postgresql_where=_copy_wanted)
_back = outbox.c.returned.is_not(None)
Index("ix_outbox_returned", outbox.c.recipient, outbox.c.sent_at, sqlite_where=_back, postgresql_where=_back)
# A campaign stops itself if too much of it comes back; so it is counted again and again.
Index("ix_outbox_flow_id_returned", outbox.c.flow_id, outbox.c.returned, sqlite_where=_back, postgresql_where=_back)
_shared = outbox.c.body_id.is_not(None)
Index("ix_outbox_body_id", outbox.c.body_id, sqlite_where=_shared, postgresql_where=_shared)
outbox_body = table(
    "outbox_body",
    Column("content", LargeBinary, nullable=False),
    Column("created_at", Utc, nullable=False),
)
suppression = table(
    "suppression",  # an address that gets no automatic mail
    Column("hash", String(64), nullable=False),  # keyed; stays when the person is erased
    Column("address", String(320)),  # null once he is erased
    Column("reason", String(20), nullable=False),  # bounce | complaint | unsubscribe | manual
    Column("detail", Text, nullable=False),  # the server's words, or those of who added it
    Column("source", Text, nullable=False),  # message:<id> | user:anna | page
    Column("at", Utc, nullable=False),
    Column("expires_at", Utc),  # null: never
    Column("lifted_at", Utc),
)
_in_force = suppression.c.lifted_at.is_(None)
Index(
    "uq_suppression_hash_reason",
    suppression.c.hash,
    suppression.c.reason,
    unique=True,
    sqlite_where=_in_force,
    postgresql_where=_in_force,
)
permission = table(
    "permission",  # of a recipient; only ever added to: the last row counts
    to("person_id", "person", nullable=False),
    Column("granted", Boolean, nullable=False),
    Column("basis", String(30), nullable=False),  # consent | contract | legitimate_interest | …
    Column("source", Text, nullable=False),  # form, fair, call …
    Column("proof", Text, nullable=False),
    Column("tracking", Boolean, nullable=False, server_default=false()),  # it covers opens and clicks too
    Column("at", Utc, nullable=False),
    Column("by", Text, nullable=False),  # user:anna | page | mail:<id>
    Index("ix_permission_person_id", "person_id", "id"),
)
sender_hold = Table(
    "sender_hold",  # a sender whose mail waits: refused login, quota, policy
    metadata,
    to("user_id", "user", primary_key=True),
    Column("reason", Text, nullable=False),
    Column("at", Utc, nullable=False),
    Column("until", Utc),  # null: until somebody releases it
)
track = Table(
    "track",  # random tokens of one mail
    metadata,
    Column("token", String(32), primary_key=True),
    to("outbox_id", "outbox", nullable=False, index=True),
    Column("kind", String(12), nullable=False),  # open | click | unsubscribe
    Column("url", Text),  # where a click leads
    Column("position", Integer, nullable=False),  # of the link in the mail
    Column("hidden", Boolean, nullable=False, server_default=false()),  # no human sees it
)
hit = table(
    "hit",
    Column("token", String(32), nullable=False, index=True),
    Column("at", Utc, nullable=False),
    Column("grade", String(10), nullable=False),  # human | machine | unknown
    Column("reasons", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("due_at", Utc),  # when it is judged; null: it has been
)
_unjudged = hit.c.due_at.is_not(None)
Index("ix_hit_due_at", hit.c.due_at, sqlite_where=_unjudged, postgresql_where=_unjudged)
draft = table(
    "draft",  # a letter in a rep's own Drafts folder
    Column("effect_key", String(80), nullable=False, unique=True),
    to("mailbox_id", "mailbox", nullable=False),
    to("user_id", "user", nullable=False),
    Column("person_id", Id),
    Column("token", String(32), nullable=False, unique=True),  # in its headers, signed
    Column("message_id", Text, nullable=False, index=True),
    Column("recipient", String(320), nullable=False),
    Column("subject", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("digest", String(64)),  # of the text as placed: whether the rep changed it
    Column("state", String(10), nullable=False),  # wanted | placed | missing | sent | skipped | leaving | withdrawn
    Column("due_at", Utc),  # when somebody is to look after it
    Column("folder", Text),
    Column("uidvalidity", BigInteger),
    Column("uid", BigInteger),
    Column("placed_at", Utc),
    Column("missing_since", Utc),
    Column("ended_at", Utc),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("reason", Text, nullable=False, server_default=""),
    Column("created_at", Utc, nullable=False),
)
_looked_after = draft.c.due_at.is_not(None)
Index("ix_draft_due_at", draft.c.due_at, sqlite_where=_looked_after, postgresql_where=_looked_after)

__all__ = [
    "draft",
    "hit",
    "outbox",
    "outbox_body",
    "permission",
    "sender_hold",
    "suppression",
    "template",
    "track",
]
