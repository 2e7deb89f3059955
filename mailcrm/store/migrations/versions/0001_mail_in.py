"""The first schema: people, deals, threads, messages, choices, events, outbox."""

from alembic import op

from mailcrm.store.tables import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    metadata.create_all(op.get_bind())
