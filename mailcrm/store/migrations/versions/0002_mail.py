"""Threads, messages, choices, quarantine, events, outbox, settings."""

import sqlalchemy as sa
from alembic import op

from mailcrm.store.db import Utc

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "setting",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_setting"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("user_id", ID, nullable=True),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("sender", sa.String(length=320), nullable=False),
        sa.Column("recipient", sa.String(length=320), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("due_at", Utc(), nullable=False),
        sa.Column("claimed_at", Utc(), nullable=True),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("sent_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_outbox_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("key", name="uq_outbox_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_due", "outbox", ["state", "due_at"], unique=False)
    op.create_table(
        "quarantine",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("mailbox_id", ID, nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=True),
        sa.Column("received_at", Utc(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("stored_at", Utc(), nullable=True),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailbox.id"], name="fk_quarantine_mailbox_id"),
        sa.PrimaryKeyConstraint("id", name="pk_quarantine"),
        sa.UniqueConstraint("mailbox_id", "key", name="uq_quarantine_mailbox_id_key"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "event",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("person_id", ID, nullable=True),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("stored_at", Utc(), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_event_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
        sa.UniqueConstraint("key", name="uq_event_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_event_person_id", "event", ["person_id"], unique=False)
    op.create_table(
        "plugin_delivery",
        sa.Column("event_id", ID, nullable=False),
        sa.Column("plugin", sa.String(length=100), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", Utc(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name="fk_plugin_delivery_event_id"),
        sa.PrimaryKeyConstraint("event_id", "plugin", name="pk_plugin_delivery"),
    )
    op.create_index(
        "ix_plugin_delivery_due", "plugin_delivery", ["plugin", "state", "due_at", "event_id"], unique=False
    )
    op.create_table(
        "standing_choice",
        sa.Column("person_id", ID, nullable=False),
        sa.Column("deal_id", ID, nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["deal_id"], ["deal.id"], name="fk_standing_choice_deal_id"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_standing_choice_person_id"),
        sa.PrimaryKeyConstraint("person_id", name="pk_standing_choice"),
    )
    op.create_table(
        "thread",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("first_at", Utc(), nullable=False),
        sa.Column("last_at", Utc(), nullable=False),
        sa.Column("organization_id", ID, nullable=True),
        sa.Column("deal_id", ID, nullable=True),
        sa.Column("link", sa.String(length=10), nullable=False),
        sa.Column("shared", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("private", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("merged_into", ID, nullable=True),
        sa.ForeignKeyConstraint(["deal_id"], ["deal.id"], name="fk_thread_deal_id"),
        sa.ForeignKeyConstraint(["merged_into"], ["thread.id"], name="fk_thread_merged_into"),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="fk_thread_organization_id"),
        sa.PrimaryKeyConstraint("id", name="pk_thread"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_thread_deal_id", "thread", ["deal_id"], unique=False)
    op.create_index("ix_thread_last_at", "thread", ["last_at"], unique=False)
    op.create_index("ix_thread_organization_id", "thread", ["organization_id"], unique=False)
    op.create_table(
        "choice",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("thread_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("nonce", sa.String(length=32), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("asked_at", Utc(), nullable=True),
        sa.Column("answered_at", Utc(), nullable=True),
        sa.Column("answered_by", sa.Text(), nullable=True),
        sa.Column("answered_via", sa.String(length=20), nullable=True),
        sa.Column("deal_id", ID, nullable=True),
        sa.Column("historic", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(["deal_id"], ["deal.id"], name="fk_choice_deal_id"),
        sa.ForeignKeyConstraint(["thread_id"], ["thread.id"], name="fk_choice_thread_id"),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_choice_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_choice"),
        sa.UniqueConstraint("nonce", name="uq_choice_nonce"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_choice_thread_id", "choice", ["thread_id"], unique=False)
    op.create_index(
        "ix_choice_unasked",
        "choice",
        ["state"],
        unique=False,
        sqlite_where=sa.text("state = 'open' AND asked_at IS NULL AND historic IS 0"),
        postgresql_where=sa.text("state = 'open' AND asked_at IS NULL AND historic IS false"),
    )
    op.create_index("ix_choice_user_id", "choice", ["user_id"], unique=False)
    op.create_table(
        "message",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("identity", sa.String(length=32), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("thread_id", ID, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("kind_rule", sa.Text(), nullable=False),
        sa.Column("direction", sa.String(length=3), nullable=False),
        sa.Column("from_name", sa.Text(), nullable=True),
        sa.Column("from_email", sa.String(length=320), nullable=True),
        sa.Column("recipients", sa.JSON(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("date", Utc(), nullable=False),
        sa.Column("received_at", Utc(), nullable=False),
        sa.Column("stored_at", Utc(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("reply_text", sa.Text(), nullable=True),
        sa.Column("historic", sa.Boolean(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["thread_id"], ["thread.id"], name="fk_message_thread_id"),
        sa.PrimaryKeyConstraint("id", name="pk_message"),
        sa.UniqueConstraint("identity", name="uq_message_identity"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_message_thread_id", "message", ["thread_id"], unique=False)
    op.create_table(
        "thread_apart",
        sa.Column("thread_id", ID, nullable=False),
        sa.Column("other_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["other_id"], ["thread.id"], name="fk_thread_apart_other_id"),
        sa.ForeignKeyConstraint(["thread_id"], ["thread.id"], name="fk_thread_apart_thread_id"),
        sa.PrimaryKeyConstraint("thread_id", "other_id", name="pk_thread_apart"),
    )
    op.create_index("ix_thread_apart_other_id", "thread_apart", ["other_id"], unique=False)
    op.create_table(
        "thread_reference",
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("thread_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["thread_id"], ["thread.id"], name="fk_thread_reference_thread_id"),
        sa.PrimaryKeyConstraint("reference", name="pk_thread_reference"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_thread_reference_thread_id", "thread_reference", ["thread_id"], unique=False)
    op.create_table(
        "attachment",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("message_id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("inline", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name="fk_attachment_message_id"),
        sa.PrimaryKeyConstraint("id", name="pk_attachment"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_attachment_message_id", "attachment", ["message_id"], unique=False)
    op.create_index("ix_attachment_sha256", "attachment", ["sha256"], unique=False)
    op.create_table(
        "choice_deal",
        sa.Column("choice_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("deal_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["choice_id"], ["choice.id"], name="fk_choice_deal_choice_id"),
        sa.ForeignKeyConstraint(["deal_id"], ["deal.id"], name="fk_choice_deal_deal_id"),
        sa.PrimaryKeyConstraint("choice_id", "number", name="pk_choice_deal"),
    )
    op.create_index("ix_choice_deal_deal_id", "choice_deal", ["deal_id"], unique=False)
    op.create_table(
        "link",
        sa.Column("message_id", ID, nullable=False),
        sa.Column("record", sa.String(length=20), nullable=False),
        sa.Column("record_id", ID, nullable=False),
        sa.Column("rule", sa.String(length=60), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name="fk_link_message_id"),
        sa.PrimaryKeyConstraint("message_id", "record", "record_id", name="pk_link"),
    )
    op.create_index("ix_link_record", "link", ["record", "record_id", "message_id"], unique=False)
    op.create_table(
        "location",
        sa.Column("message_id", ID, nullable=False),
        sa.Column("folder_id", ID, nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=True),
        sa.Column("flags", sa.Text(), server_default="", nullable=False),
        sa.Column("gone_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["folder_id"], ["folder.id"], name="fk_location_folder_id"),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name="fk_location_message_id"),
        sa.UniqueConstraint("folder_id", "uid", name="uq_location_folder_id_uid"),
    )
    op.create_index("ix_location_message_id", "location", ["message_id"], unique=False)
    op.create_table(
        "participant",
        sa.Column("message_id", ID, nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("person_id", ID, nullable=True),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name="fk_participant_message_id"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_participant_person_id"),
        sa.PrimaryKeyConstraint("message_id", "address", name="pk_participant"),
    )
    op.create_index("ix_participant_address", "participant", ["address", "message_id"], unique=False)
    op.create_index("ix_participant_person_id", "participant", ["person_id"], unique=False)
