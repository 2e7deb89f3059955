"""Flows and their versions, who walks through them, what they do, and who consented to be written for."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Index,
    Integer,
    String,
    Table,
    Text,
    and_,
    false,
    literal_column,
    text,
)

from mailcrm.store.db import Utc
from mailcrm.store.tables.base import Id, metadata, table, to

flow = table(
    "flow",
    Column("kind", String(10), nullable=False),  # sequence | workflow | rule | campaign
    Column("name", Text, nullable=False),
    Column("item", String(10), nullable=False),  # who is enrolled: person | deal | lead
    Column("locked", Boolean, nullable=False, server_default=false()),  # a sequence's item can't be changed any more
    to("owner_id", "user"),
    Column("version", Integer, nullable=False),  # the current one
    Column("active_since", Utc),  # null: it lets nobody in
    Column("paused", Text),  # why the program itself deactivated it
    Column("created_at", Utc, nullable=False),
    Column("changed_at", Utc, nullable=False),  # activated, edited, removed: compiled flows are read anew
    Column("removed_at", Utc),
)
# Campaigns may be namesakes: each is done once.
_live_flow = and_(flow.c.removed_at.is_(None), flow.c.kind != literal_column("'campaign'"))
Index("uq_flow_name", flow.c.name, unique=True, sqlite_where=_live_flow, postgresql_where=_live_flow)
flow_version = Table(
    "flow_version",
    metadata,
    to("flow_id", "flow", primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("definition", Text, nullable=False),  # TOML
    Column("stored_at", Utc, nullable=False),
    Column("stored_by", Text, nullable=False),
)
enrollment = table(
    "enrollment",
    to("flow_id", "flow", nullable=False),
    Column("version", Integer, nullable=False),
    Column("subject", String(30), nullable=False),  # person:3, deal:7, lead:2, recipient:5
    to("person_id", "person"),
    to("deal_id", "deal"),
    to("lead_id", "lead"),
    Column("recipient_id", Id),  # of a campaign
    Column("number", Integer, nullable=False),  # the subject's first, second … run
    Column("status", String(12), nullable=False),  # in_progress | completed | failed | removed
    Column("reason", Text, nullable=False, server_default=""),
    Column("began_at", Utc, nullable=False),
    Column("enrolled_by", Text, nullable=False),  # user:anna, event:17, workflow:…
    Column("ended_at", Utc),
    Column("ended_by", Text, nullable=False, server_default=""),
    Column("cleared_at", Utc),  # a sequence's item that was through and taken off its list: it takes no place
    Column("seq", Integer, nullable=False),  # compared and set by every write
    Column("due_at", Utc),  # the earliest timer of its tokens
    Column("state", Text, nullable=False),  # JSON: tokens, passed, chain, counters (store.enrollments)
    Index("ix_enrollment_person_id_status", "person_id", "status"),
)
Index("ix_enrollment_flow_id_status", enrollment.c.flow_id, enrollment.c.status, enrollment.c.version)
_inside = enrollment.c.status == literal_column("'in_progress'")
Index(
    "uq_enrollment_inside",
    enrollment.c.flow_id,
    enrollment.c.subject,
    unique=True,
    sqlite_where=_inside,
    postgresql_where=_inside,
)
# Each step of each enrollment writes all its indexes anew: so they are few, and those of the rare columns partial.
for _item in (enrollment.c.deal_id, enrollment.c.lead_id):
    _given = _item.is_not(None)
    Index(f"ix_enrollment_{_item.name}", _item, sqlite_where=_given, postgresql_where=_given)
_timed = enrollment.c.due_at.is_not(None)
Index("ix_enrollment_due_at", enrollment.c.due_at, sqlite_where=_timed, postgresql_where=_timed)
_alone = and_(_timed, enrollment.c.person_id.is_(None))
Index("ix_enrollment_due_alone", enrollment.c.due_at, sqlite_where=_alone, postgresql_where=_alone)
step = table(
    "step",  # the trace: every hop; so many rows that a check of the reference would be a third of their cost
    Column("enrollment_id", Id, nullable=False, index=True),
    Column("hop", Integer, nullable=False),
    Column("node", Text, nullable=False),
    Column("at", Utc, nullable=False, index=True),
    Column("stimulus", Text, nullable=False),
    Column("result", Text, nullable=False),
    Column("expected", Text, nullable=False, server_default=""),
    Column("actual", Text, nullable=False, server_default=""),
)
effect = table(
    "effect",  # what a flow wants done outside of its own transaction
    Column("key", String(80), nullable=False, unique=True),  # enrollment.hop.index
    to("enrollment_id", "enrollment", nullable=False, index=True),
    Column("node", Text, nullable=False),
    Column("name", String(60), nullable=False),  # mail.send, draft.create, webhook.call …
    Column("args", JSON, nullable=False),
    Column("chain", JSON, nullable=False),
    Column("at", Utc, nullable=False),  # of the step
    Column("state", String(10), nullable=False),  # pending | running | waiting | done | failed | withdrawn
    Column("due_at", Utc),  # null while it waits for somebody else: the outbox, the rep
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("claimed_at", Utc),
    Column("reason", Text, nullable=False, server_default=""),
    Column("refused", Boolean, nullable=False, server_default=false()),  # for lack of consent
    Column("ended_at", Utc),
    Column("told", Boolean, nullable=False, server_default=false()),  # its enrollment knows the end
)
_to_do = and_(
    effect.c.state.in_((literal_column("'pending'"), literal_column("'running'"))), effect.c.due_at.is_not(None)
)
Index("ix_effect_due_at", effect.c.due_at, sqlite_where=_to_do, postgresql_where=_to_do)
_untold = and_(effect.c.ended_at.is_not(None), effect.c.told.is_(False))
Index("ix_effect_untold", effect.c.ended_at, sqlite_where=_untold, postgresql_where=_untold)
reaction = Table(
    "reaction",  # events that flows are still to react to, and what caused those that flows caused
    metadata,
    to("event_id", "event", primary_key=True),
    to("person_id", "person"),
    Column("at", Utc, nullable=False),  # of the event
    Column("chain", JSON, nullable=False),  # (flow, node) pairs, the nearest cause last; empty: nothing of ours
    Column("pending", Boolean, nullable=False),
)
_pending = reaction.c.pending.is_(True)
Index("ix_reaction_pending", reaction.c.at, sqlite_where=_pending, postgresql_where=_pending)
Index("ix_reaction_pending_person", reaction.c.person_id, sqlite_where=_pending, postgresql_where=_pending)
consent = table(
    "consent",  # of a sender, for one flow; only ever added to: the last row counts
    to("flow_id", "flow", nullable=False),
    to("user_id", "user", nullable=False),
    Column("granted", Boolean, nullable=False),
    Column("at", Utc, nullable=False),
    Column("by", Text, nullable=False),  # user:anna
    Column("via", String(20), nullable=False),  # command | page | api | reply
)
Index("ix_consent_flow_id_user_id", consent.c.flow_id, consent.c.user_id, consent.c.id)
pulse = table(
    "pulse",  # what a rep is to know or do: drafts to send, mail that goes by itself, notices
    to("user_id", "user", nullable=False),
    Column("kind", String(10), nullable=False),  # draft | auto | notice
    Column("text", Text, nullable=False),
    Column("due_at", Utc, nullable=False),
    to("enrollment_id", "enrollment", index=True),
    Column("effect_key", String(80)),
    Column("created_at", Utc, nullable=False),
    Column("done_at", Utc),
)
_open = pulse.c.done_at.is_(None)
Index("ix_pulse_open", pulse.c.user_id, pulse.c.due_at, sqlite_where=_open, postgresql_where=_open)

__all__ = ["consent", "effect", "enrollment", "flow", "flow_version", "pulse", "reaction", "step"]
