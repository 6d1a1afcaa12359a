"""What the platform answers, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Json = Mapping[str, Any]

_SHOWN = 12  # characters of a digest


def blocking(request: Json) -> list[Json]:
    return [gate for gate in request["gates"] if gate["outcome"] != "passed"]


def reasons_of(gates: Iterable[Json]) -> tuple[str, ...]:
    """Each reason behind the question that it answers."""
    return tuple(f"{gate['title']} {reason}" for gate in gates for reason in gate["reasons"])


def gates_text(request: Json) -> str:
    """For example "5 gates passed" or "4 of 6 gates passed"."""
    total, open_gates = len(request["gates"]), len(blocking(request))
    if not total:
        return "no gate has been judged"
    if not open_gates:
        return f"{total} gate{'s' if total > 1 else ''} passed"
    return f"{total - open_gates} of {total} gates passed"


def progress_text(request: Json) -> str:
    """What is known about a request under way: its status, and its gates as far as they are judged."""
    marks = {"passed": "✓", "failed": "✗"}
    gates = "  ".join(f"{marks.get(gate['outcome'], '…')} {gate['policy']}" for gate in request["gates"])
    approvals = sum(1 for item in request["approvals"] if item["counts"] and item["decision"] == "approve")
    status = str(request["status"]).replace("_", " ")
    if approvals:
        status += f", {approvals} approval{'s' if approvals > 1 else ''}"
    return f"{status}  {gates}".rstrip()


def applied_text(request: Json) -> str:
    """For example "staging (2 gates passed)", with what moved along."""
    outcome = request["outcome"]
    alongside = outcome.get("alongside")
    also = f"; {alongside['version']} is {alongside['to']} now" if alongside else ""
    return f"{outcome['to']} ({gates_text(request)}){also}"


def evaluation_text(results: Json) -> str:
    """Metrics with their intervals, and whether the thresholds hold."""
    found = results.get("results")
    if not found:
        return f"evaluation {results['status']}: {results['reason']}"
    values = ", ".join(
        f"{name} {value:.3f}{_interval(found['intervals'].get(name))}"
        for name, value in sorted(found["taskMetrics"].items())
    )
    verdict = "thresholds met" if results["passed"] else str(results["reason"])
    return f"{values} on {found['examples']} examples; {verdict}"


def _interval(interval: Json | None) -> str:
    return f" ({interval['low']:.3f}–{interval['high']:.3f})" if interval else ""


def difference_rows(difference: Iterable[Json]) -> tuple[tuple[str, ...], ...]:
    """A small table of what changed: a heading and one row a change.

    An artifact that was replaced has another id, so it comes as one that is gone and one that is new; the
    two are shown as one row for each property that differs.
    """
    changes = list(difference)
    gone = {_key(c["before"]): c["before"] for c in changes if _artifact(c, "before")}
    new = {_key(c["after"]): c["after"] for c in changes if _artifact(c, "after")}
    rows: list[tuple[str, ...]] = []
    for key in dict.fromkeys([*gone, *new]):
        before, after = gone.get(key, {}), new.get(key, {})
        rows += [
            (f"{' '.join(key)}: {name}", _short(before.get(name)), _short(after.get(name)))
            for name in sorted({*before, *after} - {"id", "type", "name", "uri"})
            if before.get(name) != after.get(name)
        ]
    rows += [
        (str(c["path"]), _short(c["before"]), _short(c["after"]))
        for c in changes
        if not _artifact(c, "before") and not _artifact(c, "after")
    ]
    return (("what", "approved", "now"), *rows)


def _artifact(change: Json, side: str) -> bool:
    other = "after" if side == "before" else "before"
    whole = isinstance(change.get(side), Mapping) and change.get(other) is None
    return whole and str(change["path"]).startswith("artifacts[")


def _key(artifact: Json) -> tuple[str, str]:
    return str(artifact.get("type")), str(artifact.get("name"))


def _short(value: Any) -> str:
    if value is None:
        return "–"
    text = str(value)
    return text[:_SHOWN] + "…" if len(text) == 64 else text
