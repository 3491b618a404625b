"""Runs the migrations on the connection that `worker.database.migrate` hands over."""

from alembic import context

from models import Base

# Whoever uses the tables meanwhile waits a moment at most; a migration that cannot get its locks gives way.
connection = context.config.attributes["connection"]
connection.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
context.configure(connection=connection, target_metadata=Base.metadata, transaction_per_migration=False)
with context.begin_transaction():
    context.run_migrations()
