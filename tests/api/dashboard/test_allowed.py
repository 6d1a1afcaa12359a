"""The table of what may be called, against a list that was written down from the interface and from attacks on it."""

from __future__ import annotations

import pytest

from api.dashboard.allowed import RESUME, TABLE, Rank, Refused, Row, body_fits, judge, pattern
from api.dashboard.paths import canonical, shown

U = "0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f"
W = "1a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f"

# What the v1 pages ask for while somebody looks around: recorded in a browser.
LOOKING = [
    ("GET", "health"),
    ("GET", "version"),
    ("GET", "admin/version"),
    ("GET", f"flow_runs/{U}"),
    ("GET", f"flow_runs/{U}/graph-v2"),
    ("GET", f"flow_runs/{U}/input/suspended-{W}-schema"),
    ("GET", f"flow_runs/{U}/input/suspended-{W}-description"),
    ("GET", f"flow_runs/{U}/logs/download"),
    ("GET", f"flows/{U}"),
    ("GET", f"deployments/{U}"),
    ("GET", f"artifacts/{U}"),
    ("GET", "work_pools/gatehouse"),
    ("GET", "work_pools/gatehouse/queues/default"),
    ("GET", f"v2/concurrency_limits/{U}"),
    ("GET", f"flow_run_states/?flow_run_id={U}"),
    ("POST", "flow_runs/filter"),
    ("POST", "flow_runs/paginate"),
    ("POST", "flow_runs/count"),
    ("POST", "flow_runs/lateness"),
    ("POST", "task_runs/history"),
    ("POST", "task_runs/paginate"),
    ("POST", "flows/paginate"),
    ("POST", "deployments/paginate"),
    ("POST", "artifacts/filter"),
    ("POST", "artifacts/latest/filter"),
    ("POST", "logs/filter"),
    ("POST", "events/filter"),
    ("POST", "automations/filter"),
    ("POST", "saved_searches/filter"),
    ("POST", "ui/flow_runs/history"),
    ("POST", "ui/flow_runs/count-task-runs"),
    ("POST", "ui/flows/next-runs"),
    ("POST", "ui/flows/count-deployments"),
    ("POST", "ui/schemas/validate"),
    ("POST", "work_pools/gatehouse/workers/filter"),
    ("POST", "work_pools/gatehouse/queues/filter"),
]

# What would decide a request without us, or change, delete or show what is not theirs: nobody may.
NOBODY = [
    ("POST", f"flow_runs/{U}/set_state"),  # cancel, retry, change state
    ("POST", f"task_runs/{U}/set_state"),
    ("DELETE", f"flow_runs/{U}"),
    ("PATCH", f"flow_runs/{U}"),
    ("POST", "flow_runs/"),
    ("POST", "flow_runs/bulk_set_state"),
    ("POST", "flow_runs/bulk_delete"),
    ("POST", f"flow_runs/{U}/input"),
    ("POST", f"flow_runs/{U}/input/filter"),
    ("DELETE", f"flow_runs/{U}/input/suspended-{W}-schema"),
    ("POST", f"deployments/{U}/create_flow_run"),
    ("PATCH", f"deployments/{U}"),
    ("DELETE", f"deployments/{U}"),
    ("POST", "deployments/"),
    ("POST", f"deployments/{U}/pause_deployment"),
    ("POST", f"deployments/{U}/resume_deployment"),
    ("PATCH", f"deployments/{U}/schedules/{W}"),
    ("POST", "automations/"),
    ("PUT", f"automations/{U}"),
    ("PATCH", f"automations/{U}"),
    ("DELETE", f"automations/{U}"),
    ("POST", "variables/"),
    ("POST", "variables/filter"),
    ("GET", "variables/name/secret"),
    ("POST", "block_documents/"),
    ("POST", "block_documents/filter"),
    ("GET", f"block_documents/{U}"),
    ("GET", "block_types/slug/secret/block_documents/name/it"),
    ("GET", "block_types/slug/secret/block_documents"),
    ("POST", "block_types/filter"),
    ("GET", "admin/settings"),  # answered by a stub before the table is asked
    ("PUT", "admin/storage"),
    ("POST", "admin/database/clear"),
    ("POST", "work_pools/"),
    ("DELETE", "work_pools/gatehouse"),
    ("POST", "work_pools/gatehouse/get_scheduled_flow_runs"),
    ("POST", "work_pools/gatehouse/workers/heartbeat"),
    ("POST", "events"),
    ("GET", "events/in"),
    ("POST", "logs/"),
    ("POST", "artifacts/"),
    ("GET", "docs"),
    ("GET", "openapi.json"),
    ("HEAD", f"flow_runs/{U}"),
    ("OPTIONS", f"flow_runs/{U}"),
    ("POST", f"flow_runs/{U}"),
    ("POST", f"flow_runs/{U}/resume/now"),
    ("GET", f"flow_runs/{U}/resume"),
    ("POST", ""),
    ("POST", "x"),
]

