"""What the tables are made with."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, MetaData, Table

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
Id = BigInteger().with_variant(Integer, "sqlite")


def to(name: str, target: str, **options: Any) -> Column[int]:
    """A column that refers to the ``id`` of another table."""
    return Column(name, Id, ForeignKey(f"{target}.id"), **options)


def table(name: str, *columns: Any, **options: Any) -> Table:
    """A table with an ``id`` never used twice, even after a delete."""
    key = Column("id", Id, primary_key=True, autoincrement=True)
    return Table(name, metadata, key, *columns, sqlite_autoincrement=True, **options)
