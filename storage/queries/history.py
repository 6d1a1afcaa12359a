"""Entries of the audit log, as people and programs read them: filtered by what the caller may see, in SQL.

An entry about a model or a dataset is for whoever may see that; any other is for those who audit everything, for
whoever did it, and for the user whom it is about.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg_pool import AsyncConnectionPool

from governance.access.principal import Principal
from governance.access.reach import reach_of
from governance.audit.filters import EntryFilter
from governance.audit.sentences import Names, sentence
from governance.errors import Forbidden, InvalidInput, NotFound
from governance.models import is_id
from storage.queries.pages import (
    COUNT_LIMIT,
    LARGEST_PAGE,
    Conditions,
    Listing,
    Page,
    PageRequest,
    like_pattern,
    read_page,
)
from storage.queries.times import iso
from storage.queries.visibility import DATASET, HISTORY, Visible, visible

Order = Literal["newest", "oldest"]

AUDIT = ("audit:read",)
PROVENANCE = ("provenance:read",)

TEXT_SECONDS = 10
"""How long a search through the text of entries may take."""

ENTRY = f"""json_build_object('id', i.event_id, 'seq', e.seq, 'at', {iso("i.at")}, 'action', i.action,
    'actor', e.entry::json -> 'actor', 'subject', e.entry::json -> 'subject', 'requestId', i.request_id,
    'modelId', i.model_id, 'versionId', i.version_id, 'transitionRequestId', i.change_id,
    'before', e.entry::json -> 'before', 'after', e.entry::json -> 'after', 'digest', e.entry::json -> 'digest',
    'details', e.entry::json -> 'details', 'leaf', encode(e.leaf, 'hex'), 'chain', encode(e.chain, 'hex'))"""

# The event with the names of what it is about, for a sentence.
TOLD = """json_build_object('seq', e.seq, 'event', e.entry::json, 'modelId', i.model_id, 'versionId', i.version_id,
    'changeId', i.change_id, 'model', m.name, 'version', v.version, 'dataset', d.name, 'user', u.name)"""
TOLD_SOURCE = """ left join models m on m.id = i.model_id left join model_versions v on v.id = i.version_id
    left join datasets d on d.id = i.dataset_id
    left join users u on i.subject_kind = 'user' and u.id::text = i.subject_id"""

SOURCE = "audit_index i join audit_entries e on e.seq = i.seq and e.entry is not null"

_REMOVED = f"""select json_build_object('id', null, 'seq', e.seq, 'at', null, 'action', null, 'actor', null,
    'subject', null, 'requestId', null, 'modelId', null, 'versionId', null, 'transitionRequestId', null,
    'before', null, 'after', null, 'digest', null, 'details', null, 'leaf', encode(e.leaf, 'hex'),
    'chain', encode(e.chain, 'hex'), 'canonical', null, 'removed', json_build_object('at', {iso("r.removed_at")},
    'archive', r.archive))::text from audit_entries e
    join audit_removals r on e.seq between r.first_seq and r.last_seq where e.seq = %(seq)s and e.entry is null"""


def sees_everything(caller: Principal) -> bool:
    """Do they audit across groups (administrators and auditors, unless they act for one group)?"""
    return any(reach.across for reach in reach_of(caller, *AUDIT))


def seen_entries(
    caller: Principal, of_models: tuple[str, ...] = HISTORY, of_datasets: tuple[str, ...] = DATASET
) -> Conditions:
    """The entries that the caller may see, of `i`. Nobody is refused: at least what they did themselves is theirs."""
    clauses: list[str] = []
    values: dict[str, Any] = {}
    for table, name, column, permissions in (
        ("models", "m", "model_id", of_models),
        ("datasets", "d", "dataset_id", of_datasets),
    ):
        try:
            may: Visible | None = visible(caller, permissions, f"{name}.access_id")
        except Forbidden:
            may = None
        if may is not None:
            # The two conditions have values of the same names, and may differ in them.
            condition = may.listed.replace("%(see", f"%({name}see")
            values |= {name + key: value for key, value in may.values.items()}
            ids = f"select {name}.id from {table} {name} where {condition}"
            clauses.append(f"(i.{column} is not null and i.{column} in ({ids}))")
    others = "i.model_id is null and i.dataset_id is null"
    if not sees_everything(caller):
        others += " and (i.actor_id = %(me)s or i.subject_kind = 'user' and i.subject_id = %(me)s)"
        values["me"] = caller.id
    clauses.append(f"({others})")
    return Conditions([f"({' or '.join(clauses)})"], values)


def narrowed(where: Conditions, asked: EntryFilter) -> Conditions:
    """`where` and what was asked for."""
    where.add(
        "i.actor_id = any(array(select u.id::text from users u where u.name = %(actor)s union all select %(actor)s))",
        actor=asked.actor,
    )
    where.add(
        "i.action like any(%(actions)s)",
        actions=[like_pattern(action)[1:] for action in asked.actions] or None,
    )
    where.add("i.subject_kind = %(subject_kind)s", subject_kind=asked.subject_kind)
    where.add("i.subject_id = %(subject_id)s", subject_id=asked.subject_id)
    where.add("i.model_id = %(model_id)s::uuid", model_id=asked.model_id)
    where.add("i.version_id = %(version_id)s::uuid", version_id=asked.version_id)
    where.add("i.at >= %(since)s", since=asked.since)
    where.add("i.at < %(until)s", until=asked.until)
    where.add("i.request_id = %(request_id)s", request_id=asked.request_id)
    where.add("e.entry ilike %(text)s", text=like_pattern(asked.text) if asked.text is not None else None)
    return where


@dataclass(frozen=True, slots=True)
class EntryPage:
    """`token` continues behind an entry; there are no numbered pages of a log that grows meanwhile."""

    size: int = 50
    token: str | None = None
    order: Order = "newest"

    def __post_init__(self) -> None:
        if not 1 <= self.size <= LARGEST_PAGE:
            raise InvalidInput(f"pageSize is between 1 and {LARGEST_PAGE}.", details={"field": "pageSize"})


async def entries(
    pool: AsyncConnectionPool, where: Conditions, asked: EntryPage, *, item: str = ENTRY, more: str = ""
) -> Page:
    """A page of the log; `more` joins what `item` needs beyond the entry. Raises InvalidInput.

    The numbers are found in the index alone wherever no text is looked for, and only what is shown is read.
    """
    values = {**where.values, "size": asked.size, "count_limit": COUNT_LIMIT + 1}
    source = SOURCE if "e.entry" in where.sql else "audit_index i"
    after, direction = where.sql, "desc" if asked.order == "newest" else "asc"
    if asked.token is not None:
        after = f"({after}) and i.seq {'<' if asked.order == 'newest' else '>'} %(after)s"
        values["after"] = _from_token(asked.token)
    statement = f"""
        with page as materialized (
            select i.seq from {source} where {after} order by i.seq {direction} limit %(size)s + 1)
        select (select coalesce(json_agg({item} order by e.seq {direction}), '[]')::text from {SOURCE} {more}
                where i.seq in (select seq from page order by seq {direction} limit %(size)s)),
               (select array_agg(seq order by seq {direction}) from page),
               (select count(*) from (select 1 from {source} where {where.sql} limit %(count_limit)s) counted)
    """
    row = await _bounded(pool, statement, values)
    items, keys, total = row
    has_next = keys is not None and len(keys) > asked.size
    token = _to_token(keys[asked.size - 1]) if has_next else None
    request = PageRequest(size=asked.size, token=asked.token)
    return Page(items, min(total, COUNT_LIMIT), total > COUNT_LIMIT, has_next, token, request)


async def _bounded(pool: AsyncConnectionPool, statement: str, values: dict[str, Any]) -> tuple[Any, ...]:
    """One row of a statement that may take TEXT_SECONDS."""
    try:
        async with pool.connection() as connection, connection.transaction():
            await connection.execute(f"set local statement_timeout = {TEXT_SECONDS * 1000}")
            cursor = await connection.execute(statement, values, prepare=False)
            row = await cursor.fetchone()
    except psycopg.errors.QueryCanceled:
        raise InvalidInput(
            "Looking through that many entries takes too long; add an actor, an asset or a time range."
        ) from None
    assert row is not None  # noqa: S101  (a select without FROM has one row)
    return row


async def entry(pool: AsyncConnectionPool, caller: Principal, entry_id: str) -> str:
    """One entry by its number or by the id of its event, for whoever may see it. Raises NotFound."""
    where = seen_entries(caller, AUDIT, AUDIT)
    row = await _detail(pool, where, entry_id)
    if row is not None:
        return row
    if entry_id.isdigit() and len(entry_id) < 19 and sees_everything(caller):
        async with pool.connection() as connection:
            found = await (await connection.execute(_REMOVED, {"seq": int(entry_id)})).fetchone()
        if found is not None:
            return str(found[0])
    raise NotFound("audit entry", entry_id[:200])


async def seq_of(pool: AsyncConnectionPool, caller: Principal, entry_id: str) -> int:
    """The number of an entry that the caller may see. Raises NotFound."""
    shown: dict[str, Any] = json.loads(await entry(pool, caller, entry_id))
    return int(shown["seq"])


def named_entry(where: Conditions, entry_id: str) -> bool:
    """Adds which entry is meant; False for what cannot name one."""
    if entry_id.isdigit() and entry_id.isascii() and len(entry_id) < 19:
        where.add("i.seq = %(seq)s", seq=int(entry_id))
        return True
    where.add("i.event_id = %(event_id)s", event_id=entry_id)
    return 0 < len(entry_id) <= 200 and "\0" not in entry_id


async def _detail(pool: AsyncConnectionPool, where: Conditions, entry_id: str) -> str | None:
    if not named_entry(where, entry_id):
        return None
    statement = f"select {ENTRY}::text, e.entry from {SOURCE} where {where.sql}"
    async with pool.connection() as connection:
        row = await (await connection.execute(statement, where.values)).fetchone()
    if row is None:
        return None
    shown: str = row[0]
    return f'{shown[:-1]}, "canonical": {json.dumps(row[1])}, "removed": null}}'


# --- activity ---------------------------------------------------------------------------------------------


async def activity(pool: AsyncConnectionPool, where: Conditions, asked: EntryPage) -> Page:
    """Entries as sentences."""
    page = await entries(pool, where, asked, item=TOLD, more=TOLD_SOURCE)
    items = [_told(item) for item in json.loads(page.items)]
    return Page(json.dumps(items), page.total, page.more, page.has_next, page.next_token, page.request)


def _told(item: dict[str, Any]) -> dict[str, Any]:
    event = item["event"]
    names = Names(item["model"], item["version"], item["dataset"], item["user"])
    return {
        "id": event["id"],
        "seq": item["seq"],
        "at": event["at"],
        "action": event["action"],
        "actor": event["actor"],
        "subject": event["subject"],
        "modelId": item["modelId"],
        "modelName": item["model"],
        "versionId": item["versionId"],
        "version": item["version"],
        "transitionRequestId": item["changeId"],
        "requestId": event["requestId"],
        "sentence": sentence(event, names),
    }


def about_user(where: Conditions, user_id: str) -> Conditions:
    where.add("(i.actor_id = %(user_id)s or i.subject_kind = 'user' and i.subject_id = %(user_id)s)", user_id=user_id)
    return where


_ARTIFACT = """
    select 'model', m.id, null::uuid, null::uuid, m.access_id from models m where m.id = %(id)s
    union all select 'version', v.model_id, v.id, null, m.access_id
        from model_versions v join models m on m.id = v.model_id where v.id = %(id)s
    union all select 'artifact', v.model_id, v.id, a.id, m.access_id
        from artifacts a join model_versions v on v.id = a.version_id join models m on m.id = v.model_id
        where a.id = %(id)s
    union all select 'dataset', null, null, d.id, d.access_id from datasets d where d.id = %(id)s
