"""Flows, enrollments, their trace and effects; consent; pulse."""

import sqlalchemy as sa
from alembic import op

from mailcrm.store.db import Utc

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "flow",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("item", sa.String(length=10), nullable=False),
        sa.Column("locked", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("owner_id", ID, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("active_since", Utc(), nullable=True),
        sa.Column("paused", sa.Text(), nullable=True),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("changed_at", Utc(), nullable=False),
        sa.Column("removed_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["owner_id"], ["user.id"], name="fk_flow_owner_id"),
        sa.PrimaryKeyConstraint("id", name="pk_flow"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_flow_name",
        "flow",
        ["name"],
        unique=True,
        sqlite_where=sa.text("removed_at IS NULL"),
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.create_table(
        "consent",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("flow_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("granted", sa.Boolean(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("via", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(["flow_id"], ["flow.id"], name="fk_consent_flow_id"),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_consent_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_consent"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_consent_flow_id_user_id", "consent", ["flow_id", "user_id", "id"], unique=False)
    op.create_table(
        "flow_version",
        sa.Column("flow_id", ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("stored_at", Utc(), nullable=False),
        sa.Column("stored_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["flow_id"], ["flow.id"], name="fk_flow_version_flow_id"),
        sa.PrimaryKeyConstraint("flow_id", "version", name="pk_flow_version"),
    )
    op.create_table(
        "enrollment",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("flow_id", ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(length=30), nullable=False),
        sa.Column("person_id", ID, nullable=True),
        sa.Column("deal_id", ID, nullable=True),
        sa.Column("lead_id", ID, nullable=True),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("began_at", Utc(), nullable=False),
        sa.Column("enrolled_by", sa.Text(), nullable=False),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.Column("ended_by", sa.Text(), server_default="", nullable=False),
        sa.Column("cleared_at", Utc(), nullable=True),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("due_at", Utc(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["deal_id"], ["deal.id"], name="fk_enrollment_deal_id"),
        sa.ForeignKeyConstraint(["flow_id"], ["flow.id"], name="fk_enrollment_flow_id"),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.id"], name="fk_enrollment_lead_id"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_enrollment_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_enrollment"),
        sqlite_autoincrement=True,
    )
    for item in ("deal_id", "lead_id"):
        op.create_index(
            f"ix_enrollment_{item}",
            "enrollment",
            [item],
            unique=False,
            sqlite_where=sa.text(f"{item} IS NOT NULL"),
            postgresql_where=sa.text(f"{item} IS NOT NULL"),
        )
    op.create_index(
        "ix_enrollment_due_at",
        "enrollment",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(
        "ix_enrollment_due_alone",
        "enrollment",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL AND person_id IS NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL AND person_id IS NULL"),
    )
    op.create_index("ix_enrollment_flow_id_status", "enrollment", ["flow_id", "status", "version"], unique=False)
    op.create_index("ix_enrollment_person_id_status", "enrollment", ["person_id", "status"], unique=False)
    op.create_index(
        "uq_enrollment_inside",
        "enrollment",
        ["flow_id", "subject"],
        unique=True,
        sqlite_where=sa.text("status = 'in_progress'"),
        postgresql_where=sa.text("status = 'in_progress'"),
    )
    op.create_table(
        "reaction",
        sa.Column("event_id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=True),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("chain", sa.JSON(), nullable=False),
        sa.Column("pending", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name="fk_reaction_event_id"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_reaction_person_id"),
        sa.PrimaryKeyConstraint("event_id", name="pk_reaction"),
    )
    op.create_index(
        "ix_reaction_pending",
        "reaction",
        ["at"],
        unique=False,
        sqlite_where=sa.text("pending IS 1"),
        postgresql_where=sa.text("pending IS true"),
    )
    op.create_index(
        "ix_reaction_pending_person",
        "reaction",
        ["person_id"],
        unique=False,
        sqlite_where=sa.text("pending IS 1"),
        postgresql_where=sa.text("pending IS true"),
    )
    op.create_table(
        "effect",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("enrollment_id", ID, nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("args", sa.JSON(), nullable=False),
        sa.Column("chain", sa.JSON(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("due_at", Utc(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("claimed_at", Utc(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("refused", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.Column("told", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(["enrollment_id"], ["enrollment.id"], name="fk_effect_enrollment_id"),
        sa.PrimaryKeyConstraint("id", name="pk_effect"),
        sa.UniqueConstraint("key", name="uq_effect_key"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_effect_due_at",
        "effect",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("state IN ('pending', 'running') AND due_at IS NOT NULL"),
        postgresql_where=sa.text("state IN ('pending', 'running') AND due_at IS NOT NULL"),
    )
    op.create_index("ix_effect_enrollment_id", "effect", ["enrollment_id"], unique=False)
    op.create_index(
        "ix_effect_untold",
        "effect",
        ["ended_at"],
        unique=False,
        sqlite_where=sa.text("ended_at IS NOT NULL AND told IS 0"),
        postgresql_where=sa.text("ended_at IS NOT NULL AND told IS false"),
    )
    op.create_table(
        "pulse",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("due_at", Utc(), nullable=False),
        sa.Column("enrollment_id", ID, nullable=True),
        sa.Column("effect_key", sa.String(length=80), nullable=True),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("done_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["enrollment_id"], ["enrollment.id"], name="fk_pulse_enrollment_id"),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_pulse_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_pulse"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_pulse_enrollment_id", "pulse", ["enrollment_id"], unique=False)
    op.create_index(
        "ix_pulse_open",
        "pulse",
        ["user_id", "due_at"],
        unique=False,
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )
    op.create_table(
        "step",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("enrollment_id", ID, nullable=False),
        sa.Column("hop", sa.Integer(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("stimulus", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("expected", sa.Text(), server_default="", nullable=False),
        sa.Column("actual", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_step"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_step_at", "step", ["at"], unique=False)
    op.create_index("ix_step_enrollment_id", "step", ["enrollment_id"], unique=False)
    op.drop_index("ix_event_person_id", table_name="event")
    op.create_index("ix_event_person_id_kind_at", "event", ["person_id", "kind", "at"], unique=False)
