"""Runs a migration on the connection that `storage.migrations` hands over; there is no offline mode."""

from alembic import context

from storage.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata)
context.run_migrations()