"""


@dataclass(frozen=True, slots=True)
class Asset:
    """kind: model, version, artifact or dataset. own: the id that was asked for, where it is one of the last two."""

    kind: str
    model_id: str | None
    version_id: str | None
    own: str | None


async def asset(pool: AsyncConnectionPool, caller: Principal, permissions: tuple[str, ...], asset_id: str) -> Asset:
    """What an id names, if the caller may see it. Raises NotFound."""
    if not is_id(asset_id):
        raise NotFound("artifact", asset_id[:200])
    may = visible(caller, permissions, "found.access_id")
    data = visible(caller, DATASET, "found.access_id") if permissions == HISTORY and _has_data(caller) else may
    for kind, condition in (("<>", may), ("=", data)):
        statement = f"""select kind, model_id::text, version_id::text, own::text
            from ({_ARTIFACT}) found (kind, model_id, version_id, own, access_id)
            where kind {kind} 'dataset' and {condition.sql}"""
        async with pool.connection() as connection:
            row = await (await connection.execute(statement, {"id": asset_id, **condition.values})).fetchone()
        if row is not None:
            return Asset(*row)
    raise NotFound("artifact", asset_id)


def _has_data(caller: Principal) -> bool:
    return bool(reach_of(caller, *DATASET))


def about_asset(where: Conditions, found: Asset) -> Conditions:
    if found.kind == "model":
        where.add("i.model_id = %(of_model)s::uuid", of_model=found.model_id)
    elif found.kind == "version":
        where.add("i.version_id = %(of_version)s::uuid", of_version=found.version_id)
    elif found.kind == "artifact":
        where.add("i.version_id = %(of_version)s::uuid", of_version=found.version_id)
        where.add(
            "(i.action like 'artifact:%%' and e.entry like %(of_artifact)s or i.action not like 'artifact:%%')",
            of_artifact=like_pattern(found.own or ""),
        )
    else:
        where.add("i.dataset_id = %(of_dataset)s::uuid", of_dataset=found.own)
    return where


# --- subscriptions and holds ------------------------------------------------------------------------------

_SUBSCRIPTION = f"""select json_build_object('id', s.id, 'filters', s.filters, 'afterSeq', s.after_seq,
    'createdAt', {iso("s.created_at")}, 'stream', '/api/v1/activity?subscription=' || s.id,
    'delivery', 'poll')::text, s.filters, s.after_seq
    from activity_subscriptions s where s.id = %(id)s and s.user_id = %(user_id)s"""

_HOLD = f"""json_build_object('id', h.id, 'scope', h.scope, 'modelId', h.model_id, 'subjectKind', h.subject_kind,
    'subjectId', h.subject_id, 'reason', h.reason, 'placedBy', p.name, 'placedAt', {iso("h.placed_at")},
    'until', {iso("h.until")}, 'releasedBy', r.name, 'releasedAt', {iso("h.released_at")})"""
HOLD_SOURCE = "legal_holds h join users p on p.id = h.placed_by left join users r on r.id = h.released_by"


async def subscription(
    pool: AsyncConnectionPool, caller: Principal, subscription_id: str
) -> tuple[str, EntryFilter, int]:
    """(JSON, filters, the number after which it reads) of one's own. Raises NotFound."""
    row = None
    if is_id(subscription_id):
        values = {"id": subscription_id, "user_id": caller.id}
        async with pool.connection() as connection:
            row = await (await connection.execute(_SUBSCRIPTION, values)).fetchone()
    if row is None:
        raise NotFound("subscription", subscription_id[:200])
    return str(row[0]), EntryFilter.read(row[1]), int(row[2])


async def holds(pool: AsyncConnectionPool, request: PageRequest) -> Page:
    return await read_page(pool, Listing(_HOLD, HOLD_SOURCE, "h.id"), Conditions(), request)


async def no_holds(request: PageRequest) -> Page:
    """For those who do not audit everything: what is held tells of what they may not see."""
    return Page("[]", 0, False, False, None, request)


async def hold(pool: AsyncConnectionPool, hold_id: str) -> str:
    statement = f"select {_HOLD}::text from {HOLD_SOURCE} where h.id = %s"
    async with pool.connection() as connection:
        row = await (await connection.execute(statement, (hold_id,))).fetchone()
    if row is None:
        raise NotFound("legal hold", hold_id)
    return str(row[0])


def _to_token(seq: int) -> str:
    return base64.urlsafe_b64encode(b"s%d" % seq).decode().rstrip("=")


def _from_token(token: str) -> int:
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (ValueError, binascii.Error):
        raw = b""
    if raw[:1] != b"s" or not raw[1:].isdigit() or len(raw) > 19:
        raise InvalidInput("This nextToken was not made by this server.", details={"field": "nextToken"})
    return int(raw[1:])
