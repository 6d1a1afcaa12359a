"""Who is calling, and who there is."""

from __future__ import annotations

from psycopg_pool import AsyncConnectionPool

from governance.people import Principal, Role
from storage.queries.pages import Conditions, Listing, Page, PageRequest, read_page
from storage.queries.registry import one
from storage.queries.times import iso

_PRINCIPAL = """select u.id::text, u.name, u.role, u.groups from tokens t join users u on u.id = t.user_id
    where t.mac = %s and t.revoked_at is null and t.expires_at > now() and u.active"""
USER = f"""json_build_object('id', u.id, 'name', u.name, 'role', u.role, 'groups', u.groups, 'active', u.active,
    'createdAt', {iso("u.created_at")})"""
_TOKEN = f"""json_build_object('id', t.id, 'label', t.label, 'createdAt', {iso("t.created_at")},
    'expiresAt', {iso("t.expires_at")}, 'revokedAt', {iso("t.revoked_at")})"""

_USERS = Listing(USER, "users u", "u.id")
_TOKENS = Listing(_TOKEN, "tokens t", "t.id")


async def principal(pool: AsyncConnectionPool, mac: bytes) -> Principal | None:
    row = await one(pool, _PRINCIPAL, mac)
    return Principal(row[0], row[1], Role(row[2]), tuple(row[3])) if row else None


async def user(pool: AsyncConnectionPool, user_id: str) -> str:
    row = await one(pool, f"select {USER}::text from users u where u.id = %s", user_id)
    return str(row[0]) if row else "null"


async def users(pool: AsyncConnectionPool, page: PageRequest) -> Page:
    return await read_page(pool, _USERS, Conditions(), page)


async def tokens(pool: AsyncConnectionPool, page: PageRequest, user_id: str) -> Page:
    where = Conditions()
    where.add("t.user_id = %(user_id)s", user_id=user_id)
    return await read_page(pool, _TOKENS, where, page)
