"""The audit log over HTTP: found, searched, exported whole, proved; by nobody who may not."""

from __future__ import annotations

import csv
import io
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import httpx
import psycopg
import pytest

from governance.access.roles import Role
from governance.audit.checkpoint import Checkpoint
from governance.audit.event import Actor, AuditEvent, Subject
from governance.audit.proofs import verify_consistency, verify_inclusion
from storage.audit_log import append
from storage.audit_log.running import sequencer_of, verifier_key_of
from storage.composition import new_id
from storage.postgres_server import PostgresServer
from tests.api.served import ServedApi, data, refusal, served
from tests.fixtures.postgres import fresh_database
from tests.fixtures.registry import RegistryUnderTest
from tests.governance.operations.situations import query, step
from tests.storage.audit_log.platform import eventually

AUDIT = "/api/v1/audit"


class Audited:
    """An API with a small history of two models, one of which nobody outside of its groups sees."""

    def __init__(self, api: ServedApi) -> None:
        self.api, self.registry = api, api.registry
        r = self.registry
        self.open = r.model(name="open-model", group="lab")
        r.version(self.open)
        self.submitted = step(r, self.open, "1.0.0", "submit")
        self.closed = r.model(name="closed-model", group="vault")
        self.auditor = api.sign_in(r.person("audrey", (Role.AUDITOR,), "inspection"))
        self.viewer = api.sign_in(r.person("vera", (Role.VIEWER,), "lab"))
        self.nobody = api.sign_in(r.person("norman", ()))
        self.drain()

    def drain(self) -> None:
        sequencer_of(self.registry.platform).drain()

    def record(self, *events: AuditEvent) -> None:
        with self.registry.platform.engine.begin() as connection:
            append(connection, events, key=self.registry.platform.audit_key)
        self.drain()

    def size(self) -> int:
        return int(query(self.registry, "select size from audit_head")[0][0])


@pytest.fixture(scope="module")
def audited(
    postgres_server: PostgresServer, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Audited]:
    with (
        fresh_database(postgres_server, template=template_database) as url,
        served(url, tmp_path_factory.mktemp("audit-api") / "home") as api,
    ):
        yield Audited(api)


def noted(name: str = "Ann", **details: Any) -> AuditEvent:
    return AuditEvent(
        new_id(), datetime.now(UTC), Actor("user", "u1", name), "thing:noted", Subject("thing", "t1"), details=details
    )


def every(client: httpx.Client, path: str, **params: Any) -> list[dict[str, Any]]:
    """All items of a list, page by page."""
    found, token = [], None
    while True:
        answer = client.get(path, params={**params, **({"nextToken": token} if token else {})})
        found += data(answer)
        token = answer.json()["pagination"]["nextToken"]
        if token is None:
            return found


# --- listing and filtering --------------------------------------------------------------------------------


def test_the_list_is_the_log(audited: Audited) -> None:
    newest = every(audited.auditor, AUDIT, pageSize=187)
    assert [entry["seq"] for entry in newest] == [
        seq
        for (seq,) in query(audited.registry, "select seq from audit_entries where entry is not null order by 1 desc")
    ]
    oldest = every(audited.auditor, AUDIT, pageSize=199, order="oldest")
    assert oldest == newest[::-1]


