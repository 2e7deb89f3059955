"""Indexes that hold what is looked for alone, so that no query reads past all the rest."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    for name, table in (
        ("ix_participant_address", "participant"),
        ("ix_participant_person_id", "participant"),
        ("ix_outbox_release_at", "outbox"),
        ("ix_outbox_copy", "outbox"),
    ):
        op.drop_index(name, table)
    for name, table, columns, where in (
        ("ix_participant_stranger", "participant", ["address"], "person_id IS NULL"),
        ("ix_participant_person_id", "participant", ["person_id"], "person_id IS NOT NULL"),
        ("ix_outbox_release_at", "outbox", ["state", "release_at"], "release_at IS NOT NULL"),
        ("ix_outbox_copy", "outbox", ["user_id", "id"], "copy = 'wanted'"),
        ("ix_outbox_body_id", "outbox", ["body_id"], "body_id IS NOT NULL"),
    ):
        op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
