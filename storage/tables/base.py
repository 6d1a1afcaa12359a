"""What every table shares."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, DateTime, MetaData, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s_ix",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)


def identifier(name: str = "id", *arguments: Any, **options: Any) -> Column[str]:
    """A UUIDv7, a string in Python."""
    return Column(name, Uuid(as_uuid=False), *arguments, **{"nullable": False, **options})


def text(name: str, *arguments: Any, **options: Any) -> Column[str]:
    return Column(name, Text, *arguments, **{"nullable": False, **options})


def texts(name: str, **options: Any) -> Column[list[str]]:
    return Column(name, ARRAY(Text), **{"nullable": False, **options})


def moment(name: str, **options: Any) -> Column[Any]:
    return Column(name, DateTime(timezone=True), **{"nullable": False, **options})


def json(name: str, **options: Any) -> Column[Any]:
    return Column(name, JSONB(none_as_null=True), **{"nullable": False, **options})
