"""Users, mailboxes, people, deals, activities."""

import sqlalchemy as sa
from alembic import op

from mailcrm.store.db import Utc

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "field_value",
        sa.Column("record", sa.String(length=20), nullable=False),
        sa.Column("record_id", ID, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("record", "record_id", "name", name="pk_field_value"),
    )
    op.create_table(
        "mailbox",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("alive_at", Utc(), nullable=True),
        sa.Column("seen_at", Utc(), nullable=True),
        sa.Column("refusals", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("waiting", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_mailbox"),
        sa.UniqueConstraint("key", name="uq_mailbox_key"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "pipeline",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pipeline"),
        sa.UniqueConstraint("name", name="uq_pipeline_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "tag",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tag"),
        sa.UniqueConstraint("name", name="uq_tag_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "unwanted_address",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_unwanted_address"),
    )
    op.create_table(
        "user",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("disabled_at", Utc(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_user"),
        sa.UniqueConstraint("key", name="uq_user_key"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "folder",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("mailbox_id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("uidvalidity", sa.BigInteger(), nullable=False),
        sa.Column("last_uid", sa.BigInteger(), nullable=False),
        sa.Column("backfill_uid", sa.BigInteger(), nullable=False),
        sa.Column("modseq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailbox.id"], name="fk_folder_mailbox_id"),
        sa.PrimaryKeyConstraint("id", name="pk_folder"),
        sa.UniqueConstraint("mailbox_id", "name", name="uq_folder_mailbox_id_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "organization",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("industry", sa.Text(), nullable=True),
        sa.Column("owner_id", ID, nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("removed_at", Utc(), nullable=True),
        sa.Column("merged_into", ID, nullable=True),
        sa.ForeignKeyConstraint(["merged_into"], ["organization.id"], name="fk_organization_merged_into"),
        sa.ForeignKeyConstraint(["owner_id"], ["user.id"], name="fk_organization_owner_id"),
        sa.PrimaryKeyConstraint("id", name="pk_organization"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_organization_name", "organization", ["name"], unique=False)
    op.create_table(
        "stage",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("pipeline_id", ID, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("removed_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["pipeline_id"], ["pipeline.id"], name="fk_stage_pipeline_id"),
        sa.PrimaryKeyConstraint("id", name="pk_stage"),
        sa.UniqueConstraint("pipeline_id", "name", name="uq_stage_pipeline_id_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "organization_address",
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name="fk_organization_address_organization_id"
        ),
        sa.PrimaryKeyConstraint("address", name="pk_organization_address"),
    )
    op.create_index(
        "ix_organization_address_organization_id", "organization_address", ["organization_id"], unique=False
    )
    op.create_table(
        "organization_domain",
        sa.Column("domain", sa.String(length=255), nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name="fk_organization_domain_organization_id"
        ),
        sa.PrimaryKeyConstraint("domain", name="pk_organization_domain"),
    )
    op.create_index("ix_organization_domain_organization_id", "organization_domain", ["organization_id"], unique=False)
    op.create_table(
        "organization_relation",
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("other_id", ID, nullable=False),
        sa.Column("kind", sa.String(length=50), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name="fk_organization_relation_organization_id"
        ),
        sa.ForeignKeyConstraint(["other_id"], ["organization.id"], name="fk_organization_relation_other_id"),
        sa.PrimaryKeyConstraint("organization_id", "other_id", "kind", name="pk_organization_relation"),
    )
    op.create_index("ix_organization_relation_other_id", "organization_relation", ["other_id"], unique=False)
    op.create_table(
        "person",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("organization_id", ID, nullable=True),
        sa.Column("owner_id", ID, nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("removed_at", Utc(), nullable=True),
        sa.Column("merged_into", ID, nullable=True),
        sa.ForeignKeyConstraint(["merged_into"], ["person.id"], name="fk_person_merged_into"),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="fk_person_organization_id"),
        sa.ForeignKeyConstraint(["owner_id"], ["user.id"], name="fk_person_owner_id"),
        sa.PrimaryKeyConstraint("id", name="pk_person"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_person_name", "person", ["name"], unique=False)
    op.create_index("ix_person_organization_id", "person", ["organization_id"], unique=False)
    op.create_table(
        "deal",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("person_id", ID, nullable=True),
        sa.Column("organization_id", ID, nullable=True),
        sa.Column("stage_id", ID, nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("value", sa.Numeric(precision=18, scale=2), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("owner_id", ID, nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("closed_at", Utc(), nullable=True),
        sa.Column("lost_reason", sa.Text(), nullable=True),
        sa.Column("removed_at", Utc(), nullable=True),
        sa.Column("merged_into", ID, nullable=True),
        sa.ForeignKeyConstraint(["merged_into"], ["deal.id"], name="fk_deal_merged_into"),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="fk_deal_organization_id"),
        sa.ForeignKeyConstraint(["owner_id"], ["user.id"], name="fk_deal_owner_id"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_deal_person_id"),
        sa.ForeignKeyConstraint(["stage_id"], ["stage.id"], name="fk_deal_stage_id"),
        sa.PrimaryKeyConstraint("id", name="pk_deal"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deal_organization_id", "deal", ["organization_id"], unique=False)
    op.create_index("ix_deal_person_id", "deal", ["person_id"], unique=False)
    op.create_index("ix_deal_stage_id", "deal", ["stage_id"], unique=False)
    op.create_table(
        "lead",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("person_id", ID, nullable=True),
        sa.Column("organization_id", ID, nullable=True),
        sa.Column("value", sa.Numeric(precision=18, scale=2), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("owner_id", ID, nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("removed_at", Utc(), nullable=True),
        sa.Column("merged_into", ID, nullable=True),
        sa.ForeignKeyConstraint(["merged_into"], ["lead.id"], name="fk_lead_merged_into"),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="fk_lead_organization_id"),
        sa.ForeignKeyConstraint(["owner_id"], ["user.id"], name="fk_lead_owner_id"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_lead_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_lead"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_lead_organization_id", "lead", ["organization_id"], unique=False)
    op.create_index("ix_lead_person_id", "lead", ["person_id"], unique=False)
    op.create_table(
        "person_address",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("canonical", sa.String(length=320), nullable=False),
        sa.Column("is_primary", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("valid_from", Utc(), nullable=True),
        sa.Column("valid_to", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_person_address_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_person_address"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_person_address_address", "person_address", ["address"], unique=False)
    op.create_index("ix_person_address_canonical", "person_address", ["canonical"], unique=False)
    op.create_index("ix_person_address_person_id", "person_address", ["person_id"], unique=False)
    op.create_index(
        "uq_person_address_current",
        "person_address",
        ["address"],
        unique=True,
        sqlite_where=sa.text("valid_to IS NULL"),
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_table(
        "person_phone",
        sa.Column("person_id", ID, nullable=False),
        sa.Column("number", sa.String(length=50), nullable=False),
        sa.Column("label", sa.String(length=50), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_person_phone_person_id"),
        sa.PrimaryKeyConstraint("person_id", "number", name="pk_person_phone"),
    )
    op.create_index("ix_person_phone_number", "person_phone", ["number"], unique=False)
    op.create_table(
        "person_tag",
        sa.Column("person_id", ID, nullable=False),
        sa.Column("tag_id", ID, nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_person_tag_person_id"),
        sa.ForeignKeyConstraint(["tag_id"], ["tag.id"], name="fk_person_tag_tag_id"),
        sa.PrimaryKeyConstraint("person_id", "tag_id", name="pk_person_tag"),
    )
    op.create_index("ix_person_tag_tag_id", "person_tag", ["tag_id"], unique=False)
    op.create_table(
        "activity",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("type", sa.String(length=50), nullable=False),
        sa.Column("due", Utc(), nullable=True),
        sa.Column("assignee_id", ID, nullable=True),
        sa.Column("priority", sa.String(length=10), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("done_at", Utc(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("removed_at", Utc(), nullable=True),
        sa.Column("person_id", ID, nullable=True),
        sa.Column("organization_id", ID, nullable=True),
        sa.Column("deal_id", ID, nullable=True),
        sa.Column("lead_id", ID, nullable=True),
        sa.ForeignKeyConstraint(["assignee_id"], ["user.id"], name="fk_activity_assignee_id"),
        sa.ForeignKeyConstraint(["deal_id"], ["deal.id"], name="fk_activity_deal_id"),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.id"], name="fk_activity_lead_id"),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="fk_activity_organization_id"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_activity_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_activity"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_activity_assignee_id", "activity", ["assignee_id"], unique=False)
    op.create_index("ix_activity_deal_id", "activity", ["deal_id"], unique=False)
    op.create_index("ix_activity_due", "activity", ["due"], unique=False)
    op.create_index("ix_activity_lead_id", "activity", ["lead_id"], unique=False)
    op.create_index("ix_activity_organization_id", "activity", ["organization_id"], unique=False)
    op.create_index("ix_activity_person_id", "activity", ["person_id"], unique=False)
    op.create_table(
        "note",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("author_id", ID, nullable=True),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("removed_at", Utc(), nullable=True),
        sa.Column("person_id", ID, nullable=True),
        sa.Column("organization_id", ID, nullable=True),
        sa.Column("deal_id", ID, nullable=True),
        sa.Column("lead_id", ID, nullable=True),
        sa.ForeignKeyConstraint(["author_id"], ["user.id"], name="fk_note_author_id"),
        sa.ForeignKeyConstraint(["deal_id"], ["deal.id"], name="fk_note_deal_id"),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.id"], name="fk_note_lead_id"),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="fk_note_organization_id"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_note_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_note"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_note_deal_id", "note", ["deal_id"], unique=False)
    op.create_index("ix_note_lead_id", "note", ["lead_id"], unique=False)
    op.create_index("ix_note_organization_id", "note", ["organization_id"], unique=False)
    op.create_index("ix_note_person_id", "note", ["person_id"], unique=False)