# One thing, spelled in another way than ours.
SPELLINGS = [
    f"flow_runs/{U}/%72esume",
    f"flow_runs/{U}/resume%2F",
    f"flow_runs/{U}/resume%00",
    f"flow_runs/{U}/resume;x=1",
    f"flow_runs/{U}//resume",
    f"/flow_runs/{U}/resume",
    f"flow_runs/./{U}/resume",
    f"flow_runs/x/../{U}/resume",
    f"flow_runs/{U}/resume\\",
    f"flow_runs/{U}/résumé",
    f"flow_runs/{U}/resume#x",
    f"flow_runs/{U} /resume",
    f"flow_runs%2F{U}/resume",
    f"../api/flow_runs/{U}/resume",
    "..",
    f"flow_runs/{U}/resume?a=1?b=2",
    f"flow_runs/{U}/resume?%72un=1",
    f"flow_runs/{U}/resume?x",
]
# Plain characters, but no row has them.
OTHER_IDS = [
    f"flow_runs/{U.upper()}/resume",
    f"flow_runs/{U.replace('-', '')}/resume",
    f"flow_runs/{U}/resume/",
    f"flow_runs/{U}/Resume",
    f"FLOW_RUNS/{U}/resume",
    f"flow_runs/{U}x/resume",
    "flow_runs/00000000/resume",
    f"flow_runs/{U}/resume?run_input=1",
    f"flow_runs/{U}/resume?a=1&a=2",
]


def judged(rank: Rank, method: str, path: str) -> Row | Refused:
    raw, _, query = path.partition("?")
    address = canonical(f"/dashboard/api/{raw}".encode(), query.encode())
    assert address is not None, "spelled our way"
    return judge(rank, method, address)


@pytest.mark.parametrize(("method", "path"), LOOKING)
def test_everybody_who_is_let_in_may_look(method: str, path: str) -> None:
    for rank in Rank:
        assert isinstance(judged(rank, method, path), Row)


@pytest.mark.parametrize(("method", "path"), NOBODY)
def test_nobody_may_do_what_decides_changes_or_tells_secrets(method: str, path: str) -> None:
    for rank in Rank:
        found = judged(rank, method, path)
        assert isinstance(found, Refused)
        assert found.reason.endswith(".")


@pytest.mark.parametrize("path", SPELLINGS)
def test_another_spelling_is_no_address(path: str) -> None:
    raw, _, query = path.partition("?")
    assert canonical(f"/dashboard/api/{raw}".encode(), query.encode()) is None
    assert shown(path.encode()).isascii()


@pytest.mark.parametrize("path", OTHER_IDS)
def test_another_form_of_an_id_or_name_is_refused(path: str) -> None:
    for rank in Rank:
        assert isinstance(judged(rank, "POST", path), Refused)


def test_who_may_resume_and_hold_back() -> None:
    resume = f"flow_runs/{U}/resume"
    assert isinstance(judged(Rank.LOOK, "POST", resume), Refused)
    assert judged(Rank.DECIDE, "POST", resume) is RESUME
    assert judged(Rank.ADMINISTER, "POST", resume) is RESUME
    for path in ("work_pools/gatehouse", f"work_queues/{U}"):
        assert isinstance(judged(Rank.DECIDE, "PATCH", path), Refused)
        row = judged(Rank.ADMINISTER, "PATCH", path)
        assert isinstance(row, Row)
        assert body_fits(row, b'{"is_paused": true}')
        for other in (b"", b"[]", b"{}", b'{"is_paused": 1}', b'{"is_paused": true, "base_job_template": {}}', b"nul"):
            assert not body_fits(row, other)


def test_a_filter_refers_to_no_variable() -> None:
    row = Row(Rank.LOOK, "POST", "ui/schemas/validate")
    secret = b'{"schema": {}, "values": {"a": {"__prefect_kind": "workspace_variable", "variable_name": "s"}}}'
    assert not body_fits(row, secret)
    assert not body_fits(row, secret.replace(b'variable"', b'v\\u0061riable"'))
    assert body_fits(row, b'{"schema": {}, "values": {"comment": "agreed"}}')


def test_every_row_but_two_and_the_resume_only_reads() -> None:
    changing = [row for row in TABLE if row.method not in ("GET", "POST")]
    assert [(row.method, row.rank, row.body) for row in changing] == [("PATCH", Rank.ADMINISTER, "is_paused")] * 2
    reading = {"filter", "count", "paginate", "history", "lateness", "validate", "count-task-runs", "counts"}
    reading |= {"count-deployments", "next-runs"}
    for row in TABLE:
        if row.method == "POST" and row is not RESUME:
            last = row.path.replace("events/count-by/{name}", "count").rsplit("/", 1)[-1].strip("{}")
            assert set(last.replace("dashboard/", "").split("|")) <= reading, row


def test_a_word_of_the_table_stands_for_one_segment() -> None:
    assert pattern("a/{name}").fullmatch("a/b-1.2")
    for path in ("a/", "a/b/c", "a/..", "a/.", "a/%62"):
        assert not pattern("a/{name}").fullmatch(path)
