"""What an event says, in one sentence for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Names:
    """What the ids of an event are called today; None where there is no such thing or nobody looked."""

    model: str | None = None
    version: str | None = None
    dataset: str | None = None
    user: str | None = None


def sentence(event: Event, names: Names = Names()) -> str:
    """Of an event's JSON (`AuditEvent.to_json`). An action that nobody described is told by its words."""
    actor = _short(event["actor"]["name"])
    tell = _SENTENCES.get(event["action"])
    try:
        told = tell(event, names) if tell is not None else None
    except (KeyError, TypeError, AttributeError):  # an entry of another shape than today's is still told
        told = None
    return f"{actor} {told or _plainly(event, names)}."


def _plainly(event: Event, names: Names) -> str:
    words = event["action"].replace(":", " ").replace("_", " ").replace("-", " ")
    return f"did “{words}” to {_thing(event, names)}"


def _thing(event: Event, names: Names) -> str:
    if names.model is not None:
        return _asset(names)
    subject = event["subject"]
    name = names.dataset or names.user
    return f"the {subject['kind']} {_short(name or subject['id'])}"


def _asset(names: Names) -> str:
    return _short(f"{names.model or 'a model'} {names.version or ''}".strip())


def _transition(event: Event) -> str:
    return str(event["details"].get("transition") or (event["after"] or {})["transition"]).replace("_", " ")


def _because(event: Event, *path: str) -> str:
    value: Any = event
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return f": {_short(value)}" if isinstance(value, str) and value.strip() else ""


def _moved(event: Event, names: Names) -> str:
    return f"moved {_asset(names)} from {event['before']['state']} to {event['after']['state']}"


def _traffic(event: Event, names: Names) -> str:
    shares = event["after"]["traffic"]
    parts = ", ".join(f"{share} %" for share in shares.values()) if isinstance(shares, Mapping) else ""
    return f"changed the traffic of {_asset(names)} in {event['after']['environment']}" + (f" to {parts}" * bool(parts))


_SENTENCES: dict[str, Callable[[Event, Names], str]] = {
    "model:created": lambda e, n: f"created the model {_short(e['after']['name'])}",
    "model:access:changed": lambda e, n: f"changed who may see {_asset(n)}",
    "version:created": lambda e, n: (
        f"created version {_short(e['after']['version'])} of {_short(n.model or 'a model')}"
    ),
    "version:metadata:changed": lambda e, n: f"changed the metadata of {_asset(n)}",
    "version:state:changed": _moved,
    "artifact:attached": lambda e, n: f"attached {_short(e['after']['name'])} to {_asset(n)}",
    "artifact:replaced": lambda e, n: f"replaced {_short(e['after']['name'])} of {_asset(n)}",
    "request:opened": lambda e, n: f"asked to {_transition(e)} {_asset(n)}{_because(e, 'details', 'reason')}",
    "request:judging": lambda e, n: f"began to judge a request about {_asset(n)}",
    "request:evidence:frozen": lambda e, n: f"froze the evidence about {_asset(n)} for a decision",
    "request:approved": lambda e, n: f"approved the request about {_asset(n)}{_because(e, 'after', 'comment')}",
    "request:rejected": lambda e, n: f"rejected the request about {_asset(n)}{_because(e, 'after', 'comment')}",
    "request:applied": lambda e, n: f"carried out: {_transition(e)} of {_asset(n)}",
    "request:denied": lambda e, n: f"denied: {_transition(e)} of {_asset(n)}",
    "request:withdrawn": lambda e, n: f"withdrew the request about {_asset(n)}",
    "request:relaunched": lambda e, n: f"started the request about {_asset(n)} again{_because(e, 'details', 'why')}",
    "traffic:changed": _traffic,
    "finding:opened": lambda e, n: f"opened a finding about {_asset(n)}{_because(e, 'after', 'title')}",
    "suite:created": lambda e, n: f"created the evaluation suite {_short(e['after']['name'])} for {_asset(n)}",
    "drift_reference:pinned": lambda e, n: f"pinned what live traffic of {_asset(n)} is compared with",
    "observations:recorded": lambda e, n: f"recorded {e['details']['observations']} observations of {_asset(n)}",
    "dataset:created": lambda e, n: f"created the dataset {_short(e['after']['name'])}",
    "policy:published": lambda e, n: (
        f"published version {e['after']['version']} of policy {_short(e['subject']['id'])}"
    ),
    "user:created": lambda e, n: f"created the user {_short(n.user or e['after']['name'])}",
    "user:deleted": lambda e, n: f"deleted the user {_short(e['before']['name'])}",
    "user:access:changed": lambda e, n: f"changed the access of {_short(n.user or e['subject']['id'])}",
    "user:provisioned": lambda e, n: f"brought {_short(n.user or e['subject']['id'])} in from the identity provider",
    "token:issued": lambda e, n: f"issued a token for {_short(n.user or e['subject']['id'])}",
    "token:revoked": lambda e, n: f"revoked a token of {_short(n.user or e['subject']['id'])}",
    "group:created": lambda e, n: f"created the group {_short(e['after']['name'])}",
    "group:changed": lambda e, n: f"changed the group {_short(e['after']['name'])}",
    "group:member:added": lambda e, n: f"added a member to the group {_short(e['details']['group'])}",
    "group:member:removed": lambda e, n: f"removed a member from the group {_short(e['details']['group'])}",
    "content:inspected": lambda e, n: "inspected content: " + ("safe" if e["after"]["safe"] else "not safe"),
    "audit:exported": lambda e, n: f"exported the audit log as {e['details']['format']}",
    "audit:retention:applied": lambda e, n: f"moved {e['details']['entries']} entries of the audit log to an archive",
    "audit:hold:placed": lambda e, n: f"placed a legal hold{_because(e, 'after', 'reason')}",
    "audit:hold:released": lambda e, n: "released a legal hold",
    "activity:subscribed": lambda e, n: "subscribed to activity",
}


def _short(text: Any, most: int = 120) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
