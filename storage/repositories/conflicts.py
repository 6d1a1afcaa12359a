"""Unique violations, said in the words of the domain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import IntegrityError

from governance.errors import Conflict

UNIQUE_VIOLATION = "23505"


@contextmanager
def refusing_duplicates(refusal: Conflict) -> Iterator[None]:
    """Raise `refusal` when a statement inside breaks a unique index. The transaction is lost either way."""
    try:
        yield
    except IntegrityError as error:
        if getattr(error.orig, "sqlstate", None) == UNIQUE_VIOLATION:
            raise refusal from error
        raise
