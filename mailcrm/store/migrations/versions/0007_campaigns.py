"""Campaigns, documents, and what statistics are read from."""

import sqlalchemy as sa
from alembic import op

from mailcrm.store.db import Utc
from mailcrm.store.migrations import past_stays

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "document_series",
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.Column("period", sa.String(length=10), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", "period", name="pk_document_series"),
    )
    op.create_table(
        "mail_sum",
        sa.Column("span", sa.String(length=5), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("received", sa.Integer(), nullable=False),
        sa.Column("replied", sa.Integer(), nullable=False),
        sa.Column("sent", sa.Integer(), nullable=False),
        sa.Column("answered", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.BigInteger(), nullable=False),
        sa.Column("times", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("span", "first_day", "user_id", name="pk_mail_sum"),
    )
    op.create_table(
        "step_sum",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("flow_id", ID, nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("what", sa.String(length=10), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_step_sum"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_step_sum_flow_id", "step_sum", ["flow_id"], unique=False)
    op.create_table(
        "thread_count",
        sa.Column("thread_id", ID, nullable=False),
        sa.Column("counted", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("thread_id", name="pk_thread_count"),
    )
    op.create_table(
        "uncounted",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("thread_id", ID, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_uncounted"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "campaign",
        sa.Column("flow_id", ID, nullable=False),
        sa.Column("adder_id", ID, nullable=True),
        sa.Column("launched_at", Utc(), nullable=True),
        sa.Column("launched_by", sa.Text(), server_default="", nullable=False),
        sa.Column("planned_upto", ID, server_default=sa.text("0"), nullable=False),
        sa.Column("planned_at", Utc(), nullable=True),
        sa.Column("paused_at", Utc(), nullable=True),
        sa.Column("stopped_at", Utc(), nullable=True),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["adder_id"], ["user.id"], name="fk_campaign_adder_id"),
        sa.ForeignKeyConstraint(["flow_id"], ["flow.id"], name="fk_campaign_flow_id"),
        sa.PrimaryKeyConstraint("flow_id", name="pk_campaign"),
    )
    op.create_index(
        "ix_campaign_running",
        "campaign",
        ["launched_at"],
        unique=False,
        sqlite_where=sa.text("launched_at IS NOT NULL AND ended_at IS NULL"),
        postgresql_where=sa.text("launched_at IS NOT NULL AND ended_at IS NULL"),
    )
    op.create_table(
        "campaign_member",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("flow_id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=True),
        sa.Column("organization_id", ID, nullable=True),
        sa.Column("lead_id", ID, nullable=True),
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("added_at", Utc(), nullable=False),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.Column("made", sa.String(length=40), nullable=True),
        sa.ForeignKeyConstraint(["flow_id"], ["flow.id"], name="fk_campaign_member_flow_id"),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.id"], name="fk_campaign_member_lead_id"),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="fk_campaign_member_organization_id"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_campaign_member_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_campaign_member"),
        sa.UniqueConstraint("key", "flow_id", name="uq_campaign_member_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_campaign_member_flow_id", "campaign_member", ["flow_id", "id"], unique=False)
    op.create_index("ix_campaign_member_lead_id", "campaign_member", ["lead_id"], unique=False)
    op.create_index("ix_campaign_member_organization_id", "campaign_member", ["organization_id"], unique=False)
    op.create_index("ix_campaign_member_person_id", "campaign_member", ["person_id"], unique=False)
    op.create_table(
        "document",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("series", sa.String(length=50), nullable=False),
        sa.Column("period", sa.String(length=10), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("seller", sa.JSON(), nullable=False),
        sa.Column("buyer", sa.JSON(), nullable=False),
        sa.Column("lines", sa.JSON(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("net", sa.Numeric(precision=18, scale=4), nullable=False),
        sa.Column("tax", sa.Numeric(precision=18, scale=4), nullable=False),
        sa.Column("gross", sa.Numeric(precision=18, scale=4), nullable=False),
        sa.Column("person_id", ID, nullable=True),
        sa.Column("organization_id", ID, nullable=True),
        sa.Column("deal_id", ID, nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("handed_as", sa.Text(), nullable=True),
        sa.Column("owner_id", ID, nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("flow_id", ID, nullable=True),
        sa.ForeignKeyConstraint(["deal_id"], ["deal.id"], name="fk_document_deal_id"),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="fk_document_organization_id"),
        sa.ForeignKeyConstraint(["owner_id"], ["user.id"], name="fk_document_owner_id"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_document_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_document"),
        sa.UniqueConstraint("key", name="uq_document_key"),
        sa.UniqueConstraint("name", name="uq_document_name"),
        sa.UniqueConstraint("series", "period", "number", name="uq_document_number"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_document_deal_id", "document", ["deal_id"], unique=False)
    op.create_index("ix_document_organization_id", "document", ["organization_id"], unique=False)
    op.create_index("ix_document_person_id", "document", ["person_id"], unique=False)
    op.create_table(
        "stage_stay",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("deal_id", ID, nullable=False),
        sa.Column("stage_id", ID, nullable=False),
        sa.Column("entered_at", Utc(), nullable=False),
        sa.Column("left_at", Utc(), nullable=True),
        sa.Column("seconds", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["deal_id"], ["deal.id"], name="fk_stage_stay_deal_id"),
        sa.ForeignKeyConstraint(["stage_id"], ["stage.id"], name="fk_stage_stay_stage_id"),
        sa.PrimaryKeyConstraint("id", name="pk_stage_stay"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_stage_stay_deal_id", "stage_stay", ["deal_id"], unique=False)
    op.create_index("ix_stage_stay_stage_id", "stage_stay", ["stage_id", "entered_at"], unique=False)
    op.create_table(
        "recipient",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("flow_id", ID, nullable=False),
        sa.Column("member_id", ID, nullable=False),
        sa.Column("part", sa.String(length=10), nullable=False),
        sa.Column("person_id", ID, nullable=True),
        sa.Column("organization_id", ID, nullable=True),
        sa.Column("lead_id", ID, nullable=True),
        sa.Column("address", sa.String(length=320), nullable=True),
        sa.Column("user_id", ID, nullable=True),
        sa.Column("variant", sa.Integer(), nullable=True),
        sa.Column("enrollment_id", ID, nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("opened_at", Utc(), nullable=True),
        sa.Column("clicked_at", Utc(), nullable=True),
        sa.Column("replied_at", Utc(), nullable=True),
        sa.Column("unsubscribed_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["member_id"], ["campaign_member.id"], name="fk_recipient_member_id"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_recipient_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_recipient"),
        sa.UniqueConstraint("member_id", "part", name="uq_recipient_member_part"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_recipient_flow_id", "recipient", ["flow_id", "id"], unique=False)
    op.create_index(
        "ix_recipient_enrollment_id",
        "recipient",
        ["enrollment_id"],
        unique=False,
        sqlite_where=sa.text("enrollment_id IS NOT NULL"),
        postgresql_where=sa.text("enrollment_id IS NOT NULL"),
    )
    op.create_index("ix_recipient_organization_id", "recipient", ["organization_id"], unique=False)
    op.create_index("ix_recipient_person_id", "recipient", ["person_id"], unique=False)
    op.create_index(
        "uq_recipient_address",
        "recipient",
        ["address", "flow_id"],
        unique=True,
        sqlite_where=sa.text("address IS NOT NULL AND enrollment_id IS NOT NULL"),
        postgresql_where=sa.text("address IS NOT NULL AND enrollment_id IS NOT NULL"),
    )
    op.add_column("enrollment", sa.Column("recipient_id", ID, nullable=True))
    op.add_column("outbox", sa.Column("recipient_id", ID, nullable=True))
    op.create_index(
        "ix_outbox_flow_id",
        "outbox",
        ["flow_id", "recipient_id", "sent_at", "returned", "node"],
        unique=False,
        sqlite_where=sa.text("flow_id IS NOT NULL"),
        postgresql_where=sa.text("flow_id IS NOT NULL"),
    )
    op.create_index(
        "ix_outbox_flow_id_returned",
        "outbox",
        ["flow_id", "returned"],
        unique=False,
        sqlite_where=sa.text("returned IS NOT NULL"),
        postgresql_where=sa.text("returned IS NOT NULL"),
    )
    op.drop_index("uq_flow_name", "flow")
    op.create_index(
        "uq_flow_name",
        "flow",
        ["name"],
        unique=True,
        sqlite_where=sa.text("removed_at IS NULL AND kind != 'campaign'"),
        postgresql_where=sa.text("removed_at IS NULL AND kind != 'campaign'"),
    )
    op.execute("INSERT INTO uncounted (thread_id) SELECT id FROM thread WHERE merged_into IS NULL")
    past_stays.fill(op.get_bind())
    # Of what was reached before, as far as it is still known: one at the most for each run and node.
    op.execute(
        "INSERT INTO step_sum (flow_id, node, day, what, number) "  # noqa: S608 - our own words
        "SELECT flow_id, node, day, 'reached', count(*) FROM (SELECT enrollment.flow_id, step.node, min("
        + ("CAST(step.at AS date)" if op.get_bind().dialect.name == "postgresql" else "substr(step.at, 1, 10)")
        + ") AS day FROM step JOIN enrollment ON enrollment.id = step.enrollment_id WHERE step.node != '' "
        "GROUP BY enrollment.id, enrollment.flow_id, step.node) AS kept GROUP BY flow_id, node, day"
    )
