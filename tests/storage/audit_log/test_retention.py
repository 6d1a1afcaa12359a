"""Old texts leave the log for archives: what stays still proves everything, and nothing leaves without a word."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest

from governance.audit.event import Actor, AuditEvent, Subject
from governance.audit.proofs import verify_consistency, verify_inclusion
from governance.audit.report import Kind, Report
from governance.errors import Conflict, InvalidInput, NotFound
from governance.operations import history
from governance.operations.calls import Call
from storage.audit_log import append
from storage.audit_log.proving import prove_consistency, prove_inclusion
from storage.audit_log.retention import archive_directory, retain
from storage.audit_log.running import sequencer_of, verify_platform
from storage.composition import new_id
from tests.fixtures.registry import RegistryUnderTest

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
EACH = 12
MONTHS = [datetime(2025, month, 3, tzinfo=UTC) for month in (5, 6, 7, 8)]
ALL = len(MONTHS) * EACH


@pytest.fixture
def old(registry_under_test: RegistryUnderTest) -> RegistryUnderTest:
    """A log that begins with twelve entries in each of four months of last year, about two models and three users."""
    r = registry_under_test
    r.at = NOW
    drain(r)
    models = [r.model(), r.model()]
    drain(r)
    r.models = models  # type: ignore[attr-defined]
    r.start = entries(r)  # type: ignore[attr-defined]
    for number, month in enumerate(MONTHS):
        events = [old_event(models, number * EACH + step, month + timedelta(hours=step)) for step in range(EACH)]
        with r.platform.engine.begin() as connection:
            append(connection, events, key=r.platform.audit_key)
        drain(r)
    return r


def old_event(models: list[str], number: int, at: datetime) -> AuditEvent:
    return AuditEvent(
        id=new_id(),
        at=at,
        actor=Actor("user", f"u{number % 3}", f"Person {number % 3}"),
        action="version:noted",
        subject=Subject("note", f"n{number}"),
        details={"modelId": models[number % 2], "number": number},
    )


def drain(r: RegistryUnderTest) -> None:
    sequencer_of(r.platform).drain()


def entries(r: RegistryUnderTest) -> int:
    return int(rows(r, "select count(*) from audit_entries")[0][0])


def rows(r: RegistryUnderTest, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(r.settings.database_url) as connection:
        found = connection.execute(statement.encode(), values or None)
        return found.fetchall() if found.description else []


def by_owner(r: RegistryUnderTest, statement: str, *values: Any) -> int:
    """What the owner of the tables can do, with every trigger off; rows touched."""
    with psycopg.connect(r.settings.database_url) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute("alter table audit_entries disable trigger all")
        touched = connection.execute(statement.encode(), values or None).rowcount
        for trigger in ("audit_entries_refuse_change", "audit_entries_refuse_edit"):
            connection.execute(f"alter table audit_entries enable always trigger {trigger}".encode())
    return touched


def apply(r: RegistryUnderTest, months: int = 6, **options: Any) -> list[Any]:
    done = retain(r.platform, r.call(None), months=months, **options)
    drain(r)
    return done


def verified(r: RegistryUnderTest, **options: Any) -> Report:
    return verify_platform(r.platform, archives=archive_directory(r.platform), index=True, **options)


def kinds(report: Report) -> set[Kind]:
    return {finding.kind for finding in report.findings}


def hold(r: RegistryUnderTest, **about: Any) -> str:
    return history.place_hold(r.unit(), r.call(r.admin), reason="A court asked.", **about)


def texts(r: RegistryUnderTest) -> int:
    return int(rows(r, "select count(*) from audit_entries where entry is not null")[0][0])


def test_months_beyond_the_retention_are_archived_and_everything_still_proves(old: RegistryUnderTest) -> None:
    before = texts(old)
    checkpoint = prove_consistency(old.platform, 0, None)
    trial = apply(old, months=8, dry_run=True)
    assert [(month.month, month.entries) for month in trial] == [("2025-05", EACH), ("2025-06", EACH)]
    assert texts(old) == before

    done = apply(old, months=8)
    assert [(month.month, month.entries, month.held) for month in done] == [("2025-05", 12, 0), ("2025-06", 12, 0)]
    assert texts(old) == before + 2 - 2 * EACH  # and two entries that say so
    report = verified(old)
    assert report.ok, [str(finding) for finding in report.findings]
    assert report.removed == 2 * EACH
    assert apply(old, months=8) == []

    # Roots, paths and consistency are what they were.
    seq = old.start + 3  # type: ignore[attr-defined]
    proof = prove_inclusion(old.platform, seq)
    path = [bytes.fromhex(node) for node in proof["path"]]
    root = bytes.fromhex(proof["checkpoint"]["root"])
    assert verify_inclusion(bytes.fromhex(proof["leaf"]), seq, proof["size"], path, root)
    grown = prove_consistency(old.platform, checkpoint["second"], None)
    assert grown["firstRoot"] == checkpoint["secondRoot"]
    assert verify_consistency(
        grown["first"],
        grown["second"],
        bytes.fromhex(grown["firstRoot"]),
        bytes.fromhex(grown["secondRoot"]),
        [bytes.fromhex(node) for node in grown["path"]],
    )


def test_the_log_says_what_was_removed_and_where_it_is(old: RegistryUnderTest) -> None:
    (month,) = apply(old, months=9)
    ((entry,),) = rows(old, "select entry from audit_entries where entry like %s", '%"audit:retention:applied"%')
    event = json.loads(entry)
    first = old.start  # type: ignore[attr-defined]
    assert event["actor"]["kind"] == "system"
    assert event["details"]["ranges"] == [[first, first + EACH - 1]]
    assert event["details"]["entries"] == EACH
    path = archive_directory(old.platform) / month.archive
    assert event["details"]["archive"]["bytes"] == path.stat().st_size
    assert path.stat().st_mode & 0o077 == 0
    kept = [json.loads(line) for line in path.read_text().splitlines()]
    assert [json.loads(line["entry"])["details"]["number"] for line in kept] == list(range(EACH))


def test_what_is_held_stays(old: RegistryUnderTest) -> None:
    model = old.models[0]  # type: ignore[attr-defined]
    kept = hold(old, scope="model", model_id=model)
    hold(old, scope="subject", subject_kind="user", subject_id="u0")
    expired = hold(old, scope="log", until=NOW + timedelta(days=1))
    old.later(days=2)
    drain(old)
    done = apply(old, months=9)
    held = [number for number in range(EACH) if number % 2 == 0 or number % 3 == 0]
    assert [(month.entries, month.held) for month in done] == [(EACH - len(held), len(held))]
    report = verified(old)
    assert report.ok, [str(finding) for finding in report.findings]
    assert expired != kept

    # Released, the rest goes too.
    history.release_hold(old.unit(), old.call(old.admin), kept)
    drain(old)
    (again,) = apply(old, months=9)
    assert again.entries == len([number for number in held if number % 3])
    assert verified(old).ok
    with pytest.raises(Conflict):
        history.release_hold(old.unit(), old.call(old.admin), kept)


def test_a_hold_on_everything_keeps_everything(old: RegistryUnderTest) -> None:
    hold(old, scope="log")
    drain(old)
    assert [(month.entries, month.held) for month in apply(old, months=9)] == [(0, EACH)]
    assert verified(old).removed == 0


def test_less_than_six_months_is_refused(old: RegistryUnderTest) -> None:
    with pytest.raises(InvalidInput):
        apply(old, months=5)


def test_nothing_is_removed_that_no_checkpoint_covers(old: RegistryUnderTest) -> None:
    for path in old.settings.audit_directory.glob("checkpoint*"):
        path.unlink()
    with pytest.raises(NotFound):
        retain(old.platform, old.call(None), months=6)


def test_an_interrupted_removal_leaves_the_log_as_it_was(
    old: RegistryUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = texts(old)

    def fail(*_: object, **__: object) -> None:
        raise OSError("the power went")

    with monkeypatch.context() as patched:
        patched.setattr("storage.audit_log.retention.append", fail)
        with pytest.raises(OSError, match="the power went"):
            apply(old)
    assert texts(old) == before
    assert verified(old).ok
    assert [month.entries for month in apply(old)] == [EACH] * len(MONTHS)
    assert verified(old).ok
    assert not list(archive_directory(old.platform).glob(".archive.*"))


def test_only_removals_that_are_recorded_pass_the_triggers(old: RegistryUnderTest) -> None:
    seq = old.start  # type: ignore[attr-defined]
    with psycopg.connect(old.settings.database_url) as connection:
        for statement in (
            "update audit_entries set entry = null where seq = %s",
            "update audit_entries set entry = '' where seq = %s",
            "delete from audit_entries where seq = %s",
        ):
            with pytest.raises(psycopg.errors.IntegrityError), connection.transaction():
                connection.execute(statement.encode(), (seq,))
        recorded = "insert into audit_removals values (%s, %s, 'x', now())"
        connection.execute(recorded, (seq, seq))
        with pytest.raises(psycopg.errors.IntegrityError), connection.transaction():
            connection.execute("update audit_entries set entry = null, leaf = '' where seq = %s", (seq,))
        connection.rollback()


# --- tampering --------------------------------------------------------------------------------------------

Tampering = Callable[[RegistryUnderTest, Random], Kind]


def _inside(r: RegistryUnderTest, random: Random) -> int:
    """The number of an entry whose text was removed."""
    return int(random.choice(rows(r, "select seq from audit_entries where entry is null order by seq"))[0])


def _outside(r: RegistryUnderTest, random: Random) -> int:
    """The number of an entry that has its text; not the newest, about which checkpoints would say nothing yet."""
    found = rows(r, "select seq from audit_entries where entry is not null order by seq")
    return int(random.choice(found[:-3])[0])


def prune_outside(r: RegistryUnderTest, random: Random) -> Kind:
    assert by_owner(r, "update audit_entries set entry = null where seq = %s", _outside(r, random)) == 1
    return Kind.REMOVED


def prune_with_row(r: RegistryUnderTest, random: Random) -> Kind:
    """As the platform does it, apart from the entry that says so."""
    seq = _outside(r, random)
    with psycopg.connect(r.settings.database_url) as connection:
        connection.execute("insert into audit_removals values (%s, %s, 'forged', now())", (seq, seq))
        connection.execute("update audit_entries set entry = null where seq = %s", (seq,))
    return Kind.REMOVED


def edit_leaf_of_removed(r: RegistryUnderTest, random: Random) -> Kind:
    leaf = random.randbytes(32)
    by_owner(r, "update audit_entries set leaf = %s where seq = %s", leaf, _inside(r, random))
    return Kind.EDITED


def edit_mac_of_removed(r: RegistryUnderTest, random: Random) -> Kind:
    by_owner(r, "update audit_entries set mac = %s where seq = %s", random.randbytes(32), _inside(r, random))
    return Kind.EDITED


def drop_removed(r: RegistryUnderTest, random: Random) -> Kind:
    by_owner(r, "delete from audit_entries where seq = %s", _inside(r, random))
    return Kind.DROPPED


def text_into_removed(r: RegistryUnderTest, random: Random) -> Kind:
    by_owner(r, "update audit_entries set entry = %s where seq = %s", '{"forged":true}', _inside(r, random))
    return Kind.EDITED


def forge_retention_entry(r: RegistryUnderTest, random: Random) -> Kind:
    """The entry that allows removals is made to allow one more."""
    ((seq, text),) = rows(
        r,
        "select seq, entry from audit_entries where entry like %s order by seq limit 1",
        '%"audit:retention:applied"%',
    )
    event = json.loads(text)
    event["details"]["ranges"][0][1] += random.randrange(1, 9)
    forged = json.dumps(event, separators=(",", ":"), sort_keys=True)
    by_owner(r, "update audit_entries set entry = %s where seq = %s", forged, seq)
    return Kind.EDITED


def forge_waiting_retention(r: RegistryUnderTest, random: Random) -> Kind:
    """Written by SQL alone into the outbox: without the audit key, it never gets into the log."""
    seq = _outside(r, random)
    text = json.dumps({"action": "audit:retention:applied", "details": {"ranges": [[seq, seq]]}})
    rows(r, "insert into audit_outbox (entry, leaf, mac) values (%s, %s, %s)", text, b"x" * 32, b"y" * 32)
    by_owner(r, "update audit_entries set entry = null where seq = %s", seq)
    return Kind.REMOVED


def _archive(r: RegistryUnderTest, random: Random) -> Path:
    return random.choice(sorted(archive_directory(r.platform).iterdir()))


def flip_archive(r: RegistryUnderTest, random: Random) -> Kind:
    path = _archive(r, random)
    raw = bytearray(path.read_bytes())
    raw[random.randrange(len(raw))] ^= 1 << random.randrange(8)
    path.write_bytes(raw)
    return Kind.ARCHIVE


def drop_line_of_archive(r: RegistryUnderTest, random: Random) -> Kind:
    path = _archive(r, random)
    kept = path.read_bytes().splitlines(keepends=True)
    del kept[random.randrange(len(kept))]
    path.write_bytes(b"".join(kept))
    return Kind.ARCHIVE


def swap_lines_of_archive(r: RegistryUnderTest, random: Random) -> Kind:
    path = _archive(r, random)
    kept = path.read_bytes().splitlines(keepends=True)
    first, second = random.sample(range(len(kept)), 2)
    kept[first], kept[second] = kept[second], kept[first]
    path.write_bytes(b"".join(kept))
    return Kind.ARCHIVE


def cut_archive(r: RegistryUnderTest, random: Random) -> Kind:
    path = _archive(r, random)
    raw = path.read_bytes()
    path.write_bytes(raw[: random.randrange(len(raw))])
    return Kind.ARCHIVE


def remove_archive(r: RegistryUnderTest, random: Random) -> Kind:
    _archive(r, random).unlink()
    return Kind.ARCHIVE


def exchange_archives(r: RegistryUnderTest, random: Random) -> Kind:
    first, second = random.sample(sorted(archive_directory(r.platform).iterdir()), 2)
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)
    return Kind.ARCHIVE


INDEXED = ("event_id", "actor_id", "actor_name", "action", "subject_kind", "subject_id")


def edit_index(r: RegistryUnderTest, random: Random) -> Kind:
    column = random.choice(INDEXED)
    rows(r, f"update audit_index set {column} = {column} || 'x' where seq = %s", _outside(r, random))
    return Kind.INDEX


def move_in_index(r: RegistryUnderTest, random: Random) -> Kind:
    """An entry is hidden from whoever looks for its model, or its time."""
    change = random.choice(
        ["model_id = gen_random_uuid()", "at = at + interval '1 day'", "change_id = gen_random_uuid()"]
    )
    rows(r, f"update audit_index set {change} where seq = %s", _outside(r, random))
    return Kind.INDEX


def drop_from_index(r: RegistryUnderTest, random: Random) -> Kind:
    rows(r, "delete from audit_index where seq = %s", _outside(r, random))
    return Kind.INDEX


def add_to_index(r: RegistryUnderTest, random: Random) -> Kind:
    made = """insert into audit_index select %s, event_id, at, actor_id, actor_name, action, subject_kind, subject_id
        from audit_index where seq = %s"""
    rows(r, made, _inside(r, random), _outside(r, random))
    return Kind.INDEX


def drop_hold(r: RegistryUnderTest, random: Random) -> Kind:
    rows(r, "delete from legal_holds")
    return Kind.HELD


def end_hold(r: RegistryUnderTest, random: Random) -> Kind:
    rows(r, "update legal_holds set until = now() - interval '1 day'")
    return Kind.HELD


def release_hold_by_sql(r: RegistryUnderTest, random: Random) -> Kind:
    rows(r, "update legal_holds set released_at = now(), released_by = placed_by")
    return Kind.HELD


def narrow_hold(r: RegistryUnderTest, random: Random) -> Kind:
    rows(r, "update legal_holds set model_id = %s", random.choice([new_id(), r.models[1]]))  # type: ignore[attr-defined]
    return Kind.HELD


def reword_hold(r: RegistryUnderTest, random: Random) -> Kind:
    rows(r, "update legal_holds set reason = 'Nobody asked.'")
    return Kind.HELD


def place_hold_by_sql(r: RegistryUnderTest, random: Random) -> Kind:
    placed = "insert into legal_holds (id, scope, reason, placed_by, placed_at) values (%s, 'log', 'x', %s, now())"
    rows(r, placed, new_id(), r.admin.id)
    return Kind.HELD


TAMPERINGS: tuple[tuple[Tampering, int], ...] = (
    (prune_outside, 20),
    (prune_with_row, 14),
    (edit_leaf_of_removed, 12),
    (edit_mac_of_removed, 12),
    (drop_removed, 12),
    (text_into_removed, 10),
    (forge_retention_entry, 8),
    (forge_waiting_retention, 6),
    (flip_archive, 24),
    (drop_line_of_archive, 10),
    (swap_lines_of_archive, 10),
    (cut_archive, 10),
    (remove_archive, 2),
    (exchange_archives, 4),
    (edit_index, 18),
    (move_in_index, 9),
    (drop_from_index, 10),
    (add_to_index, 6),
    (drop_hold, 1),
    (end_hold, 1),
    (release_hold_by_sql, 1),
    (narrow_hold, 2),
    (reword_hold, 1),
    (place_hold_by_sql, 1),
)

TABLES = ("audit_entries", "audit_index", "audit_removals", "audit_outbox", "legal_holds")


class Restorable:
    """A log with removed months and a hold, put back to what it was after each case."""

    def __init__(self, r: RegistryUnderTest) -> None:
        self.registry = r
        hold(r, scope="model", model_id=r.models[0])  # type: ignore[attr-defined]
        drain(r)
        done = apply(r, months=8)
        assert sum(month.entries for month in done) == EACH
        assert verified(r).ok
        for table in TABLES:
            rows(r, f"create table kept_{table} as select * from {table}")
        self._archives = {path: path.read_bytes() for path in archive_directory(r.platform).iterdir()}

    def restore(self) -> None:
        with psycopg.connect(self.registry.settings.database_url) as connection:
            connection.execute("set session_replication_role = replica")
            for table in TABLES:
                connection.execute(f"alter table {table} disable trigger all".encode())
                connection.execute(f"delete from {table}".encode())
                identity = "overriding system value" if table == "audit_outbox" else ""
                connection.execute(f"insert into {table} {identity} select * from kept_{table}".encode())
            for table, trigger in (("audit_entries", "change"), ("audit_entries", "edit"), ("audit_outbox", "change")):
                connection.execute(f"alter table {table} enable always trigger {table}_refuse_{trigger}".encode())
        for path, content in self._archives.items():
            path.write_bytes(content)


@pytest.fixture
def restorable(old: RegistryUnderTest) -> Iterator[Restorable]:
    made = Restorable(old)
    yield made
    made.restore()
    report = verified(old)
    assert report.ok, [str(finding) for finding in report.findings]


def found_in_every_case(made: Restorable, share: float) -> int:
    cases = 0
    for tampering, often in TAMPERINGS:
        for number in range(max(1, round(often * share))):
            wanted = tampering(made.registry, Random(f"{tampering.__name__} {number}"))
            report = verified(made.registry)
            assert wanted in kinds(report), (tampering.__name__, number, [str(each) for each in report.findings])
            made.restore()
            cases += 1
    return cases


def test_a_sample_of_tampering_is_named(restorable: Restorable) -> None:
    assert found_in_every_case(restorable, 0.05) >= len(TAMPERINGS)


@pytest.mark.prove
def test_all_tampering_is_named(restorable: Restorable) -> None:
    assert found_in_every_case(restorable, 1.0) >= 200


def test_an_archive_that_removed_what_was_held_is_named(old: RegistryUnderTest) -> None:
    """Somebody with the platform's own keys takes the hold out of the table, removes, and puts it back."""
    model = old.models[0]  # type: ignore[attr-defined]
    hold(old, scope="model", model_id=model)
    drain(old)
    rows(old, "create table aside as select * from legal_holds")
    rows(old, "delete from legal_holds")
    apply(old, months=9)
    rows(old, "insert into legal_holds select * from aside")
    report = verified(old)
    assert kinds(report) == {Kind.HELD}
    assert len(report.findings) == EACH // 2


def test_removing_what_is_too_young_is_named(old: RegistryUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.audit_log.retention.SHORTEST_MONTHS", 1)
    retain(old.platform, Call(None, NOW, new_id, "test"), months=1)
    drain(old)
    assert Kind.REMOVED in kinds(verified(old))


def test_a_claim_of_the_whole_log_being_held_is_judged_without_archives(old: RegistryUnderTest) -> None:
    hold(old, scope="log")
    drain(old)
    rows(old, "create table aside as select * from legal_holds")
    rows(old, "delete from legal_holds")
    apply(old, months=9)
    rows(old, "insert into legal_holds select * from aside")
    assert kinds(verify_platform(old.platform)) == {Kind.HELD}
