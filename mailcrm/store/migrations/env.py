"""Alembic's entry: runs on the connection that mailcrm.store.migrate hands over."""

from alembic import context

from mailcrm.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    transaction_per_migration=False,
)
context.run_migrations()
