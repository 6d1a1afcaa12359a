"""The first administrator: a user `admin` whose password and token stand in files that only the owner may
read.

Files are written before the database, so that a crash in between never leaves a secret that nobody knows;
whatever is then missing or no longer valid is made by the next `up`.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select

from governance.access.roles import Role
from governance.errors import Duplicate
from governance.operations import people, tokens
from storage.composition import Platform
from storage.credentials import hash_password, new_token, token_mac
from storage.platform_processes.home import admin_password_file, admin_token_file, write_private
from storage.tables import tokens as token_rows
from storage.tables import users

NAME = "admin"

_RENEWED_BEFORE = timedelta(days=1)
"""A token with less life than this left is replaced."""


def ensure_administrator(platform: Platform) -> bool:
    """Make sure that there is an administrator with a valid token in `admin-token`; True when something was
    made.
    """
    home = platform.settings.home
    user_id = _user_id(platform)
    made = user_id is None
    if user_id is None:
        user_id = _create(platform, admin_password_file(home))
    if not _is_valid(platform, admin_token_file(home)):
        _issue_token(platform, user_id, admin_token_file(home))
        made = True
    return made


def _user_id(platform: Platform) -> str | None:
    with platform.new_unit() as uow:
        user = uow.people.named(NAME)
    return user.id if user is not None else None


def _create(platform: Platform, password_file: Path) -> str:
    password = _content(password_file)
    if not password:
        password = secrets.token_urlsafe(24)
        write_private(password_file, f"{password}\n")
    try:
        return people.create_user(
            platform.new_unit(),
            platform.system_call(),
            people.NewUser(NAME, roles=(Role.CATALOG_ADMIN.value,), password_hash=hash_password(password)),
        )
    except Duplicate:  # another machine on the same database was faster
        user_id = _user_id(platform)
        if user_id is None:
            raise
        return user_id


def _is_valid(platform: Platform, token_file: Path) -> bool:
    token = _content(token_file)
    if not token:
        return False
    valid = (
        select(func.count())
        .select_from(token_rows.join(users))
        .where(
            token_rows.c.mac == token_mac(token, platform.token_key),
            token_rows.c.revoked_at.is_(None),
            token_rows.c.expires_at > func.now() + _RENEWED_BEFORE,
            users.c.active,
        )
    )
    with platform.engine.connect() as connection:
        return bool(connection.scalar(valid))


def _issue_token(platform: Platform, user_id: str, token_file: Path) -> None:
    token = new_token()
    write_private(token_file, f"{token}\n")
    life = max(timedelta(days=platform.settings.token_days), 2 * _RENEWED_BEFORE)
    tokens.issue_token(
        platform.new_unit(),
        platform.system_call(),
        user_id=user_id,
        mac=token_mac(token, platform.token_key),
        wanted=tokens.Wanted("gatehouse up", life),  # uncounted: it is the way back in
    )


def _content(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""
