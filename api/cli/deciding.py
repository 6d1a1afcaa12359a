"""`inbox`, `approve`, `reject`, `request-changes`: deciding from a terminal, about exactly what was shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from api.cli.calling import ApiCalls
from storage.platform_processes.errors import PlatformError

_MARKS = {"passed": "passed", "failed": "refused", "unknown": "open"}


def show_inbox(home: Path | None, api_url: str | None, *, everything: bool, as_json: bool) -> None:
    """What waits for whoever is signed in; the first 200."""
    found = _inbox(ApiCalls(home, api_url), everything=everything)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    if not found:
        Console(stderr=True).print("Nothing waits for you.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Request", no_wrap=True, min_width=36)  # whole, since `approve` takes it
    for title in ("What", "Tier", "By", "Needs", "Votes", "Changes", *(["Why not"] if everything else [])):
        table.add_column(title, overflow="fold")
    for item in found:
        needed = item["votes"]["needed"]
        votes = f"{item['votes']['given']}/{needed}" if needed is not None else "–"
        why = [item["whyNot"] or ""] if everything else []
        table.add_row(
            item["id"], _what(item), item["riskTier"], item["requestedBy"], ", ".join(item["needs"]), votes,
            str(item["differences"]), *why,
        )  # fmt: skip
    Console().print(table, highlight=False, markup=False)


def show_request(home: Path | None, api_url: str | None, request_id: str, *, as_json: bool) -> None:
    """One request as far as deciding about it needs: gates, difference, what serves, votes, digest."""
    api = ApiCalls(home, api_url)
    shown = _request(api, request_id)
    item = next(
        (one for one in _inbox(api, everything=True, model_id=shown["modelId"]) if one["id"] == shown["id"]), {}
    )
    if as_json:
        print(json.dumps({**item, **shown}, indent=2))
        return
    console = Console()
    _print_request(console, shown)
    if item:
        for serving in item["impact"]["deployments"]:
            console.print(
                f"Serves now: version {serving['version']} at {serving['endpoint']}, {serving['trafficPercent']} % of "
                f"{serving['environment']}",
                markup=False, highlight=False, soft_wrap=True,
            )  # fmt: skip
        _print_changes(console, "What changes in production", item["difference"])
        if item["whyNot"]:
            console.print(f"You cannot decide: {item['whyNot']}", markup=False, highlight=False, soft_wrap=True)
        for name in ("page", "dashboard"):
            if name in item["links"]:
                console.print(item["links"][name], markup=False, highlight=False, soft_wrap=True)


def decide(
    home: Path | None,
    api_url: str | None,
    request_id: str,
    decision: str,
    comment: str,
    *,
    on_behalf_of: str | None,
    digest: str | None,
    confirmed: bool,
) -> None:
    """Show the digest, ask, and record a decision about exactly it. Raises PlatformError, typer.Abort."""
    api = ApiCalls(home, api_url)
    shown = _request(api, request_id)
    if shown["evidenceDigest"] is None:
        raise PlatformError("The evidence is still being gathered; there is nothing to decide about yet.")
    if digest is not None and digest != shown["evidenceDigest"]:
        raise PlatformError(f"The request holds other evidence by now: {shown['evidenceDigest']}. Read it again.")
    console = Console(stderr=True)
    if not confirmed:
        _print_request(console, shown)
        typer.confirm(f"{decision.replace('_', ' ').capitalize()} exactly this?", abort=True, err=True)
    body: dict[str, Any] = {"decision": decision, "comment": comment, "evidenceDigest": shown["evidenceDigest"]}
    if on_behalf_of is not None:
        body["onBehalfOf"] = on_behalf_of
    api.signed_in("POST", f"/transition-requests/{shown['id']}/approvals", root="/api/v1", json=body)
    done = {"approve": "Approved", "reject": "Rejected", "request_changes": "Changes are asked for"}[decision]
    console.print(f"{done}: {shown['evidenceDigest']}", markup=False, highlight=False, soft_wrap=True)


def _inbox(api: ApiCalls, *, everything: bool, model_id: str | None = None) -> list[dict[str, Any]]:
    asked: dict[str, Any] = {"pageSize": 200, "all": everything}
    if model_id is not None:
        asked["modelId"] = model_id
    found: list[dict[str, Any]] = api.signed_in("GET", "/approvals", root="/api/v1", params=asked)
    return found


def _request(api: ApiCalls, request_id: str) -> dict[str, Any]:
    if not request_id or not all(letter in "0123456789abcdefABCDEF-" for letter in request_id):
        raise PlatformError(f"{request_id!r} is not the id of a request; gatehouse inbox lists them.")
    found: dict[str, Any] = api.signed_in("GET", f"/transition-requests/{request_id}", root="/api/v1")
    return found


def _what(shown: Mapping[str, Any]) -> str:
    return f"{shown['transition'].replace('_', ' ')}: {shown['modelName']} {shown['version']}"


def _print_request(console: Console, shown: Mapping[str, Any]) -> None:
    def line(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    line(f"{_what(shown)}, asked for by {shown['requestedBy']}")
    if shown["reason"]:
        line(f"Reason: {shown['reason']}")
    table = Table("Gate", "Verdict", "Why", box=None, pad_edge=False, header_style="bold")
    for gate in shown["gates"]:
        table.add_row(gate["title"], _MARKS[gate["outcome"]], " ".join(gate["reasons"]))
    console.print(table, highlight=False, markup=False)
    for approval in shown["approvals"]:
        behind = f" for {approval['onBehalfOf']}" if approval["onBehalfOf"] else ""
        line(f"{approval['approver']}{behind}: {approval['decision']} {approval['comment']}".rstrip())
    if shown["sinceLastReview"]:
        since = shown["sinceLastReview"]
        line(f"Sent back before by {since['by']}: {since['comment']}")
        _print_changes(console, "Since then", since["difference"])
    if shown["unchanged"] is False:
        _print_changes(console, "CHANGED since the evidence was frozen", shown["difference"])
    line(f"Evidence: {shown['evidenceDigest']}" + (" (unchanged since frozen)" if shown["unchanged"] else ""))


def _print_changes(console: Console, title: str, changes: Sequence[Mapping[str, Any]]) -> None:
    if not changes:
        return
    table = Table(title, "Before", "After", box=None, pad_edge=False, header_style="bold")
    for change in changes[:50]:
        table.add_row(change["path"], *(_short(change[side]) for side in ("before", "after")))
    console.print(table, highlight=False, markup=False)


def _short(value: Any) -> str:
    text = "–" if value is None else str(value)
    return text if len(text) <= 80 else text[:77] + "…"
