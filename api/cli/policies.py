"""What `gatehouse policy …` does: files into calls, and answers into lines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import typer
import yaml
from rich.console import Console
from rich.table import Table

from api.cli.calling import ApiCalls, ApiRefusal
from governance.errors import InvalidInput
from governance.policies import BY_NAME, build_policy
from governance.policy_definitions import draft_of
from storage.platform_processes.errors import PlatformError

_ROOT = "/api/v1"
_LARGEST_FILE = 1_000_000  # bytes
_DEFINITION = ("title", "kind", "enforcement", "scope", "rules", "samples")
_SHOWN = 20


def read_policy(file: Path) -> dict[str, Any]:
    """The mapping in a YAML or JSON file. Raises PlatformError."""
    if file.stat().st_size > _LARGEST_FILE:
        raise PlatformError(f"{file} is larger than a policy can be.")
    try:
        found = yaml.safe_load(file.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PlatformError(f"{file} is neither YAML nor JSON: {error}") from None
    if not isinstance(found, dict) or not isinstance(found.get("name"), str):
        raise PlatformError(f"{file} holds no policy: an object with a name.")
    return found


def check_file(file: Path) -> bool:
    """Whether it could be proposed; what speaks against it is printed."""
    value = read_policy(file)
    try:
        if value["name"] in BY_NAME:
            build_policy(BY_NAME[value["name"]], value.get("parameters", {}))
            _say(f"{value['name']}: the parameters fit.")
            return True
        made = draft_of(value)
    except InvalidInput as refused:
        _complain(refused.message, refused.details.get("problems", ()))
        return False
    allowed, denied = made.samples()
    _say(f"{made.name}: {len(made.rules)} rule(s); {len(allowed)} allowed and {len(denied)} denied sample(s) hold.")
    return True


def list_policies(home: Path | None, api_url: str | None, as_json: bool) -> None:
    found = _get(ApiCalls(home, api_url), "/policies", pageSize=200)
    if as_json:
        _print_json(found)
        return
    table = _table("Policy", "Version", "State", "Kind", "Enforcement", "Transitions")
    for one in found:
        transitions = ", ".join(one["transitions"])
        table.add_row(one["name"], str(one["version"]), one["state"], one["kind"], one["enforcement"], transitions)
    Console().print(table, highlight=False, markup=False)


def show_policy(home: Path | None, api_url: str | None, name: str, as_json: bool) -> None:
    found = _get(ApiCalls(home, api_url), f"/policies/{quote(name, safe='')}")
    if as_json:
        _print_json(found)
        return
    _say(f"{found['name']} v{found['version']} ({found['state']}, {found['enforcement']}, {found['kind']})")
    _say(found["title"])
    for what, values in found["scope"].items():
        if values:
            _say(f"  {what}: {', '.join(values)}")
    for rule in found["rules"]:
        _say(f"  {rule['id']}: {rule['expression']}\n    {rule['message']}")
    for key, value in found["parameters"].items():
        _say(f"  {key} = {json.dumps(value)}")
    for version in found["versions"]:
        _say(f"  version {version['version']}: {version['state']}, {version['createdAt'] or 'shipped'}")
    if found["pendingChange"]:
        _say(f"  a change waits for a second person: {found['pendingChange']}")


def propose_file(home: Path | None, api_url: str | None, file: Path, reason: str, draft: bool, as_json: bool) -> None:
    api, value = ApiCalls(home, api_url), read_policy(file)
    name = value["name"]
    body: dict[str, Any] = {"reason": reason, "draft": draft}
    if "parameters" in value:
        body["parameters"] = value["parameters"]
    else:
        body |= {key: value[key] for key in _DEFINITION if key in value}
    path = f"/policies/{quote(name, safe='')}"
    try:
        if _is_known(api, path):
            done = api.signed_in("PUT", path, root=_ROOT, json=body)
        else:
            done = api.signed_in("POST", "/policies", root=_ROOT, json={**body, "name": name})
    except ApiRefusal as refused:
        _complain(str(refused), refused.problems)
        raise typer.Exit(1) from None
    if as_json:
        _print_json(done)
    elif done["change"] is None:
        _say(f"{name} is written down as a draft, version {done['policy']['versions'][0]['version']}.")
    else:
        change = done["change"]
        _say(f"{name} v{change['version']} waits for a second person: gatehouse policy approve {change['id']}")


def list_changes(home: Path | None, api_url: str | None, as_json: bool) -> None:
    found = _get(ApiCalls(home, api_url), "/policies/changes", state="pending", pageSize=200)
    if as_json:
        _print_json(found)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Change", no_wrap=True, min_width=36)  # whole, since `approve` takes it
    for title in ("Policy", "Version", "What", "Proposed by", "At", "Reason"):
        table.add_column(title, overflow="fold")
    for one in found:
        shown = (one["policy"], str(one["version"]), one["action"], one["proposedBy"], one["proposedAt"], one["reason"])
        table.add_row(one["id"], *shown)
    Console().print(table, highlight=False, markup=False)


def decide_change(
    home: Path | None, api_url: str | None, change_id: str, decision: str, comment: str, yes: bool
) -> None:
    """Approve or reject under the digest of what was shown."""
    api = ApiCalls(home, api_url)
    path = f"/policies/changes/{quote(change_id, safe='')}"
    change = _get(api, path)
    _say(f"{change['action']} {change['policy']} v{change['version']}, proposed by {change['proposedBy']}")
    if change["reason"]:
        _say(f"  {change['reason']}")
    for rule in (change["after"] or {}).get("rules", ()):
        _say(f"  {rule['id']}: {rule['expression']}")
    _say(f"  digest {change['digest']}")
    if change["impact"] is not None:
        _print_impact(change["impact"])
    if not yes and not typer.confirm(f"{decision.capitalize()} exactly this?", err=True):
        raise typer.Exit(1)
    body = {"digest": change["digest"], "comment": comment}
    done = api.signed_in("POST", f"{path}/{decision}", root=_ROOT, json=body)
    _say(f"{done['policy']} v{done['version']}: {done['action']} {done['state']}.")


def show_impact(home: Path | None, api_url: str | None, name: str, file: Path | None, as_json: bool) -> None:
    body: dict[str, Any] = {}
    if file is not None:
        value = read_policy(file)
        keys = ("parameters",) if "parameters" in value else _DEFINITION
        body = {key: value[key] for key in keys if key in value}
    path = f"/policies/{quote(name, safe='')}/impact"
    found = ApiCalls(home, api_url).signed_in("POST", path, root=_ROOT, json=body)
    if as_json:
        _print_json(found)
    else:
        _print_impact(found)


def replay_request(home: Path | None, api_url: str | None, request_id: str, as_json: bool) -> bool:
    """Whether the record comes to the same verdicts again."""
    found = _get(ApiCalls(home, api_url), f"/transition-requests/{quote(request_id, safe='')}/replay")
    if as_json:
        _print_json(found)
        return bool(found["same"])
    for gate in found["verdicts"]:
        _say(f"{gate['outcome']:8} {gate['policy']} v{gate['policyVersion']}")
    if found["same"]:
        _say(f"The same verdicts, byte for byte: {found['digest']}")
    else:
        _say(f"Other verdicts than were recorded ({found['recordedDigest']}):")
        for line in found["difference"][:_SHOWN]:
            _say(f"  {line['path']}: recorded {line['before']!r}, now {line['after']!r}")
    return bool(found["same"])


def _print_impact(found: Mapping[str, Any]) -> None:
    past, now = found["decisions"], found["versions"]
    _say(
        f"{len(past['flips'])} of {past['looked']} past decisions would flip "
        f"({past['denied']} to denied, {past['allowed']} to allowed)."
    )
    for one in past["flips"][:_SHOWN]:
        _say(f"  {one['modelName']} {one['version']} {one['transition']}: {one['was']} -> {one['wouldBe']}")
        _say(f"    {' '.join(one['reasons'])}")
    _say(f"{now['production']} version(s) in production and {now['staging']} in staging would fall out.")
    for one in now["fallOut"][:_SHOWN]:
        _say(f"  {one['modelName']} {one['version']} ({one['state']}): {' '.join(one['reasons'])}")


def _is_known(api: ApiCalls, path: str) -> bool:
    try:
        _get(api, path)
    except ApiRefusal as refused:
        if refused.status == 404:
            return False
        raise
    return True


def _get(api: ApiCalls, path: str, **params: Any) -> Any:
    return api.signed_in("GET", path, root=_ROOT, params=params)


def _say(line: str) -> None:
    Console().print(line, markup=False, highlight=False, soft_wrap=True)


def _complain(message: str, problems: Any) -> None:
    console = Console(stderr=True)
    console.print(f"Error: {message}", markup=False, highlight=False, soft_wrap=True)
    for one in problems:
        where = one.get("rule") or one.get("sample") or one.get("field") or ""
        at = f":{one['line']}:{one['column']}" if one.get("line") is not None else ""
        console.print(f"  {where}{at}: {one['problem']}", markup=False, highlight=False, soft_wrap=True)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2))


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(title, overflow="fold")
    return table
