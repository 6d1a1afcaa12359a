"""Bounded lists: newest first by UUIDv7, continued by key, counted up to a limit."""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg_pool import AsyncConnectionPool

from governance.errors import InvalidInput
from storage.queries.visibility import Visible

COUNT_LIMIT = 10_000
LARGEST_PAGE = 200


@dataclass(frozen=True, slots=True)
class Listing:
    """`item`: SQL of one JSON item; `source`: the FROM clause; `key`: the UUIDv7 column that orders it."""

    item: str
    source: str
    key: str


@dataclass(frozen=True, slots=True)
class PageRequest:
    """`token` continues after an item; `page` counts from 1 and is meant for the first few pages only."""

    size: int = 50
    token: str | None = None
    page: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.size <= LARGEST_PAGE:
            raise InvalidInput(f"pageSize is between 1 and {LARGEST_PAGE}.", details={"field": "pageSize"})
        if self.page < 1 or self.page * self.size > COUNT_LIMIT:
            raise InvalidInput(
                f"page reaches the first {COUNT_LIMIT:,} items; continue with nextToken.", details={"field": "page"}
            )

    @property
    def after(self) -> uuid.UUID | None:
        """The key to continue behind. Raises InvalidInput for a token that we did not make."""
        return _from_token(self.token) if self.token is not None else None


@dataclass(frozen=True, slots=True)
class Page:
    """`items`: a JSON array as text. `total` is exact up to COUNT_LIMIT, `more` says that there are more than that."""

    items: str
    total: int
    more: bool
    has_next: bool
    next_token: str | None
    request: PageRequest


@dataclass(slots=True)
class Conditions:
    """SQL conditions with their values. Conditions are constants of this package; only values come from callers."""

    clauses: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)

    def add(self, clause: str, **values: Any) -> None:
        """Unless a value is None, which means "not filtered"."""
        if all(value is not None for value in values.values()):
            self.clauses.append(clause)
            self.values.update(values)

    def only(self, visible: Visible) -> None:
        """Nothing that the caller may not see."""
        self.clauses.append(visible.listed)
        self.values |= visible.values

    @property
    def sql(self) -> str:
        return " and ".join(self.clauses) or "true"


def page_of(items: str, keys: list[uuid.UUID], total: int, request: PageRequest) -> Page:
    """A page of a list that another statement read. keys: of the items, and one more when there is a next page."""
    has_next = len(keys) > request.size
    token = _to_token(keys[request.size - 1]) if has_next else None
    return Page(items, min(total, COUNT_LIMIT), total > COUNT_LIMIT, has_next, token, request)


async def read_page(pool: AsyncConnectionPool, listing: Listing, where: Conditions, request: PageRequest) -> Page:
    """One round trip. Raises InvalidInput for a token that we did not make.

    The keys are found first, so that JSON is built of the items that are shown and of no others. The statement is
    planned anew each time: a prepared plan knows neither the filters' values nor the limits, and takes up to four
    times as long.
    """
    values = {**where.values, "count_limit": COUNT_LIMIT + 1, "size": request.size, "offset": 0}
    condition = where.sql
    keyed = condition
    if request.token is not None:
        keyed = f"({condition}) and {listing.key} < %(after)s"
        values["after"] = request.after
    else:
        values["offset"] = (request.page - 1) * request.size
    statement = f"""
        with page as materialized (
            select {listing.key} as key from {listing.source} where {keyed}
            order by {listing.key} desc limit %(size)s + 1 offset %(offset)s)
        select (select coalesce(json_agg({listing.item} order by {listing.key} desc), '[]')::text
                    from {listing.source}
                    where {listing.key} in (select key from page order by key desc limit %(size)s)),
               (select array_agg(key order by key desc) from page),
               (select count(*) from (select 1 from {listing.source} where {condition} limit %(count_limit)s) counted)
    """
    async with pool.connection() as connection:
        cursor = await connection.execute(statement, values, prepare=False)
        row = await cursor.fetchone()
    assert row is not None  # noqa: S101  (a select without FROM has one row)
    items, keys, total = row
    return page_of(items, keys or [], total, request)


def page_of_list(items: Sequence[tuple[str, str]], request: PageRequest) -> Page:
    """A page of a short list that is in memory: (its id, a UUID; its JSON), in the order to be shown."""
    start = (request.page - 1) * request.size
    if request.token is not None:
        after = str(_from_token(request.token))
        start = next((number + 1 for number, (key, _) in enumerate(items) if key == after), len(items))
    shown = items[start : start + request.size]
    has_next = start + request.size < len(items)
    token = _to_token(uuid.UUID(shown[-1][0])) if has_next else None
    return Page(f"[{','.join(text for _, text in shown)}]", len(items), False, has_next, token, request)


def _to_token(key: uuid.UUID) -> str:
    return base64.urlsafe_b64encode(key.bytes).decode().rstrip("=")


def _from_token(token: str) -> uuid.UUID:
    try:
        return uuid.UUID(bytes=base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (ValueError, binascii.Error):
        raise InvalidInput("This nextToken was not made by this server.", details={"field": "nextToken"}) from None


def like_pattern(text: str) -> str:
    """A LIKE pattern that finds the text itself, wherever it stands."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
