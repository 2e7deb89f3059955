"""Campaigns: how far each is, whom it was made for, and who gets what."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, Text, UniqueConstraint, literal_column

from mailcrm.store.db import Utc
from mailcrm.store.tables.base import Id, metadata, table, to

campaign = Table(
    "campaign",  # what a flow of that kind has besides its definition
    metadata,
    to("flow_id", "flow", primary_key=True),
    to("adder_id", "user"),  # who added it
    Column("launched_at", Utc),  # null: it may be edited
    Column("launched_by", Text, nullable=False, server_default=""),  # user:anna | command
    Column("planned_upto", Id, nullable=False, server_default=literal_column("0")),  # the last member that was planned
    Column("planned_at", Utc),  # all of them
    Column("paused_at", Utc),
    Column("stopped_at", Utc),
    Column("why", Text, nullable=False, server_default=""),  # it was paused or stopped
    Column("ended_at", Utc),  # nothing is left to do
)
_running = campaign.c.launched_at.is_not(None) & campaign.c.ended_at.is_(None)
Index("ix_campaign_running", campaign.c.launched_at, sqlite_where=_running, postgresql_where=_running)
campaign_member = table(
    "campaign_member",  # who was chosen, from one of three groups
    to("flow_id", "flow", nullable=False),
    to("person_id", "person", index=True),
    to("organization_id", "organization", index=True),
    to("lead_id", "lead", index=True),
    Column("key", String(40), nullable=False),  # person:3 | organization:7 | lead:2
    Column("added_at", Utc, nullable=False),
    Column("added_by", Text, nullable=False),
    Column("made", String(40)),  # the record made for him: activity:4 | deal:9 | document:2
    UniqueConstraint("key", "flow_id", name="uq_campaign_member_key"),
    Index("ix_campaign_member_flow_id", "flow_id", "id"),
)
recipient = table(
    "recipient",  # of the campaign's action; of one member two, where it goes to the contact and to the company
    # So many rows are planned in a second that only those references are checked whose rows may ever be deleted.
    Column("flow_id", Id, nullable=False),
    to("member_id", "campaign_member", nullable=False),
    Column("part", String(10), nullable=False),  # contact | company
    to("person_id", "person", index=True),
    Column("organization_id", Id, index=True),
    Column("lead_id", Id),
    Column("address", String(320)),  # null: nothing is mailed
    Column("user_id", Id),  # in whose name, or to whom it is assigned
    Column("variant", Integer),  # of the subject
    Column("enrollment_id", Id),  # null: left out
    Column("reason", Text, nullable=False, server_default=""),  # why it was left out
    # What he did with his mail, when first: kept here, for hits and letters are not kept for ever.
    Column("opened_at", Utc),
    Column("clicked_at", Utc),
    Column("replied_at", Utc),
    Column("unsubscribed_at", Utc),
    UniqueConstraint("member_id", "part", name="uq_recipient_member_part"),
    Index("ix_recipient_flow_id", "flow_id", "id"),
)
_enrolled = recipient.c.enrollment_id.is_not(None)
Index("ix_recipient_enrollment_id", recipient.c.enrollment_id, sqlite_where=_enrolled, postgresql_where=_enrolled)
_taken = recipient.c.address.is_not(None) & recipient.c.enrollment_id.is_not(None)
Index(
    "uq_recipient_address",  # one mail to one address
    recipient.c.address,
    recipient.c.flow_id,
    unique=True,
    sqlite_where=_taken,
    postgresql_where=_taken,
)

__all__ = ["campaign", "campaign_member", "recipient"]
