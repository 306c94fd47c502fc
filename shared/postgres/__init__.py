"""The private PostgreSQL of a machine that has none, and what makes a service's database on any server."""

from shared.postgres.databases import prepare_database
from shared.postgres.failures import PostgresFailed
from shared.postgres.server import PrivatePostgres

__all__ = ["PostgresFailed", "PrivatePostgres", "prepare_database"]
