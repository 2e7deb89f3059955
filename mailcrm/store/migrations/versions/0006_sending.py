"""Mail on its way out: templates, suppression, permission, drafts, tracking, and what the outbox knows of a mail."""

import sqlalchemy as sa
from alembic import op

from mailcrm.store.db import Utc

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "hit",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("grade", sa.String(length=10), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("due_at", Utc(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_hit"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_hit_due_at",
        "hit",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index("ix_hit_token", "hit", ["token"], unique=False)
    op.create_table(
        "outbox_body",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox_body"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "suppression",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=True),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("expires_at", Utc(), nullable=True),
        sa.Column("lifted_at", Utc(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_suppression"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_suppression_hash_reason",
        "suppression",
        ["hash", "reason"],
        unique=True,
        sqlite_where=sa.text("lifted_at IS NULL"),
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    op.create_table(
        "template",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("purpose", sa.String(length=10), nullable=False),
        sa.Column("language", sa.String(length=10), nullable=True),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=True),
        sa.Column("images", sa.JSON(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("changed_at", Utc(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("removed_at", Utc(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_template"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_template_name",
        "template",
        ["name"],
        unique=True,
        sqlite_where=sa.text("removed_at IS NULL"),
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.create_table(
        "draft",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("effect_key", sa.String(length=80), nullable=False),
        sa.Column("mailbox_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=True),
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("recipient", sa.String(length=320), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("due_at", Utc(), nullable=True),
        sa.Column("folder", sa.Text(), nullable=True),
        sa.Column("uidvalidity", sa.BigInteger(), nullable=True),
        sa.Column("uid", sa.BigInteger(), nullable=True),
        sa.Column("placed_at", Utc(), nullable=True),
        sa.Column("missing_since", Utc(), nullable=True),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailbox.id"], name="fk_draft_mailbox_id"),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_draft_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_draft"),
        sa.UniqueConstraint("effect_key", name="uq_draft_effect_key"),
        sa.UniqueConstraint("token", name="uq_draft_token"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_draft_due_at",
        "draft",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index("ix_draft_message_id", "draft", ["message_id"], unique=False)
    op.create_table(
        "sender_hold",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("until", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_sender_hold_user_id"),
        sa.PrimaryKeyConstraint("user_id", name="pk_sender_hold"),
    )
    op.create_table(
        "track",
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("outbox_id", ID, nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("hidden", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(["outbox_id"], ["outbox.id"], name="fk_track_outbox_id"),
        sa.PrimaryKeyConstraint("token", name="pk_track"),
    )
    op.create_index("ix_track_outbox_id", "track", ["outbox_id"], unique=False)
    op.create_table(
        "permission",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("granted", sa.Boolean(), nullable=False),
        sa.Column("basis", sa.String(length=30), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("proof", sa.Text(), nullable=False),
        sa.Column("tracking", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_permission_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_permission"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_permission_person_id", "permission", ["person_id", "id"], unique=False)
    op.add_column("outbox", sa.Column("scheduled_at", Utc(), nullable=True))
    op.add_column("outbox", sa.Column("body_id", ID, nullable=True))
    op.add_column("outbox", sa.Column("person_id", ID, nullable=True))
    op.add_column("outbox", sa.Column("flow_id", ID, nullable=True))
    op.add_column("outbox", sa.Column("node", sa.Text(), nullable=True))
    op.add_column("outbox", sa.Column("envelope_from", sa.String(length=320), nullable=True))
    op.add_column("outbox", sa.Column("copy", sa.String(length=10), nullable=True))
    op.add_column("outbox", sa.Column("held_for", sa.String(length=10), nullable=True))
    op.add_column("outbox", sa.Column("release_at", Utc(), nullable=True))
    op.add_column("outbox", sa.Column("doubt", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("outbox", sa.Column("domain", sa.String(length=255), nullable=True))
    op.add_column("outbox", sa.Column("returned", sa.String(length=10), nullable=True))
    op.execute(
        "UPDATE outbox SET (flow_id, person_id) = (SELECT e.flow_id, e.person_id FROM effect"
        " JOIN enrollment e ON e.id = effect.enrollment_id WHERE effect.key = outbox.key) WHERE kind = 'flow'"
    )
    op.create_index(
        "ix_outbox_release_at",
        "outbox",
        ["release_at"],
        unique=False,
        sqlite_where=sa.text("release_at IS NOT NULL"),
        postgresql_where=sa.text("release_at IS NOT NULL"),
    )
    op.create_index(
        "ix_outbox_domain_sent_at",
        "outbox",
        ["domain", "sent_at"],
        unique=False,
        sqlite_where=sa.text("domain IS NOT NULL"),
        postgresql_where=sa.text("domain IS NOT NULL"),
    )
    op.create_index(
        "ix_outbox_returned",
        "outbox",
        ["recipient", "sent_at"],
        unique=False,
        sqlite_where=sa.text("returned IS NOT NULL"),
        postgresql_where=sa.text("returned IS NOT NULL"),
    )
    op.create_index(
        "ix_outbox_copy",
        "outbox",
        ["sent_at"],
        unique=False,
        sqlite_where=sa.text("copy = 'wanted'"),
        postgresql_where=sa.text("copy = 'wanted'"),
    )
    op.create_index(
        "ix_outbox_person_id_sent_at",
        "outbox",
        ["person_id", "sent_at"],
        unique=False,
        sqlite_where=sa.text("person_id IS NOT NULL"),
        postgresql_where=sa.text("person_id IS NOT NULL"),
    )
    op.create_index("ix_outbox_user_id_sent_at", "outbox", ["user_id", "sent_at"], unique=False)