@pytest.mark.parametrize(
    ("asked", "holds"),
    [
        ({"actor": "dana"}, lambda e, a: e["actor"]["name"] == "dana"),
        ({"action": "version:"}, lambda e, a: e["action"].startswith("version:")),
        ({"action": ["model:", "request:"]}, lambda e, a: e["action"].startswith(("model:", "request:"))),
        ({"subjectKind": "user"}, lambda e, a: e["subject"]["kind"] == "user"),
        ({"subjectKind": "user", "action": "token"}, lambda e, a: e["action"].startswith("token")),
        ({"actor": "nobody at all"}, lambda e, a: False),
        ({"from": "2200-01-01"}, lambda e, a: False),
        ({"to": "2001-01-01T00:00:00Z"}, lambda e, a: False),
        ({"from": "2001-01-01"}, lambda e, a: True),
        ({"requestId": "test"}, lambda e, a: e["requestId"] == "test"),
        ({"action": "%"}, lambda e, a: False),
        ({"action": "_odel:"}, lambda e, a: False),
    ],
)
def test_filters_give_what_they_say(audited: Audited, asked: dict[str, Any], holds: Any) -> None:
    whole = every(audited.auditor, AUDIT, pageSize=200)
    wanted = [entry["seq"] for entry in whole if holds(entry, audited)]
    assert [entry["seq"] for entry in every(audited.auditor, AUDIT, pageSize=200, **asked)] == wanted
    found = data(audited.auditor.post(f"{AUDIT}/search", json={"filter": asked, "pageSize": 200}))
    assert [entry["seq"] for entry in found] == wanted[:200]


def test_a_model_has_its_whole_history(audited: Audited) -> None:
    """Also what names a version or a request and no model."""
    found = every(audited.auditor, AUDIT, modelId=audited.open)
    actions = {entry["action"] for entry in found}
    assert {"model:created", "version:created", "artifact:attached", "request:opened", "request:applied"} <= actions
    assert {entry["modelId"] for entry in found} == {audited.open}


def test_texts_are_searched_literally(audited: Audited) -> None:
    audited.record(noted(remark="100% of the_pudding \\ is eaten"))
    for text, count in (
        ("100% OF the_pudd", 1),
        ("100x of", 0),
        ("the-pudding", 0),
        ("% of the_p", 1),
        ('"remark":"100%', 1),
    ):
        found = data(audited.auditor.post(f"{AUDIT}/search", json={"filter": {"text": text}}))
        assert len([entry for entry in found if entry["details"].get("remark")]) == count, text


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"colour": "red"}, "FILTER_002"),
        ({"actor": 7}, "FILTER_001"),
        ({"actor": ""}, "FILTER_001"),
        ({"from": "yesterday"}, "FILTER_001"),
        ({"modelId": "no id"}, "FILTER_001"),
        ({"action": {"is": "x"}}, "FILTER_001"),
        ({"actor": "x" * 301}, "FILTER_003"),
        ({"actor": "a\u0000b"}, "FILTER_003"),
        ({"from": "0001-01-01"}, "FILTER_003"),
        ({"action": ["x"] * 21}, "FILTER_004"),
        ({"from": "2026-02-01", "to": "2026-01-01"}, "FILTER_005"),
    ],
)
def test_bad_filters_have_the_codes_of_the_catalog(audited: Audited, asked: dict[str, Any], code: str) -> None:
    for path in (f"{AUDIT}/search", "/api/v1/provenance/query"):
        refusal(audited.auditor.post(path, json={"filter": asked}), 400, code)
    refusal(audited.viewer.post("/api/v1/activity/subscribe", json={"filters": asked}), 400, code)


def test_bad_pages_are_refused(audited: Audited) -> None:
    for params in (
        {"pageSize": "0"},
        {"pageSize": "201"},
        {"nextToken": "xyz"},
        {"nextToken": "cy0x"},
        {"order": "up"},
    ):
        refusal(audited.auditor.get(AUDIT, params=params), 400, "INVALID_INPUT")


# --- one entry, and its proofs ----------------------------------------------------------------------------


def test_an_entry_is_found_by_number_and_by_id(audited: Audited) -> None:
    listed = every(audited.auditor, AUDIT, action="model:created")[0]
    by_seq, by_id = (data(audited.auditor.get(f"{AUDIT}/{listed[name]}")) for name in ("seq", "id"))
    assert by_seq == by_id
    assert {name: by_id[name] for name in listed} == listed
    assert sha256(b"\0" + by_id["canonical"].encode()).hexdigest() == by_id["leaf"]
    assert json.loads(by_id["canonical"])["id"] == listed["id"]
    for unknown in ("999999999", "9" * 40, new_id(), "-1", "x", "%00"):
        refusal(audited.auditor.get(f"{AUDIT}/{unknown}"), 404, "AUDIT_ENTRY_NOT_FOUND")
        refusal(audited.auditor.get(f"{AUDIT}/{unknown}/proof"), 404, "AUDIT_ENTRY_NOT_FOUND")


