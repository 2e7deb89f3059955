"""Our own mail that comes back is found by its Message-ID."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_index("ix_outbox_message_id", "outbox", ["message_id"], unique=False)
