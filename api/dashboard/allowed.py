"""What may be called below `/dashboard/api`, by whom. **What stands in no row is refused**, whoever asks.

Nothing here decides about a request except `resume`, which never reaches Prefect as it came: see `resuming`. Absent on
purpose, for administrators too: setting states, everything in bulk, writing inputs, deleting anything, creating runs,
changing deployments, automations, blocks and variables (also reading the last two, as they hold secrets), `admin`.

`{id}` is a UUID in lower case with dashes, `{name}` one segment; `{a|b}` is one of these words. A query may consist of
the parameters that its row names, each once.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from api.dashboard.paths import Address


class Rank(IntEnum):
    """Each may do what stands before it. `LOOK`: everybody who is let in at all."""

    LOOK = 1
    DECIDE = 2
    ADMINISTER = 3


@dataclass(frozen=True, slots=True)
class Row:
    """`body`: "is_paused" lets nothing pass but {"is_paused": true | false}."""

    rank: Rank
    method: str
    path: str
    query: tuple[str, ...] = ()
    body: Literal["any", "is_paused"] = "any"


LOOK, DECIDE, ADMINISTER = Rank.LOOK, Rank.DECIDE, Rank.ADMINISTER

RESUME = Row(DECIDE, "POST", "flow_runs/{id}/resume")

TABLE: tuple[Row, ...] = (
    # --- the server
    Row(LOOK, "GET", "{health|version}"),
    Row(LOOK, "GET", "admin/version"),
    Row(LOOK, "GET", "collections/views/{name}"),
    # --- one thing, by its id
    Row(LOOK, "GET", "{flow_runs|task_runs|flows|deployments|artifacts|work_queues|automations}/{id}"),
    Row(LOOK, "GET", "{flow_run_states|task_run_states|concurrency_limits}/{id}"),
    Row(LOOK, "GET", "v2/concurrency_limits/{id}"),
    Row(LOOK, "GET", "flow_run_states/", query=("flow_run_id",)),
    Row(LOOK, "GET", "task_run_states/", query=("task_run_id",)),
    Row(LOOK, "GET", "flow_runs/{id}/graph-v2", query=("since",)),
    Row(LOOK, "GET", "flow_runs/{id}/input/{name}"),  # the form of a suspended run
    Row(LOOK, "GET", "flow_runs/{id}/logs/download"),
    Row(LOOK, "GET", "deployments/{id}/schedules"),
    Row(LOOK, "GET", "deployments/name/{name}/{name}"),
    Row(LOOK, "GET", "flows/name/{name}"),
    Row(LOOK, "GET", "artifacts/{name}/latest"),
    Row(LOOK, "GET", "work_pools/{name}"),
    Row(LOOK, "GET", "work_pools/{name}/queues/{name}"),
    Row(LOOK, "GET", "automations/related-to/{name}"),
    # --- lists, counts and curves; POST because they take filters
    Row(LOOK, "POST", "{flow_runs|task_runs|flows|deployments}/{filter|count|paginate|history}"),
    Row(LOOK, "POST", "flow_runs/lateness"),
    Row(LOOK, "POST", "{artifacts|artifacts/latest}/{filter|count}"),
    Row(LOOK, "POST", "{work_pools|work_queues|automations}/{filter|count}"),
    Row(LOOK, "POST", "{concurrency_limits|v2/concurrency_limits}/filter"),
    Row(LOOK, "POST", "work_pools/{name}/{queues|workers}/filter"),
    Row(LOOK, "POST", "logs/filter"),
    Row(LOOK, "POST", "events/filter"),
    Row(LOOK, "GET", "events/filter/next", query=("page-token",)),
    Row(LOOK, "POST", "events/count-by/{name}"),
    Row(LOOK, "POST", "saved_searches/filter"),
    Row(LOOK, "POST", "ui/flow_runs/{history|count-task-runs}"),
    Row(LOOK, "POST", "ui/flows/{count-deployments|next-runs}"),
    Row(LOOK, "POST", "ui/task_runs/{count|dashboard/counts}"),
    Row(LOOK, "POST", "ui/schemas/validate"),
    # --- a decision about a request
    RESUME,
    # --- holding back every run, which decides about none
    Row(ADMINISTER, "PATCH", "work_pools/{name}", body="is_paused"),
    Row(ADMINISTER, "PATCH", "work_queues/{id}", body="is_paused"),
)

# What people are told instead of "this is not done here", where there is a way to what they want.
ELSEWHERE: tuple[tuple[str, str], ...] = (
    (r"flow_runs/[^/]+/set_state", "Nobody sets the state of a run here. Withdraw the request, or decide about it."),
    (r"flow_runs/bulk_.*", "Runs are not changed in bulk: every request is decided by itself."),
    (r"flow_runs/[^/]+/input(/.*)?", "Nobody writes the input of a run. Press Resume and fill in the form."),
    (r"deployments/[^/]+/create_flow_run", "Runs belong to requests. Ask for a transition, and its run starts."),
    (r"(variables|block_.*)(/.*)?", "Variables and blocks may hold secrets and are not shown here."),
)

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NAME = r"(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+"


@dataclass(frozen=True, slots=True)
class Refused:
    reason: str


def pattern(path: str) -> re.Pattern[str]:
    """What `path` of a row stands for."""
    parts = re.split(r"(\{[^}]*\})", path)
    return re.compile("".join(map(_part, parts)), re.ASCII)


def _part(text: str) -> str:
    if not text.startswith("{"):
        return re.escape(text)
    inner = text[1:-1]
    fixed = {"id": _UUID, "name": _NAME}
    return fixed.get(inner) or "(?:" + "|".join(map(re.escape, inner.split("|"))) + ")"


_COMPILED = tuple((row, pattern(row.path)) for row in TABLE)
_ELSEWHERE = tuple((re.compile(path), words) for path, words in ELSEWHERE)


def judge(rank: Rank, method: str, address: Address) -> Row | Refused:
    """The row that allows this call, or why none does. The body is judged by `body_fits`."""
    path = address.api or ""
    for row, compiled in _COMPILED:
        if row.method == method and compiled.fullmatch(path):
            if rank < row.rank:
                return Refused("Your role may look, but not do this.")
            if len(set(address.parameters)) < len(address.parameters) or not set(address.parameters) <= set(row.query):
                return Refused("This address has parameters that are not passed on.")
            return row
    words = next((words for compiled, words in _ELSEWHERE if compiled.fullmatch(path)), None)
    return Refused(words or "This is not done in the dashboard.")


def body_fits(row: Row, body: bytes) -> bool:
    if row.body == "any":
        # A filter never refers to a variable; the server would look it up and could repeat its value.
        return b"workspace_variable" not in body and b"\\u" not in body
    try:
        value = json.loads(body)
    except ValueError:
        return False
    return isinstance(value, dict) and list(value) == ["is_paused"] and isinstance(value["is_paused"], bool)