def test_every_entry_is_proved_against_the_signed_checkpoint(audited: Audited) -> None:
    size = audited.size()
    key = verifier_key_of(audited.registry.platform)
    for seq in {0, 1, size // 2, size - 1}:
        proof = data(audited.auditor.get(f"{AUDIT}/{seq}/proof"))
        signed = Checkpoint.opened(proof["checkpoint"]["note"], key)
        assert (signed.size, signed.root.hex()) == (proof["size"], proof["checkpoint"]["root"])
        path = [bytes.fromhex(node) for node in proof["path"]]
        leaf = bytes.fromhex(proof["leaf"])
        assert verify_inclusion(leaf, proof["index"], proof["size"], path, signed.root)
        assert not verify_inclusion(sha256(leaf).digest(), proof["index"], proof["size"], path, signed.root)
    assert data(audited.auditor.get(f"{AUDIT}/checkpoint"))["size"] == size


def test_the_log_is_proved_to_have_only_grown(audited: Audited) -> None:
    older = data(audited.auditor.get(f"{AUDIT}/checkpoint"))
    audited.record(noted(), noted())
    for first, second in ((older["size"], None), (1, older["size"]), (0, None), (3, 3)):
        params = {"first": first, **({"second": second} if second is not None else {})}
        proof = data(audited.auditor.get(f"{AUDIT}/consistency", params=params))
        roots = bytes.fromhex(proof["firstRoot"]), bytes.fromhex(proof["secondRoot"])
        path = [bytes.fromhex(node) for node in proof["path"]]
        assert verify_consistency(proof["first"], proof["second"], *roots, path)
        if first == older["size"]:
            assert roots[0].hex() == older["root"]
    for params in ({"first": 5, "second": 4}, {"first": 1, "second": 10**9}, {"first": -1}, {}):
        refusal(audited.auditor.get(f"{AUDIT}/consistency", params=params), 400, "INVALID_INPUT")


def test_a_rewritten_log_is_not_proved(audited: Audited) -> None:
    seq = audited.size() - 1
    with psycopg.connect(audited.registry.settings.database_url) as connection:
        connection.execute("alter table audit_entries disable trigger all")
        ((leaf,),) = connection.execute("select leaf from audit_entries where seq = %s", (seq,)).fetchall()
        connection.execute("update audit_entries set leaf = %s where seq = %s", (b"x" * 32, seq))
    try:
        refusal(audited.auditor.get(f"{AUDIT}/0/proof"), 409, "PROV_004")
        refusal(audited.auditor.get(f"{AUDIT}/consistency", params={"first": 1}), 409, "PROV_004")
    finally:
        with psycopg.connect(audited.registry.settings.database_url) as connection:
            connection.execute("update audit_entries set leaf = %s where seq = %s", (leaf, seq))
            for trigger in ("change", "edit"):
                connection.execute(
                    f"alter table audit_entries enable always trigger audit_entries_refuse_{trigger}".encode()
                )


def test_what_no_checkpoint_covers_is_not_proved_yet(audited: Audited) -> None:
    directory = audited.registry.settings.audit_directory
    kept = {path: path.read_bytes() for path in directory.glob("checkpoint*")}
    audited.record(noted())
    seq = audited.size() - 1
    after = {path: path.read_bytes() for path in directory.glob("checkpoint*")}
    try:
        for path, content in kept.items():
            path.write_bytes(content)
        refusal(audited.auditor.get(f"{AUDIT}/{seq}/proof"), 409, "CONFLICT")
        for path in kept:
            path.unlink()
        refusal(audited.auditor.get(f"{AUDIT}/checkpoint"), 404, "CHECKPOINT_NOT_FOUND")
    finally:
        for path, content in after.items():
            path.write_bytes(content)
    assert data(audited.auditor.get(f"{AUDIT}/{seq}/proof"))["index"] == seq


# --- exporting --------------------------------------------------------------------------------------------


def test_an_export_is_the_log_and_says_that_it_is_whole(audited: Audited) -> None:
    size = audited.size()
    there = [
        seq for (seq,) in query(audited.registry, "select seq from audit_entries where entry is not null order by 1")
    ]
    answer = audited.auditor.get(f"{AUDIT}/export")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    *entries, last = [json.loads(line) for line in answer.text.splitlines()]
    assert [entry["seq"] for entry in entries] == there
    raw = answer.text.splitlines()[0]
    canonical = raw[raw.index('"entry":') + 8 : -1]
    assert sha256(b"\0" + canonical.encode()).hexdigest() == entries[0]["leaf"]
    assert last["end"] is True
    assert last["entries"] == len(there)
    signed = Checkpoint.opened(last["checkpoint"], verifier_key_of(audited.registry.platform))
    assert signed.size == size
    # The export is itself on record, with what was asked.
    audited.drain()
    (told, *_) = every(audited.auditor, AUDIT, action="audit:exported")
    assert told["actor"]["name"] == "audrey"
    assert told["details"]["format"] == "ndjson"


def test_an_export_is_filtered_like_a_list(audited: Audited) -> None:
    answer = audited.auditor.get(f"{AUDIT}/export", params={"modelId": audited.open, "action": "request:"})
    *entries, last = [json.loads(line) for line in answer.text.splitlines()]
    assert last["entries"] == len(entries) > 0
    wanted = every(audited.auditor, AUDIT, modelId=audited.open, action="request:", order="oldest")
    assert [entry["seq"] for entry in entries] == [entry["seq"] for entry in wanted]
    refusal(audited.auditor.get(f"{AUDIT}/export", params={"from": "soon"}), 400, "FILTER_001")
    refusal(audited.auditor.get(f"{AUDIT}/export", params={"format": "xml"}), 400, "INVALID_INPUT")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_a_csv_is_a_formula(audited: Audited, start: str) -> None:
    name = f"{start}cmd|' /C calc'!A0"
    audited.record(noted(name, remark='a "quoted", text\nof two lines'))
    answer = audited.auditor.get(f"{AUDIT}/export", params={"format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    header, *rows, last = list(csv.reader(io.StringIO(answer.text, newline="")))
    assert last[:2] == ["end", str(len(rows))]
    assert all(len(row) == len(header) for row in rows)
    (found,) = [row for row in rows if name in row[header.index("actorName")]]
    assert found[header.index("actorName")] == f"'{name}"
    assert json.loads(found[header.index("details")])["remark"] == 'a "quoted", text\nof two lines'
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row)


def exporting(r: RegistryUnderTest) -> int:
    running = "select count(*) from pg_stat_activity where application_name = 'gatehouse audit export'"
    return int(query(r, running)[0][0])


def test_an_export_that_nobody_reads_is_cancelled(audited: Audited) -> None:
    audited.record(*[noted(remark="x" * 10_000) for _ in range(3_000)])
    host, port = audited.api.address
    with socket.create_connection((host, port)) as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        head = f"GET {AUDIT}/export HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {audited.api.tokens['audrey']}\r\n\r\n"
        reader.sendall(head.encode())
        assert reader.recv(100).startswith(b"HTTP/1.1 200")
        assert exporting(audited.registry) == 1
    eventually(lambda: exporting(audited.registry) == 0)
    # The places are free again, and what is exported now is whole.
    for _ in range(3):
        assert json.loads(audited.auditor.get(f"{AUDIT}/export").text.splitlines()[-1])["end"] is True


# --- who may ----------------------------------------------------------------------------------------------


def test_history_is_not_for_everybody(audited: Audited) -> None:
    for client in (audited.nobody, audited.api.dev):
        for path in ("", "/export", "/checkpoint", "/0", "/0/proof", "/consistency?first=1", "/holds"):
            refusal(client.get(f"{AUDIT}{path}"), 403, "PROV_005")
        refusal(client.post(f"{AUDIT}/search", json={}), 403, "PROV_005")
    refusal(audited.api.dev.get("/api/v1/provenance"), 403, "PROV_005")
    refusal(audited.nobody.get("/api/v1/activity"), 403, "FORBIDDEN")


def test_a_viewer_reads_the_history_of_what_they_see_and_no_other(audited: Audited) -> None:
    mine = every(audited.viewer, AUDIT, pageSize=200)
    assert {entry["modelId"] for entry in mine} == {audited.open, None}
    assert all(
        entry["actor"]["name"] == "vera" or entry["subject"]["kind"] == "user"
        for entry in mine
        if entry["modelId"] is None
    )
    closed = every(audited.auditor, AUDIT, modelId=audited.closed)
    assert closed
    for path in (f"{AUDIT}/{closed[0]['seq']}", f"{AUDIT}/{closed[0]['id']}", f"{AUDIT}/{closed[0]['seq']}/proof"):
        refusal(audited.viewer.get(path), 404, "AUDIT_ENTRY_NOT_FOUND")
    exported = audited.viewer.get(f"{AUDIT}/export").text
    assert audited.open in exported
    assert f'"id":"{audited.closed}"' not in exported
    assert data(audited.viewer.get(f"{AUDIT}/holds")) == []


def test_an_auditor_who_acts_for_a_group_sees_no_more_than_it(audited: Audited) -> None:
    found = audited.auditor.get(AUDIT, params={"modelId": audited.open}, headers={"X-Group-Context": "inspection"})
    assert data(found) == []


# --- activity ---------------------------------------------------------------------------------------------


def test_activity_is_told_in_sentences(audited: Audited) -> None:
    told = every(audited.api.dev, "/api/v1/activity", modelId=audited.open, pageSize=200)
    sentences = [item["sentence"] for item in told]
    assert "dana created the model open-model." in sentences
    assert "dana created version 1.0.0 of open-model." in sentences
    assert "dana asked to submit open-model 1.0.0." in sentences
    assert "Gatehouse moved open-model 1.0.0 from draft to submitted." in sentences
    assert not [one for one in sentences if "did “" in one]


def test_activity_of_a_user_and_of_an_asset(audited: Audited) -> None:
    r = audited.registry
    mine = every(audited.viewer, f"/api/v1/activity/user/{r.dev.id}", pageSize=200)
    assert {item["modelId"] for item in mine} == {audited.open}
    all_of_dana = every(audited.api.admin, f"/api/v1/activity/user/{r.dev.id}", pageSize=200)
    assert {audited.closed, None} <= {item["modelId"] for item in all_of_dana}
    version, artifact = query(
        r,
        "select v.id::text, a.id::text from model_versions v join artifacts a on a.version_id = v.id "
        "where v.model_id = %s",
        audited.open,
    )[0]
    for asset, action in (
        (audited.open, "model:created"),
        (version, "version:created"),
        (artifact, "artifact:attached"),
    ):
        told = every(audited.viewer, f"/api/v1/activity/artifact/{asset}", pageSize=200)
        assert action in {item["action"] for item in told}
    assert "model:created" not in {
        item["action"] for item in every(audited.viewer, f"/api/v1/activity/artifact/{version}")
    }
    for unseen in (audited.closed, new_id(), "x"):
        refusal(audited.viewer.get(f"/api/v1/activity/artifact/{unseen}"), 404, "ARTIFACT_NOT_FOUND")
    assert data(audited.viewer.get(f"/api/v1/activity/user/{new_id()}")) == []


def test_a_subscription_reads_what_comes_after_it(audited: Audited) -> None:
    r = audited.registry
    body = {"filters": {"modelId": audited.open, "action": "version:"}}
    key = {"Idempotency-Key": new_id()}
    made = [data(audited.viewer.post("/api/v1/activity/subscribe", json=body, headers=key), 201) for _ in range(2)]
    assert made[0] == made[1]
    assert made[0]["filters"] == {**body["filters"], "action": ["version:"]}
    stream = made[0]["stream"]
    assert data(audited.viewer.get(stream)) == []
    r.version(audited.open, "1.1.0")
    audited.drain()
    assert [item["action"] for item in data(audited.viewer.get(stream))] == ["version:created"]
    refusal(audited.api.dev.get(stream), 404, "SUBSCRIPTION_NOT_FOUND")
    refusal(audited.viewer.get("/api/v1/activity", params={"subscription": "x"}), 404, "SUBSCRIPTION_NOT_FOUND")


def test_a_subscription_shows_nothing_that_its_owner_may_no_longer_see(audited: Audited) -> None:
    made = data(audited.viewer.post("/api/v1/activity/subscribe", json={"filters": {"modelId": audited.closed}}), 201)
    audited.registry.version(audited.closed, "9.0.0")
    audited.drain()
    assert data(audited.viewer.get(made["stream"])) == []


# --- provenance -------------------------------------------------------------------------------------------


def test_records_have_the_shape_of_the_catalog_and_guess_nothing(audited: Audited) -> None:
    (record,) = [
        one
        for one in every(audited.auditor, "/api/v1/provenance", modelId=audited.open, pageSize=200)
        if one["action"] == "version:state:changed"
    ]
    assert set(record) == {
        "id", "timestamp", "type", "action", "artifact", "artifactVersion", "user", "role", "description", "metadata",
        "lineage", "changes", "compliance", "impact", "audit",
    }  # fmt: skip
    assert (record["type"], record["artifact"], record["artifactVersion"]) == ("model", audited.open, "1.0.0")
    assert record["changes"]["state"] == {"before": "draft", "after": "submitted"}
    assert record["role"] is None
    assert record["compliance"]["approved"] is True
    assert record["compliance"]["approver"] is None  # nobody had to
    assert record["compliance"]["policies"]
    assert record["impact"] == {"services": [], "users": None, "criticality": "low"}
    assert set(record["audit"]) == {"sessionId", "ipAddress", "userAgent", "requestId"}
    assert data(audited.auditor.get(f"/api/v1/provenance/{record['id']}")) == record
    queried = data(audited.auditor.post("/api/v1/provenance/query", json={"filter": {"action": "version:state"}}))
    assert record in queried


def test_records_of_what_is_not_seen_do_not_exist(audited: Audited) -> None:
    closed = every(audited.auditor, "/api/v1/provenance", modelId=audited.closed)[0]
    for unseen in (closed["id"], new_id(), "x"):
        refusal(audited.viewer.get(f"/api/v1/provenance/{unseen}"), 404, "PROVENANCE_RECORD_NOT_FOUND")
    refusal(audited.viewer.get(f"/api/v1/provenance/lineage/{audited.closed}"), 404, "ARTIFACT_NOT_FOUND")


def test_lineage_is_a_graph_from_what_is_there(audited: Audited) -> None:
    graph = data(audited.viewer.get(f"/api/v1/provenance/lineage/{audited.open}"))["lineage"]
    assert graph["artifact"] == {"id": audited.open, "type": "model", "version": None}
    kinds = {node["type"] for node in graph["graph"]["nodes"]}
    assert {"model", "version", "weights"} <= kinds
    known = {node["id"] for node in graph["graph"]["nodes"]}
    assert all({edge["source"], edge["target"]} <= known for edge in graph["graph"]["edges"])
    assert {edge["relationship"] for edge in graph["graph"]["edges"]} == {"version-of", "part-of"}
    version = next(node["id"] for node in graph["graph"]["nodes"] if node["label"] == "open-model 1.0.0")
    assert version in graph["impact"]["upstream"]
    of_version = data(audited.viewer.get(f"/api/v1/provenance/lineage/{version}"))["lineage"]
    assert of_version["artifact"] == {"id": version, "type": "version", "version": "1.0.0"}
    assert of_version["impact"]["downstream"] == [audited.open]


# --- legal holds ------------------------------------------------------------------------------------------


def test_holds_are_placed_and_released_by_administrators(audited: Audited) -> None:
    body = {"scope": "model", "modelId": audited.open, "reason": "Case 7.", "until": "2199-01-01"}
    refusal(audited.auditor.post(f"{AUDIT}/holds", json=body), 403, "PROV_005")
    key = {"Idempotency-Key": new_id()}
    answers = [audited.api.admin.post(f"{AUDIT}/holds", json=body, headers=key) for _ in range(2)]
    made, again = (data(answer, 201) for answer in answers)
    assert made == again
    assert (made["modelId"], made["placedBy"], made["releasedAt"]) == (audited.open, "root", None)
    refusal(
        audited.api.admin.post(f"{AUDIT}/holds", json={**body, "reason": "x"}, headers=key), 422, "IDEMPOTENCY_MISMATCH"
    )
    assert made in data(audited.auditor.get(f"{AUDIT}/holds"))
    refusal(audited.auditor.delete(f"{AUDIT}/holds/{made['id']}"), 403, "PROV_005")
    released = data(audited.api.admin.delete(f"{AUDIT}/holds/{made['id']}"))
    assert released["releasedBy"] == "root"
    refusal(audited.api.admin.delete(f"{AUDIT}/holds/{made['id']}"), 409, "CONFLICT")
    refusal(audited.api.admin.delete(f"{AUDIT}/holds/{new_id()}"), 404, "LEGAL_HOLD_NOT_FOUND")
    audited.drain()
    told = every(audited.auditor, AUDIT, subjectKind="legal-hold", subjectId=made["id"])
    assert [entry["action"] for entry in told] == ["audit:hold:released", "audit:hold:placed"]


@pytest.mark.parametrize(
    "body",
    [
        {"scope": "log", "reason": " "},
        {"scope": "log", "reason": "x", "modelId": "0199a000-0000-7000-8000-000000000000"},
        {"scope": "model", "reason": "x"},
        {"scope": "subject", "reason": "x", "subjectId": "u1"},
        {"scope": "log", "reason": "x", "until": "never"},
        {"scope": "log", "reason": "x", "until": "2001-01-01"},
        {"scope": "everything", "reason": "x"},
        {"scope": "log", "reason": "x" * 2001},
        {"scope": "log", "reason": "a\u0000b"},
    ],
)
def test_bad_holds_are_refused_and_leave_nothing(audited: Audited, body: dict[str, Any]) -> None:
    before = audited.api.stored()
    refusal(audited.api.admin.post(f"{AUDIT}/holds", json=body), 400, "INVALID_INPUT")
    assert audited.api.stored() == before


def test_an_entry_keeps_its_place_when_its_text_is_gone(audited: Audited) -> None:
    from storage.audit_log.retention import retain

    r = audited.registry
    ancient = AuditEvent(
        new_id(),
        datetime.now(UTC) - timedelta(days=900),
        Actor("user", "u1", "Ann"),
        "thing:noted",
        Subject("thing", "t"),
    )
    audited.record(ancient)
    seq = data(audited.auditor.get(f"{AUDIT}/{ancient.id}"))["seq"]
    leaf = data(audited.auditor.get(f"{AUDIT}/{seq}"))["leaf"]
    retain(r.platform, r.call(None), months=24)
    audited.drain()
    shown = data(audited.auditor.get(f"{AUDIT}/{seq}"))
    assert (shown["leaf"], shown["canonical"], shown["id"]) == (leaf, None, None)
    assert shown["removed"]["archive"].endswith(".ndjson")
    assert data(audited.auditor.get(f"{AUDIT}/{seq}/proof"))["leaf"] == leaf
    refusal(audited.auditor.get(f"{AUDIT}/{ancient.id}"), 404, "AUDIT_ENTRY_NOT_FOUND")
    refusal(audited.viewer.get(f"{AUDIT}/{seq}"), 404, "AUDIT_ENTRY_NOT_FOUND")
